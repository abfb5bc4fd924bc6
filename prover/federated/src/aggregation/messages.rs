//! Messages beside those of a certificate: their fields and bytes.
//!
//! What parties sign travels as [`Signed`]; what the coordinator asks is unsigned and moves nothing but progress:
//! every claim in it is checked against signed messages.

use clearproof_shared::artifact::cbor::{Decoder, Encoder};
use clearproof_shared::artifact::FormatError;
use clearproof_shared::training::signed::Signed;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::setup::Setup;
use super::sharing::Share;
use super::vectors::{from_bytes, to_bytes};

type Result<T> = std::result::Result<T, FormatError>;

/// SHA-256 over length-prefixed parts.
pub(super) fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// SHA-256.
pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn fields(input: &mut Decoder<'_>, count: usize, what: &'static str) -> Result<()> {
    match input.array(count, what)? == count {
        true => Ok(()),
        false => Err(FormatError::Unexpected(what)),
    }
}

fn party(input: &mut Decoder<'_>) -> Result<u16> {
    Ok(input.uint(u16::MAX.into(), "party")? as u16)
}

/// Positions with a digest each, ascending.
pub(super) type Digests = Vec<(u16, [u8; 32])>;

fn put_digests(out: &mut Encoder, digests: &Digests) {
    out.array(digests.len());
    for (party, digest) in digests {
        out.array(2);
        out.uint((*party).into());
        out.bytes(digest);
    }
}

fn digests(input: &mut Decoder<'_>, setup: &Setup) -> Result<Digests> {
    let most = setup.manifest.parties.len();
    let list = input.list(most, "parties", |input| {
        fields(input, 2, "party")?;
        Ok((party(input)?, input.array_of_bytes("digest")?))
    })?;
    match list.windows(2).all(|pair| pair[0].0 < pair[1].0) {
        true => Ok(list),
        false => Err(FormatError::NotCanonical),
    }
}

// ---------------------------------------------------------------------------------------- shares

/// What is sealed to a holder: salt, then seed or scalars.
pub(super) struct ShareMessage {
    pub(super) salt: [u8; 32],
    pub(super) share: Share,
}

impl ShareMessage {
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let (tag, content) = match &self.share {
            Share::Seed(seed) => (SEED, Zeroizing::new(seed.to_vec())),
            Share::Scalars(scalars) => (SCALARS, to_bytes(scalars)),
        };
        Zeroizing::new([&self.salt[..], &[tag], &content].concat())
    }

    pub(super) fn decode(bytes: &[u8], setup: &Setup) -> Option<Self> {
        let (salt, rest) = bytes.split_first_chunk::<32>()?;
        let (tag, content) = rest.split_first()?;
        let share = match *tag {
            SEED => Share::Seed(Zeroizing::new(content.try_into().ok()?)),
            SCALARS => Share::Scalars(from_bytes(content, setup.share_length())?),
            _ => return None,
        };
        Some(Self { salt: *salt, share })
    }

    /// The digest that the dealer publishes of it.
    pub(super) fn digest(setup: &Setup, dealer: u16, holder: u16, plaintext: &[u8]) -> [u8; 32] {
        let (dealer, holder) = (dealer.to_le_bytes(), holder.to_le_bytes());
        hash(&[SHARE_TAG, &setup.digest, &dealer, &holder, plaintext])
    }
}

const SEED: u8 = 0;
const SCALARS: u8 = 1;
const SHARE_TAG: &[u8] = b"clearproof federated share v1";

/// A sealed share on its way.
pub(super) struct SealedShare {
    pub(super) holder: u16,
    pub(super) sealed: Vec<u8>,
}

impl SealedShare {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        out.array(2);
        out.uint(self.holder.into());
        out.bytes(&self.sealed);
        out.finish()
    }

    pub(super) fn decode(bytes: &[u8], setup: &Setup) -> Result<Self> {
        let input = &mut Decoder::new(bytes);
        fields(input, 2, "sealed share")?;
        let most = 32 * setup.share_length() + 33 + super::seal::OVERHEAD;
        let message = Self {
            holder: party(input)?,
            sealed: input.bytes(most, "sealed share")?.to_vec(),
        };
        input.clone().finish()?;
        Ok(message)
    }
}

// ------------------------------------------------------------------------------------------ coin

/// A holder has these shares, and has committed to its part of the coin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ready {
    pub(super) coin_commitment: [u8; 32],
    /// Contributors whose share it holds, with their contributions' digests.
    pub(super) dealers: Digests,
}

impl Ready {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        out.array(2);
        out.bytes(&self.coin_commitment);
        put_digests(&mut out, &self.dealers);
        out.finish()
    }

    pub(super) fn decode(bytes: &[u8], setup: &Setup) -> Result<Self> {
        let input = &mut Decoder::new(bytes);
        fields(input, 2, "ready")?;
        let message = Self {
            coin_commitment: input.array_of_bytes("coin commitment")?,
            dealers: digests(input, setup)?,
        };
        input.clone().finish()?;
        Ok(message)
    }
}

/// Commitment to a holder's part of the coin: 256 uniform bits hide themselves.
pub(super) fn coin_commitment(setup: &Setup, holder: u16, coin: &[u8; 32]) -> [u8; 32] {
    hash(&[COIN_TAG, &setup.digest, &holder.to_le_bytes(), coin])
}

const COIN_TAG: &[u8] = b"clearproof federated coin v1";

/// An opened part of the coin, for one proposal.
pub(super) struct Coin {
    pub(super) proposal: [u8; 32],
    pub(super) coin: [u8; 32],
}

impl Coin {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        out.array(2);
        out.bytes(&self.proposal);
        out.bytes(&self.coin);
        out.finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let input = &mut Decoder::new(bytes);
        fields(input, 2, "coin")?;
        let message = Self {
            proposal: input.array_of_bytes("proposal digest")?,
            coin: input.array_of_bytes("coin")?,
        };
        input.clone().finish()?;
        Ok(message)
    }
}

// ----------------------------------------------------------------------------------------- check

/// A dealer's folded, masked polynomial: its values at 0 and at the seeded holders' points.
pub(super) struct CheckMessage {
    pub(super) coin: [u8; 32],
    /// `t + 1` folded values, one after another.
    pub(super) values: Vec<super::vectors::SecretVector>,
}

impl CheckMessage {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        out.array(2);
        out.bytes(&self.coin);
        out.bytes(
            &self
                .values
                .iter()
                .flat_map(|v| to_bytes(v).to_vec())
                .collect::<Vec<u8>>(),
        );
        out.finish()
    }

    pub(super) fn decode(bytes: &[u8], setup: &Setup) -> Result<Self> {
        let input = &mut Decoder::new(bytes);
        fields(input, 2, "check")?;
        let coin = input.array_of_bytes("coin")?;
        let (count, length) = (
            usize::from(setup.manifest.threshold) + 1,
            setup.folded_length(),
        );
        let values = input.bytes(32 * count * length, "check")?;
        input.clone().finish()?;
        let mut all = from_bytes(values, count * length).ok_or(FormatError::NotCanonical)?;
        let values = std::mem::take(&mut all.0)
            .chunks(length)
            .map(|chunk| super::vectors::SecretVector(chunk.to_vec()))
            .collect();
        Ok(Self { coin, values })
    }
}

// --------------------------------------------------------------------------------------- verdict

/// Which contributors a holder accepts; for the others whose check contradicts its share, the share itself.
pub(super) struct Verdict {
    /// Accepted contributors with the digests of their checks.
    pub(super) accepted: Digests,
    /// Contributor and the plaintext of its share.
    pub(super) complaints: Vec<(u16, Vec<u8>)>,
}

impl Verdict {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        out.array(2);
        put_digests(&mut out, &self.accepted);
        out.array(self.complaints.len());
        for (dealer, share) in &self.complaints {
            out.array(2);
            out.uint((*dealer).into());
            out.bytes(share);
        }
        out.finish()
    }

    pub(super) fn decode(bytes: &[u8], setup: &Setup) -> Result<Self> {
        let input = &mut Decoder::new(bytes);
        fields(input, 2, "verdict")?;
        let accepted = digests(input, setup)?;
        let most = 32 * setup.share_length() + 33;
        let complaints = input.list(setup.manifest.parties.len(), "complaints", |input| {
            fields(input, 2, "complaint")?;
            Ok((party(input)?, input.bytes(most, "share")?.to_vec()))
        })?;
        input.clone().finish()?;
        Ok(Self {
            accepted,
            complaints,
        })
    }
}

// ---------------------------------------------------------------------------------------- reveal

/// A share of the sum, sealed once; the key that opens it, sealed to every party.
pub(super) struct Reveal {
    pub(super) content: Vec<u8>,
    pub(super) keys: Vec<Vec<u8>>,
}

impl Reveal {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        out.array(2);
        out.bytes(&self.content);
        out.array(self.keys.len());
        self.keys.iter().for_each(|key| out.bytes(key));
        out.finish()
    }

    pub(super) fn decode(bytes: &[u8], setup: &Setup) -> Result<Self> {
        let input = &mut Decoder::new(bytes);
        fields(input, 2, "reveal")?;
        let most = 32 * setup.value_length() + super::seal::OVERHEAD;
        let content = input.bytes(most, "sealed share of the sum")?.to_vec();
        let keys = input.list(setup.manifest.parties.len(), "sealed keys", |input| {
            Ok(input
                .bytes(32 + super::seal::OVERHEAD, "sealed key")?
                .to_vec())
        })?;
        input.clone().finish()?;
        match keys.len() == setup.manifest.parties.len() {
            true => Ok(Self { content, keys }),
            false => Err(FormatError::Inconsistent("sealed keys")),
        }
    }
}

// ----------------------------------------------------------------------------------- certificate

/// A party's signature on the training certificate of the round.
pub(super) struct Certification {
    /// SHA-256 of the certificate's body, as the party made it.
    pub(super) body: [u8; 32],
    /// SHA-256 of the model after the round; none where the round only sums.
    pub(super) after: Option<[u8; 32]>,
    /// Its signature on the body.
    pub(super) signature: [u8; 64],
}

impl Certification {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        out.array(3);
        out.bytes(&self.body);
        out.bytes(self.after.as_ref().map_or(&[], |digest| &digest[..]));
        out.bytes(&self.signature);
        out.finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let input = &mut Decoder::new(bytes);
        fields(input, 3, "certification")?;
        let message = Self {
            body: input.array_of_bytes("body digest")?,
            after: match input.bytes(32, "model after")? {
                [] => None,
                digest => Some(
                    digest
                        .try_into()
                        .map_err(|_| FormatError::Unexpected("model after"))?,
                ),
            },
            signature: input.array_of_bytes("signature")?,
        };
        input.clone().finish()?;
        Ok(message)
    }
}

// ----------------------------------------------------------------------------------- coordinator

/// What goes over the wire.
pub(super) enum Frame {
    /// A party's message.
    Signed(Signed),
    /// The coordinator's word.
    Request(Request),
}

/// What the coordinator asks of the parties.
pub(super) enum Request {
    /// These contributed: say whose shares you hold.
    Ready(Vec<u16>),
    /// These contributors, and the signed readiness of these holders: open your coins.
    Coins(Vec<u16>, Vec<Signed>),
    /// These sent checks: judge them.
    Judge(Vec<u16>),
    /// Sign this survivor set.
    Survivors(Vec<u16>),
    /// A certificate: reveal.
    Reveal(Vec<u8>),
    /// The round is over without a sum.
    Abort(String),
}

impl Frame {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        let parties = |out: &mut Encoder, list: &[u16]| {
            out.array(list.len());
            list.iter().for_each(|p| out.uint((*p).into()));
        };
        out.array(2);
        match self {
            Frame::Signed(signed) => {
                out.uint(0);
                out.bytes(&signed.encode());
            }
            Frame::Request(request) => match request {
                Request::Ready(list) => {
                    out.uint(1);
                    parties(&mut out, list);
                }
                Request::Coins(list, ready) => {
                    out.uint(2);
                    out.array(2);
                    parties(&mut out, list);
                    out.array(ready.len());
                    ready.iter().for_each(|signed| out.bytes(&signed.encode()));
                }
                Request::Judge(list) => {
                    out.uint(3);
                    parties(&mut out, list);
                }
                Request::Survivors(list) => {
                    out.uint(4);
                    parties(&mut out, list);
                }
                Request::Reveal(certificate) => {
                    out.uint(5);
                    out.bytes(certificate);
                }
                Request::Abort(reason) => {
                    out.uint(6);
                    out.text(reason);
                }
            },
        }
        out.finish()
    }

    pub(super) fn decode(bytes: &[u8], setup: &Setup) -> Result<Self> {
        let input = &mut Decoder::new(bytes);
        let n = setup.manifest.parties.len();
        let parties = |input: &mut Decoder<'_>| -> Result<Vec<u16>> {
            let list = input.list(n, "parties", party)?;
            let inside = list.iter().all(|p| usize::from(*p) < n);
            match inside && list.windows(2).all(|pair| pair[0] < pair[1]) {
                true => Ok(list),
                false => Err(FormatError::NotCanonical),
            }
        };
        fields(input, 2, "frame")?;
        let frame = match input.uint(6, "frame")? {
            0 => Frame::Signed(Signed::decode(input.bytes(MAX_SIGNED, "message")?)?),
            1 => Frame::Request(Request::Ready(parties(input)?)),
            2 => {
                fields(input, 2, "proposal")?;
                let dealers = parties(input)?;
                let ready = input.list(n, "readiness", |input| {
                    Signed::decode(input.bytes(MAX_READY, "readiness")?)
                })?;
                Frame::Request(Request::Coins(dealers, ready))
            }
            3 => Frame::Request(Request::Judge(parties(input)?)),
            4 => Frame::Request(Request::Survivors(parties(input)?)),
            5 => Frame::Request(Request::Reveal(
                input.bytes(MAX_READY, "certificate")?.to_vec(),
            )),
            _ => Frame::Request(Request::Abort(input.text(MAX_REASON, "reason")?.to_owned())),
        };
        input.clone().finish()?;
        Ok(frame)
    }
}

const MAX_SIGNED: usize = 1 << 28;
const MAX_READY: usize = 1 << 14;
const MAX_REASON: usize = 512;
