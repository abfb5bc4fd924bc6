//! Certificates of a federation: one authority, one certificate for the coordinator and for each party.
//!
//! Both sides demand TLS 1.3 and a certificate of this authority, in its time of validity; the coordinator also
//! knows each party by the SHA-256 of its certificate. Source: RFC 8446; RFC 5280.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use sha2::{Digest, Sha256};

use super::TransportError;

/// The name that the coordinator's certificate carries.
pub const COORDINATOR: &str = "coordinator.federation";

/// A certificate with its key, in PEM.
pub struct Credential {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: zeroize::Zeroizing<String>,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credential")
    }
}

/// What a side of a connection needs, in PEM.
#[derive(Debug)]
pub struct Material {
    /// The authority's certificate.
    pub authority: String,
    /// The own certificate.
    pub credential: Credential,
}

/// From the first day of one year to that of another.
#[derive(Clone, Copy, Debug)]
pub struct Validity {
    /// First year.
    pub from: i32,
    /// The year at whose beginning it ends.
    pub until: i32,
}

/// An authority that lives as long as this value: its key is written nowhere.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate, PEM.
    pub certificate: String,
    validity: Validity,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority")
    }
}

fn refused(error: impl std::fmt::Display) -> TransportError {
    TransportError::Tls(error.to_string())
}

fn parameters(
    name: &str,
    names: Vec<String>,
    validity: Validity,
) -> Result<CertificateParams, TransportError> {
    let mut params = CertificateParams::new(names).map_err(refused)?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = rcgen::date_time_ymd(validity.from, 1, 1);
    params.not_after = rcgen::date_time_ymd(validity.until, 1, 1);
    Ok(params)
}

impl Authority {
    /// A new authority.
    ///
    /// # Errors
    /// [`TransportError::Tls`] when the system gives no key.
    pub fn new(validity: Validity) -> Result<Self, TransportError> {
        let mut params = parameters("federation authority", vec![], validity)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().map_err(refused)?;
        let certificate = params.self_signed(&key).map_err(refused)?.pem();
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate,
            validity,
        })
    }

    /// A certificate for the coordinator (`None`) or a party.
    ///
    /// # Errors
    /// [`TransportError::Tls`] for a name that no certificate can carry.
    pub fn issue(&self, party: Option<&str>) -> Result<Credential, TransportError> {
        let (name, usage) = match party {
            None => (COORDINATOR, ExtendedKeyUsagePurpose::ServerAuth),
            Some(name) => (name, ExtendedKeyUsagePurpose::ClientAuth),
        };
        let names = party.map_or(vec![COORDINATOR.to_owned()], |_| vec![]);
        let mut params = parameters(name, names, self.validity)?;
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().map_err(refused)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(refused)?.pem();
        Ok(Credential {
            certificate,
            key: key.serialize_pem().into(),
        })
    }
}

/// SHA-256 of a certificate in PEM.
///
/// # Errors
/// [`TransportError::Tls`] when it is none.
pub fn fingerprint(pem: &str) -> Result<[u8; 32], TransportError> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(refused)?;
    Ok(Sha256::digest(&der).into())
}

type Parts = (
    Arc<RootCertStore>,
    Vec<CertificateDer<'static>>,
    PrivateKeyDer<'static>,
);

fn parts(material: &Material) -> Result<Parts, TransportError> {
    let read = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).map_err(refused);
    let mut roots = RootCertStore::empty();
    roots.add(read(&material.authority)?).map_err(refused)?;
    let key = PrivateKeyDer::from_pem_slice(material.credential.key.as_bytes()).map_err(refused)?;
    Ok((
        Arc::new(roots),
        vec![read(&material.credential.certificate)?],
        key,
    ))
}

/// The coordinator's side.
///
/// # Errors
/// [`TransportError::Tls`] for material that is no certificate.
pub fn server(material: &Material) -> Result<ServerConfig, TransportError> {
    let (roots, chain, key) = parts(material)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
    ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(refused)?
        .with_client_cert_verifier(verifier.build().map_err(refused)?)
        .with_single_cert(chain, key)
        .map_err(refused)
}

/// A party's side.
///
/// # Errors
/// [`TransportError::Tls`] for material that is no certificate.
pub fn client(material: &Material) -> Result<ClientConfig, TransportError> {
    let (roots, chain, key) = parts(material)?;
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .map_err(refused)?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(refused)
}
