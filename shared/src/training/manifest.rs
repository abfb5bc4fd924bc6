//! The manifest of a round: who takes part, what is summed, which bounds hold.
//!
//! 1. Claim: every message of a round is signed together with the manifest's digest, so parties that
//!    accept each other's messages agree on all of it. A decoded manifest satisfies [`Manifest::check`].
//! 2. Layout: a coordinate is an integer in `[-2^(b-1), 2^(b-1))`, noise included; `lanes` of them make
//!    one scalar, each `lane_bits = b + ceil(log2 parties)` wide, so a sum over all parties cannot reach
//!    the next lane. Scalars fill the rows `1 ..= rows_per_column` of columns of 2^k rows; the last row
//!    of a column holds its blinding.
//! 3. Assumed: nothing; whether the terms are good is for people to judge.
//! 4. Source: DESIGN section 9; SOUNDNESS conditions 22, 25 and 26.

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::artifact::cbor::{Decoder, Encoder};
use crate::artifact::FormatError;

/// One party of the roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterEntry {
    /// Name shown to people.
    pub name: String,
    /// Ed25519 public key that its messages verify with.
    pub signing_key: [u8; 32],
    /// X25519 public key that messages to it are sealed to.
    pub sealing_key: [u8; 32],
}

/// What the parties of a round agree on beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Identifies the training session; random.
    pub session: [u8; 32],
    /// Number of the round, from 0.
    pub round: u64,
    /// A round that was aborted is tried again under the next number, with fresh randomness.
    pub attempt: u32,
    /// Digest of the model that is trained further.
    pub model: [u8; 32],
    /// All parties; a party is named by its position.
    pub parties: Vec<RosterEntry>,
    /// Positions of the parties that hold shares, ascending.
    pub holders: Vec<u16>,
    /// Holders that may be malicious, together with the coordinator: below half of them.
    pub threshold: u16,
    /// Contributors that may pool what they know.
    pub colluders: u16,
    /// Least number of contributors beyond the colluders; at least 2.
    pub minimum_honest: u16,
    /// Coordinates of an update.
    pub coordinates: u32,
    /// Width b of a coordinate, sign included.
    pub coordinate_bits: u32,
    /// log2 of the rows of a commitment's column.
    pub log_rows: u32,
    /// Bound of the clipped update's L2 norm, grid units.
    pub clip_norm: u64,
    /// Bound of the noise share's L2 norm, grid units.
    pub noise_norm: u64,
    /// Circuit of the norm proof that each contribution carries; none where bounds are not proven.
    pub norm_circuit: Option<[u8; 32]>,
    /// Privacy, constraints and all else that was agreed, as the parties' programs read it.
    pub terms: Vec<u8>,
}

/// Why a manifest is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The bytes.
    #[error("the manifest is malformed: {0}")]
    Format(#[from] FormatError),
    /// Too few or too many parties.
    #[error("a round has 3 to {MAX_PARTIES} parties with distinct keys and names")]
    Parties,
    /// The holders.
    #[error("holders are at least 3 positions of the roster, ascending")]
    Holders,
    /// The threshold.
    #[error("with {holders} holders the threshold is at least 1 and below {holders} / 2, not {threshold}")]
    Threshold {
        /// Holders.
        holders: usize,
        /// Threshold.
        threshold: u16,
    },
    /// The minimum of honest contributors.
    #[error("the minimum of honest contributors is at least 2, and with the colluders at most all parties")]
    Minimum,
    /// Widths or sizes.
    #[error("{0} is outside its limits")]
    Size(&'static str),
}

impl Manifest {
    /// Bits of a lane.
    pub fn lane_bits(&self) -> u32 {
        self.coordinate_bits + (self.parties.len() as u32).next_power_of_two().ilog2()
    }

    /// Coordinates in a scalar.
    pub fn lanes(&self) -> usize {
        ((SCALAR_BITS / self.lane_bits()) as usize).min(MAX_LANES)
    }

    /// Scalars of an update.
    pub fn elements(&self) -> usize {
        (self.coordinates as usize).div_ceil(self.lanes())
    }

    /// Scalars in a column.
    pub fn rows_per_column(&self) -> usize {
        (1 << self.log_rows) - RESERVED_ROWS
    }

    /// Columns of an update, each with its own commitment.
    pub fn columns(&self) -> usize {
        self.elements().div_ceil(self.rows_per_column())
    }

    /// Signatures that certify a survivor set: more than (holders + threshold) / 2.
    pub fn quorum(&self) -> usize {
        (self.holders.len() + usize::from(self.threshold)) / 2 + 1
    }

    /// Whether that many contributors are enough.
    pub fn enough_contributors(&self, contributors: usize) -> bool {
        contributors >= usize::from(self.colluders) + usize::from(self.minimum_honest)
    }

    /// SHA-256 of the encoding.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.encode()).into()
    }

    /// Whether the fields are in their limits.
    ///
    /// # Errors
    /// [`ManifestError`], naming the field.
    pub fn check(&self) -> Result<(), ManifestError> {
        let n = self.parties.len();
        let distinct = |key: fn(&RosterEntry) -> &[u8]| {
            let mut keys: Vec<&[u8]> = self.parties.iter().map(key).collect();
            keys.sort_unstable();
            keys.windows(2).all(|pair| pair[0] != pair[1])
        };
        let all_distinct = distinct(|p| p.name.as_bytes())
            && distinct(|p| &p.signing_key)
            && distinct(|p| &p.sealing_key);
        if !(3..=MAX_PARTIES).contains(&n) || !all_distinct {
            return Err(ManifestError::Parties);
        }
        let ascending = self.holders.windows(2).all(|pair| pair[0] < pair[1]);
        let last = self.holders.last().copied().map_or(0, usize::from);
        if self.holders.len() < 3 || !ascending || last >= n {
            return Err(ManifestError::Holders);
        }
        if self.threshold == 0 || 2 * usize::from(self.threshold) >= self.holders.len() {
            return Err(ManifestError::Threshold {
                holders: self.holders.len(),
                threshold: self.threshold,
            });
        }
        if self.minimum_honest < 2 || !self.enough_contributors_possible() {
            return Err(ManifestError::Minimum);
        }
        let sizes = [
            (
                "coordinates",
                (1..=MAX_COORDINATES).contains(&self.coordinates),
            ),
            ("coordinate_bits", (2..=30).contains(&self.coordinate_bits)),
            ("log_rows", (6..=16).contains(&self.log_rows)),
            ("clip_norm", (1..=MAX_NORM).contains(&self.clip_norm)),
            ("noise_norm", self.noise_norm <= MAX_NORM),
            ("terms", self.terms.len() <= MAX_TERMS),
        ];
        match sizes.iter().find(|(_, good)| !good) {
            Some((what, _)) => Err(ManifestError::Size(what)),
            None => Ok(()),
        }
    }

    fn enough_contributors_possible(&self) -> bool {
        self.enough_contributors(self.parties.len())
    }

    /// Deterministic CBOR.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        out.array(FIELDS);
        out.uint(VERSION);
        out.bytes(&self.session);
        out.uint(self.round);
        out.uint(self.attempt.into());
        out.bytes(&self.model);
        out.array(self.parties.len());
        for party in &self.parties {
            out.array(3);
            out.text(&party.name);
            out.bytes(&party.signing_key);
            out.bytes(&party.sealing_key);
        }
        out.array(self.holders.len());
        self.holders.iter().for_each(|h| out.uint((*h).into()));
        out.uint(self.threshold.into());
        out.uint(self.colluders.into());
        out.uint(self.minimum_honest.into());
        out.uint(self.coordinates.into());
        out.uint(self.coordinate_bits.into());
        out.uint(self.log_rows.into());
        out.uint(self.clip_norm);
        out.uint(self.noise_norm);
        out.bytes(self.norm_circuit.as_ref().map_or(&[], |id| &id[..]));
        out.bytes(&self.terms);
        out.finish()
    }

    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// [`ManifestError`] for any bytes that [`Manifest::encode`] does not write of a good manifest.
    pub fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        let input = &mut Decoder::new(bytes);
        if input.array(FIELDS, "manifest")? != FIELDS {
            return Err(FormatError::Unexpected("manifest").into());
        }
        let version = input.uint(u64::MAX, "version")?;
        if version != VERSION {
            return Err(FormatError::Version(version).into());
        }
        let short = u64::from(u16::MAX);
        let long = u64::from(u32::MAX);
        let manifest = Self {
            session: input.array_of_bytes("session")?,
            round: input.uint(u64::MAX, "round")?,
            attempt: input.uint(long, "attempt")? as u32,
            model: input.array_of_bytes("model digest")?,
            parties: input.list(MAX_PARTIES, "parties", |input| {
                if input.array(3, "party")? != 3 {
                    return Err(FormatError::Unexpected("party"));
                }
                Ok(RosterEntry {
                    name: input.text(MAX_NAME, "party name")?.to_owned(),
                    signing_key: input.array_of_bytes("signing key")?,
                    sealing_key: input.array_of_bytes("sealing key")?,
                })
            })?,
            holders: input.list(MAX_PARTIES, "holders", |input| {
                Ok(input.uint(short, "holder")? as u16)
            })?,
            threshold: input.uint(short, "threshold")? as u16,
            colluders: input.uint(short, "colluders")? as u16,
            minimum_honest: input.uint(short, "minimum_honest")? as u16,
            coordinates: input.uint(long, "coordinates")? as u32,
            coordinate_bits: input.uint(long, "coordinate_bits")? as u32,
            log_rows: input.uint(long, "log_rows")? as u32,
            clip_norm: input.uint(u64::MAX, "clip_norm")?,
            noise_norm: input.uint(u64::MAX, "noise_norm")?,
            norm_circuit: match input.bytes(32, "norm circuit")? {
                [] => None,
                id => Some(
                    id.try_into()
                        .map_err(|_| FormatError::Unexpected("norm circuit"))?,
                ),
            },
            terms: input.bytes(MAX_TERMS, "terms")?.to_vec(),
        };
        input.clone().finish()?;
        manifest.check()?;
        Ok(manifest)
    }
}

/// Most parties.
pub const MAX_PARTIES: usize = 64;
/// Rows of a column that hold no coordinates: row 0, the norm proof's slack, the blinding rows.
pub const RESERVED_ROWS: usize = 16;
/// Most coordinates.
pub const MAX_COORDINATES: u32 = 1 << 24;

const VERSION: u64 = 1;
const FIELDS: usize = 17;
const SCALAR_BITS: u32 = 252;
const MAX_LANES: usize = 12;
const MAX_NAME: usize = 128;
const MAX_NORM: u64 = 1 << 50;
const MAX_TERMS: usize = 1 << 16;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn sample() -> Manifest {
        let party = |i: u8| RosterEntry {
            name: format!("party {i}"),
            signing_key: [i; 32],
            sealing_key: [i + 100; 32],
        };
        Manifest {
            session: [9; 32],
            round: 3,
            attempt: 0,
            model: [8; 32],
            parties: (0..4).map(party).collect(),
            holders: vec![0, 1, 2, 3],
            threshold: 1,
            colluders: 1,
            minimum_honest: 2,
            coordinates: 1000,
            coordinate_bits: 20,
            log_rows: 8,
            clip_norm: 1 << 20,
            noise_norm: 1 << 19,
            norm_circuit: None,
            terms: b"terms".to_vec(),
        }
    }

    #[test]
    fn one_encoding_and_derived_sizes() {
        let manifest = sample();
        assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest.clone()));
        assert_eq!((manifest.lane_bits(), manifest.lanes()), (22, 11));
        assert_eq!((manifest.elements(), manifest.columns()), (91, 1));
        assert_eq!(manifest.quorum(), 3);
        let with_circuit = Manifest {
            norm_circuit: Some([7; 32]),
            ..manifest
        };
        assert_eq!(
            Manifest::decode(&with_circuit.encode()),
            Ok(with_circuit.clone())
        );
        let mut longer = with_circuit.encode();
        longer.push(0);
        assert!(Manifest::decode(&longer).is_err());
    }

    #[test]
    fn every_field_counts() {
        let digest = sample().digest();
        let change: [fn(&mut Manifest); 16] = [
            |m| m.session[0] ^= 1,
            |m| m.round += 1,
            |m| m.attempt += 1,
            |m| m.model[0] ^= 1,
            |m| m.parties[0].name.push('x'),
            |m| m.parties[0].signing_key[0] ^= 64,
            |m| m.holders.truncate(3),
            |m| m.threshold += 1,
            |m| m.colluders += 1,
            |m| m.minimum_honest += 1,
            |m| m.coordinates += 1,
            |m| m.coordinate_bits += 1,
            |m| m.log_rows += 1,
            |m| m.clip_norm += 1,
            |m| m.noise_norm += 1,
            |m| m.terms.push(0),
        ];
        for (i, change) in change.iter().enumerate() {
            let mut manifest = sample();
            change(&mut manifest);
            assert_ne!(manifest.digest(), digest, "change {i}");
        }
    }

    #[test]
    fn limits_are_enforced() {
        let refused = |change: fn(&mut Manifest)| {
            let mut manifest = sample();
            change(&mut manifest);
            Manifest::decode(&manifest.encode()).expect_err("outside its limits")
        };
        assert_eq!(
            refused(|m| m.parties[1] = m.parties[0].clone()),
            ManifestError::Parties
        );
        assert_eq!(refused(|m| m.holders = vec![0, 1]), ManifestError::Holders);
        assert_eq!(
            refused(|m| m.holders = vec![0, 1, 1]),
            ManifestError::Holders
        );
        assert_eq!(
            refused(|m| m.holders = vec![0, 1, 4]),
            ManifestError::Holders
        );
        assert_eq!(
            refused(|m| m.threshold = 2),
            ManifestError::Threshold {
                holders: 4,
                threshold: 2
            }
        );
        assert_eq!(refused(|m| m.minimum_honest = 1), ManifestError::Minimum);
        assert_eq!(refused(|m| m.colluders = 3), ManifestError::Minimum);
        assert_eq!(
            refused(|m| m.coordinates = 0),
            ManifestError::Size("coordinates")
        );
        assert_eq!(
            refused(|m| m.coordinate_bits = 31),
            ManifestError::Size("coordinate_bits")
        );
        assert_eq!(
            refused(|m| m.log_rows = 17),
            ManifestError::Size("log_rows")
        );
    }
}
