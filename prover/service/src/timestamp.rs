//! RFC 3161 time stamps over a checkpoint.
//!
//! 1. Claim: [`verify`] accepts a token if an authority under the given roots signed, with a certificate for time stamping that
//!    was valid then, that it saw the message's hash at the time that is returned. The message is a checkpoint's text
//!    without its signatures, so that cosignatures may still come.
//! 2. Layout: DER. A reply (TimeStampResp) is taken as well as the token in it.
//! 3. Assumed: the roots; that the authority's clock was right and its key not lost, since revocation is not looked up; SHA-256,
//!    SHA-384 or SHA-512, and RSA (PKCS #1 v1.5, 2048 bits at least), ECDSA (P-256, P-384) or Ed25519.
//! 4. Source: RFC 3161, RFC 5652 (5.3, 5.4), RFC 5816 (SigningCertificateV2), RFC 5280.

use std::fmt;
use std::time::Duration;

use cms::cert::CertificateChoices;
use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use der::{DateTime, Decode, Encode, Header, Reader, SliceReader, Tag, Tagged};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use sha2::{Digest, Sha256, Sha384, Sha512};
use thiserror::Error;
use webpki::{ring as algorithms, EndEntityCert, KeyUsage};

/// Why a time stamp is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TimestampError {
    /// The bytes are no token.
    #[error("no RFC 3161 token: {0}")]
    Malformed(&'static str),
    /// The authority gave none.
    #[error("the authority's reply holds no token; it refused the request")]
    Refused,
    /// The token is about something else.
    #[error("the token is about another message than this checkpoint")]
    Message,
    /// What it is signed with is not supported.
    #[error("the token's {what} {oid} is not supported")]
    Algorithm {
        /// What kind.
        what: &'static str,
        /// Its object identifier.
        oid: String,
    },
    /// The signature.
    #[error("the token's signature does not hold: {0}")]
    Signature(&'static str),
    /// The chain of certificates.
    #[error("the authority's certificate is not accepted: {0}")]
    Certificate(String),
    /// No root certificates.
    #[error("no certificate in PEM form")]
    Roots,
}

/// Roots of the authorities that are trusted.
#[derive(Clone)]
pub struct Authorities(Vec<CertificateDer<'static>>);

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorities({})", self.0.len())
    }
}

impl Authorities {
    /// Root certificates in PEM form.
    ///
    /// # Errors
    /// [`TimestampError::Roots`] if there is none, or one is malformed.
    pub fn from_pem(pem: &[u8]) -> Result<Self, TimestampError> {
        let roots = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let roots = roots.map_err(|_| TimestampError::Roots)?;
        let sound = |root: &CertificateDer<'_>| webpki::anchor_from_trusted_cert(root).is_ok();
        match roots.is_empty() || !roots.iter().all(sound) {
            true => Err(TimestampError::Roots),
            false => Ok(Self(roots)),
        }
    }
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Unix time in seconds, fractions dropped.
    pub time_s: u64,
    /// The time as the token has it, such as 20261122031500Z.
    pub time: String,
    /// Subject of the authority's certificate.
    pub authority: String,
}

/// A request for a time stamp of a message, to be sent to an authority as `application/timestamp-query`.
pub fn request(message: &[u8]) -> Vec<u8> {
    // TimeStampReq: version 1, SHA-256 of the message, the certificate wanted in the token.
    let digest = Sha256::digest(message);
    [&REQUEST_HEAD[..], &digest, &[0x01, 0x01, 0xff]].concat()
}

/// The token of a reply, or the token itself.
///
/// # Errors
/// [`TimestampError::Malformed`], [`TimestampError::Refused`].
pub fn token(bytes: &[u8]) -> Result<Vec<u8>, TimestampError> {
    if ContentInfo::from_der(bytes).is_ok() {
        return Ok(bytes.to_vec());
    }
    let malformed = |_| TimestampError::Malformed("neither a token nor a reply that holds one");
    let mut reader = SliceReader::new(bytes).map_err(malformed)?;
    let inner = reader.sequence(|reader| {
        AnyRef::decode(reader)?;
        match reader.is_finished() {
            true => Ok(None),
            false => reader.tlv_bytes().map(|bytes| Some(bytes.to_vec())),
        }
    });
    match inner.map_err(malformed)? {
        None => Err(TimestampError::Refused),
        Some(inner) if ContentInfo::from_der(&inner).is_ok() => Ok(inner),
        Some(_) => Err(TimestampError::Malformed("the reply's token is none")),
    }
}

/// Whether a token is about this message; nothing else of it is checked.
///
/// # Errors
/// [`TimestampError::Message`] if it is about another, [`TimestampError::Malformed`].
pub fn is_about(token: &[u8], message: &[u8]) -> Result<(), TimestampError> {
    let signed = signed_data(token)?;
    stated(content(&signed)?, message).map(|_| ())
}

/// Checks a token over a message.
///
/// # Errors
/// [`TimestampError`].
pub fn verify(
    token: &[u8],
    message: &[u8],
    authorities: &Authorities,
) -> Result<Stamp, TimestampError> {
    let malformed = |what| move |_| TimestampError::Malformed(what);
    let signed = signed_data(token)?;
    let content = content(&signed)?;
    // 1. What it says.
    let (time, time_s) = stated(content, message)?;
    // 2. Who says it.
    let [signer] = signed.signer_infos.0.as_slice() else {
        return Err(TimestampError::Malformed("it has not one signature"));
    };
    let mut certificates = Vec::new();
    let mut named = None;
    for choice in signed.certificates.iter().flat_map(|set| set.0.iter()) {
        let CertificateChoices::Certificate(certificate) = choice else {
            continue;
        };
        let bytes = certificate
            .to_der()
            .map_err(malformed("a certificate in it"))?;
        let is_signers = match &signer.sid {
            SignerIdentifier::IssuerAndSerialNumber(name) => {
                name.issuer == certificate.tbs_certificate.issuer
                    && name.serial_number == certificate.tbs_certificate.serial_number
            }
            SignerIdentifier::SubjectKeyIdentifier(_) => false,
        };
        if is_signers {
            named = Some((
                CertificateDer::from(bytes),
                certificate.tbs_certificate.subject.to_string(),
            ));
        } else {
            certificates.push(CertificateDer::from(bytes));
        }
    }
    let Some((certificate, authority)) = named else {
        return Err(TimestampError::Certificate(
            "it is not in the token; ask the authority for it (certReq)".into(),
        ));
    };
    // 3. The signature, over attributes that name the content and the certificate.
    let end = EndEntityCert::try_from(&certificate)
        .map_err(|error| TimestampError::Certificate(error.to_string()))?;
    signed_by(&end, &certificate, signer, content)?;
    // 4. The certificate, at the time stated.
    let anchors: Vec<_> = authorities
        .0
        .iter()
        .filter_map(|root| webpki::anchor_from_trusted_cert(root).ok())
        .collect();
    let at = UnixTime::since_unix_epoch(Duration::from_secs(time_s));
    let usage = KeyUsage::required(TIME_STAMPING);
    let all = webpki::ALL_VERIFICATION_ALGS;
    end.verify_for_usage(all, &anchors, &certificates, at, usage, None, None)
        .map_err(|error| TimestampError::Certificate(error.to_string()))?;
    Ok(Stamp {
        time_s,
        time,
        authority,
    })
}

fn signed_data(token: &[u8]) -> Result<SignedData, TimestampError> {
    let malformed = |what| move |_| TimestampError::Malformed(what);
    let info = ContentInfo::from_der(token).map_err(malformed("not in DER"))?;
    if info.content_type != SIGNED_DATA {
        return Err(TimestampError::Malformed("its content is not signed"));
    }
    info.content.decode_as().map_err(malformed("signed data"))
}

/// The bytes of TSTInfo.
fn content(signed: &SignedData) -> Result<&[u8], TimestampError> {
    let content = &signed.encap_content_info;
    if content.econtent_type != TST_INFO {
        return Err(TimestampError::Malformed("what is signed is no time stamp"));
    }
    let inner = content.econtent.as_ref();
    let inner = inner.and_then(|inner| inner.decode_as::<OctetStringRef<'_>>().ok());
    let inner = inner.ok_or(TimestampError::Malformed("nothing is signed"))?;
    Ok(inner.as_bytes())
}

/// Reads TSTInfo up to its time, and compares the message's hash.
fn stated(content: &[u8], message: &[u8]) -> Result<(String, u64), TimestampError> {
    let malformed = |_: der::Error| TimestampError::Malformed("what it states");
    let mut reader = SliceReader::new(content).map_err(malformed)?;
    Header::decode(&mut reader)
        .and_then(|header| header.tag.assert_eq(Tag::Sequence))
        .map_err(malformed)?;
    let version = u8::decode(&mut reader).map_err(malformed)?;
    if version != 1 {
        return Err(TimestampError::Malformed("its version is not 1"));
    }
    // The authority's policy, by an object identifier of any length.
    let policy = AnyRef::decode(&mut reader).map_err(malformed)?;
    if policy.tag() != Tag::ObjectIdentifier {
        return Err(TimestampError::Malformed("its policy"));
    }
    let (algorithm, hash) = reader
        .sequence(|reader| {
            let algorithm = spki::AlgorithmIdentifierRef::decode(reader)?;
            Ok((algorithm.oid, OctetStringRef::decode(reader)?.as_bytes()))
        })
        .map_err(malformed)?;
    if digest(algorithm, message)? != hash {
        return Err(TimestampError::Message);
    }
    let serial = AnyRef::decode(&mut reader).map_err(malformed)?;
    let time = AnyRef::decode(&mut reader).map_err(malformed)?;
    if serial.tag() != Tag::Integer || time.tag() != Tag::GeneralizedTime {
        return Err(TimestampError::Malformed("its number or its time"));
    }
    let time = std::str::from_utf8(time.value()).ok();
    let read = time.and_then(|text| Some((text.to_owned(), unix_time(text)?)));
    read.ok_or(TimestampError::Malformed("its time"))
}

/// YYYYMMDDhhmmss, perhaps a fraction, Z.
fn unix_time(text: &str) -> Option<u64> {
    let (whole, fraction) = text.strip_suffix('Z')?.split_at_checked(14)?;
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let fraction_fits = match fraction.strip_prefix('.') {
        Some(fraction) => !fraction.is_empty() && digits(fraction),
        None => fraction.is_empty(),
    };
    if !digits(whole) || !fraction_fits {
        return None;
    }
    let part = |range: std::ops::Range<usize>| whole.get(range)?.parse::<u8>().ok();
    let year = whole.get(..4)?.parse().ok()?;
    let time = DateTime::new(
        year,
        part(4..6)?,
        part(6..8)?,
        part(8..10)?,
        part(10..12)?,
        part(12..14)?,
    );
    Some(time.ok()?.unix_duration().as_secs())
}

fn signed_by(
    end: &EndEntityCert<'_>,
    certificate: &CertificateDer<'_>,
    signer: &SignerInfo,
    content: &[u8],
) -> Result<(), TimestampError> {
    let attributes = signer.signed_attrs.as_ref();
    let attributes = attributes.ok_or(TimestampError::Signature("it signs no attributes"))?;
    let value = |oid: ObjectIdentifier| {
        let mut found = attributes
            .iter()
            .filter(|attribute| attribute.oid == oid)
            .flat_map(|attribute| attribute.values.iter());
        match (found.next(), found.next()) {
            (Some(value), None) => Some(value),
            _ => None,
        }
    };
    let kind = value(CONTENT_TYPE).and_then(|value| value.decode_as().ok());
    if kind != Some(TST_INFO) {
        return Err(TimestampError::Signature("it is about another content"));
    }
    let hash = digest(signer.digest_alg.oid, content)?;
    let stated = value(MESSAGE_DIGEST);
    let stated = stated.and_then(|value| value.decode_as::<OctetStringRef<'_>>().ok());
    if stated.map(|stated| stated.as_bytes()) != Some(&hash[..]) {
        return Err(TimestampError::Signature("it is about another content"));
    }
    if let Some(value) = value(SIGNING_CERTIFICATE_V2) {
        let bytes = value.to_der().ok();
        let named = bytes.as_deref().and_then(named_certificate);
        let (algorithm, hash) =
            named.ok_or(TimestampError::Malformed("the certificate's name in it"))?;
        if digest(algorithm, certificate)? != hash {
            return Err(TimestampError::Signature("it names another certificate"));
        }
    }
    let message = attributes
        .to_der()
        .map_err(|_| TimestampError::Malformed("its attributes"))?;
    let candidates = signature_algorithms(signer.signature_algorithm.oid, signer.digest_alg.oid)?;
    let holds = candidates.iter().any(|algorithm| {
        end.verify_signature(*algorithm, &message, signer.signature.as_bytes())
            .is_ok()
    });
    match holds {
        true => Ok(()),
        false => Err(TimestampError::Signature(
            "it is not of the certificate's key",
        )),
    }
}

/// Hash algorithm and hash of the first ESSCertIDv2.
fn named_certificate(value: &[u8]) -> Option<(ObjectIdentifier, Vec<u8>)> {
    let mut reader = SliceReader::new(value).ok()?;
    for _ in 0..3 {
        // SigningCertificateV2, its list, its first member: what is inside begins right after each head.
        let header = Header::decode(&mut reader).ok()?;
        header.tag.assert_eq(Tag::Sequence).ok()?;
    }
    let algorithm = match reader.peek_header().ok()?.tag {
        Tag::Sequence => spki::AlgorithmIdentifierRef::decode(&mut reader).ok()?.oid,
        _ => SHA256,
    };
    let hash = OctetStringRef::decode(&mut reader).ok()?;
    Some((algorithm, hash.as_bytes().to_vec()))
}

fn digest(algorithm: ObjectIdentifier, message: &[u8]) -> Result<Vec<u8>, TimestampError> {
    match algorithm {
        SHA256 => Ok(Sha256::digest(message).to_vec()),
        SHA384 => Ok(Sha384::digest(message).to_vec()),
        SHA512 => Ok(Sha512::digest(message).to_vec()),
        _ => Err(TimestampError::Algorithm {
            what: "hash function",
            oid: algorithm.to_string(),
        }),
    }
}

/// The algorithms that a signature's object identifier may mean, which the key's kind decides between.
fn signature_algorithms(
    signature: ObjectIdentifier,
    digest: ObjectIdentifier,
) -> Result<&'static [&'static dyn SignatureVerificationAlgorithm], TimestampError> {
    static RSA_256: &[&dyn SignatureVerificationAlgorithm] =
        &[algorithms::RSA_PKCS1_2048_8192_SHA256];
    static RSA_384: &[&dyn SignatureVerificationAlgorithm] =
        &[algorithms::RSA_PKCS1_2048_8192_SHA384];
    static RSA_512: &[&dyn SignatureVerificationAlgorithm] =
        &[algorithms::RSA_PKCS1_2048_8192_SHA512];
    static ECDSA_256: &[&dyn SignatureVerificationAlgorithm] =
        &[algorithms::ECDSA_P256_SHA256, algorithms::ECDSA_P384_SHA256];
    static ECDSA_384: &[&dyn SignatureVerificationAlgorithm] =
        &[algorithms::ECDSA_P256_SHA384, algorithms::ECDSA_P384_SHA384];
    static EDWARDS: &[&dyn SignatureVerificationAlgorithm] = &[algorithms::ED25519];
    match (signature, digest) {
        (RSA, SHA256) | (RSA_SHA256, _) => Ok(RSA_256),
        (RSA, SHA384) | (RSA_SHA384, _) => Ok(RSA_384),
        (RSA, SHA512) | (RSA_SHA512, _) => Ok(RSA_512),
        (ECDSA_SHA256, _) => Ok(ECDSA_256),
        (ECDSA_SHA384, _) => Ok(ECDSA_384),
        (ED25519, _) => Ok(EDWARDS),
        _ => Err(TimestampError::Algorithm {
            what: "signature algorithm",
            oid: signature.to_string(),
        }),
    }
}

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

const SIGNED_DATA: ObjectIdentifier = oid("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = oid("1.2.840.113549.1.9.16.1.4");
const CONTENT_TYPE: ObjectIdentifier = oid("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = oid("1.2.840.113549.1.9.4");
const SIGNING_CERTIFICATE_V2: ObjectIdentifier = oid("1.2.840.113549.1.9.16.2.47");
const SHA256: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.1");
const SHA384: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.2");
const SHA512: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.3");
const RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.1");
const RSA_SHA256: ObjectIdentifier = oid("1.2.840.113549.1.1.11");
const RSA_SHA384: ObjectIdentifier = oid("1.2.840.113549.1.1.12");
const RSA_SHA512: ObjectIdentifier = oid("1.2.840.113549.1.1.13");
const ECDSA_SHA256: ObjectIdentifier = oid("1.2.840.10045.4.3.2");
const ECDSA_SHA384: ObjectIdentifier = oid("1.2.840.10045.4.3.3");
const ED25519: ObjectIdentifier = oid("1.3.101.112");
/// id-kp-timeStamping, 1.3.6.1.5.5.7.3.8.
const TIME_STAMPING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 8];
/// A request up to the message's SHA-256: SEQUENCE, version, SEQUENCE { SEQUENCE { SHA-256, NULL }, OCTET STRING }.
const REQUEST_HEAD: [u8; 24] = [
    0x30, 0x39, 0x02, 0x01, 0x01, 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65,
    0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_what_openssl_writes() {
        // openssl ts -query -digest 00..00 -sha256 -cert -no_nonce
        let written = request(b"");
        assert_eq!(written.len(), 2 + 0x39);
        assert_eq!(written[24..56], Sha256::digest(b"")[..]);
        let mut reader = SliceReader::new(&written).expect("DER");
        AnyRef::decode(&mut reader).expect("one value");
        assert!(reader.is_finished());
    }

    #[test]
    fn times_with_and_without_fractions() {
        assert_eq!(unix_time("19700101000001Z"), Some(1));
        assert_eq!(unix_time("20261122031500.25Z"), Some(1_795_317_300));
        for bad in [
            "20261122031500",
            "20261322031500Z",
            "20261122031500.Z",
            "2026112203150Z",
            "+0261122031500Z",
            "",
        ] {
            assert_eq!(unix_time(bad), None, "{bad}");
        }
    }

    #[test]
    fn bytes_that_are_no_token_are_refused() {
        assert!(matches!(token(b""), Err(TimestampError::Malformed(_))));
        // A reply that grants nothing: SEQUENCE { SEQUENCE { INTEGER 2 } }.
        let refused = [0x30, 0x05, 0x30, 0x03, 0x02, 0x01, 0x02];
        assert_eq!(token(&refused), Err(TimestampError::Refused));
    }
}
