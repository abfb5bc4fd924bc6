//! A ceremony as a file.
//!
//! 1. Claim: reading what was written gives the same ceremony; each has one file.
//! 2. Layout: tag, statement (length, JSON), number of contributions, each (name, delta in G1 and G2, kind, evidence),
//!    key by `ark_serialize`, uncompressed. Numbers are 8 bytes little-endian.
//! 3. Lengths are checked against the file before anything is allocated.

use ark_bn254::{Fr, G1Affine, G2Affine};
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};

use super::{
    is_name, Ceremony, CeremonyError, Contribution, Evidence, MOST_BEACON_BYTES,
    MOST_CONTRIBUTIONS, MOST_LOG_ITERATIONS, MOST_NAME_BYTES, TAG,
};
use crate::groth16::{ark_bytes, ProvingKey, Statement};

pub(super) fn statement_bytes(statement: &Statement) -> Vec<u8> {
    serde_json::to_vec(statement).expect("names and numbers")
}

impl Ceremony {
    /// The file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut file = TAG.to_vec();
        put(&mut file, &statement_bytes(&self.statement));
        file.extend((self.contributions.len() as u64).to_le_bytes());
        for contribution in &self.contributions {
            file.extend(contribution.bytes());
        }
        file.extend(ark_bytes(&self.key));
        file
    }

    /// Reads a file; [`Ceremony::verify`] judges it.
    ///
    /// # Errors
    /// [`CeremonyError::Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CeremonyError> {
        let mut rest = bytes
            .strip_prefix(TAG)
            .ok_or(CeremonyError::Malformed("it has another format"))?;
        let statement = take(&mut rest, MOST_STATEMENT_BYTES)?;
        let statement: Statement = serde_json::from_slice(statement)
            .map_err(|_| CeremonyError::Malformed("its statement cannot be read"))?;
        let count = number(&mut rest)?;
        if count > MOST_CONTRIBUTIONS as u64 {
            return Err(CeremonyError::TooMany);
        }
        let contributions = (0..count)
            .map(|_| read_contribution(&mut rest))
            .collect::<Result<_, _>>()?;
        let key = read_key(rest)?;
        let ceremony = Self {
            statement,
            contributions,
            key,
        };
        match ceremony.to_bytes() == bytes {
            true => Ok(ceremony),
            false => Err(CeremonyError::Malformed("it is not written canonically")),
        }
    }
}

impl Contribution {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![];
        put(&mut bytes, self.name.as_bytes());
        bytes.extend(ark_bytes(&self.delta_g1));
        bytes.extend(ark_bytes(&self.delta_g2));
        match &self.evidence {
            Evidence::Schnorr {
                commitment,
                response,
            } => {
                bytes.push(0);
                bytes.extend(ark_bytes(commitment));
                bytes.extend(ark_bytes(response));
            }
            Evidence::Beacon {
                value,
                log_iterations,
            } => {
                bytes.extend([1, *log_iterations]);
                put(&mut bytes, value);
            }
        }
        bytes
    }
}

fn read_contribution(rest: &mut &[u8]) -> Result<Contribution, CeremonyError> {
    let name = take(rest, MOST_NAME_BYTES)?;
    let name = std::str::from_utf8(name).ok().filter(|name| is_name(name));
    let name = name.ok_or(CeremonyError::Name)?.into();
    let delta_g1 = read::<G1Affine>(rest)?;
    let delta_g2 = read::<G2Affine>(rest)?;
    let evidence = match byte(rest)? {
        0 => Evidence::Schnorr {
            commitment: read(rest)?,
            response: read::<Fr>(rest)?,
        },
        1 => {
            let log_iterations = byte(rest)?;
            if log_iterations > MOST_LOG_ITERATIONS {
                return Err(CeremonyError::Malformed("a beacon has too many iterations"));
            }
            let value = take(rest, MOST_BEACON_BYTES)?.into();
            Evidence::Beacon {
                value,
                log_iterations,
            }
        }
        _ => {
            return Err(CeremonyError::Malformed(
                "a contribution has an unknown kind",
            ))
        }
    };
    Ok(Contribution {
        name,
        delta_g1,
        delta_g2,
        evidence,
    })
}

/// arkworks allocates what a length says: the lengths are walked first.
fn read_key(bytes: &[u8]) -> Result<ProvingKey, CeremonyError> {
    let malformed = CeremonyError::Malformed("its key is cut off or too long");
    let (g1, g2) = (64u64, 128u64);
    // alpha, beta, gamma, delta; IC; beta and delta in G1; A, B in G1, B in G2, h, l.
    let layout = [
        (g1 + 3 * g2, g1),
        (2 * g1, g1),
        (0, g1),
        (0, g2),
        (0, g1),
        (0, g1),
    ];
    let mut at = 0u64;
    for (before, size) in layout {
        at += before;
        let start = usize::try_from(at).map_err(|_| malformed.clone())?;
        let mut rest = bytes.get(start..).ok_or(malformed.clone())?;
        let count = number(&mut rest)?;
        let length = count
            .checked_mul(size)
            .filter(|&length| length <= rest.len() as u64);
        at += 8 + length.ok_or(malformed.clone())?;
    }
    if at != bytes.len() as u64 {
        return Err(malformed);
    }
    ProvingKey::deserialize_uncompressed(bytes)
        .map_err(|_| CeremonyError::Malformed("its key holds bytes that are no points"))
}

fn put(file: &mut Vec<u8>, bytes: &[u8]) {
    file.extend((bytes.len() as u64).to_le_bytes());
    file.extend(bytes);
}

fn number(rest: &mut &[u8]) -> Result<u64, CeremonyError> {
    let (head, tail) = rest.split_first_chunk::<8>().ok_or(CUT_OFF)?;
    *rest = tail;
    Ok(u64::from_le_bytes(*head))
}

fn byte(rest: &mut &[u8]) -> Result<u8, CeremonyError> {
    let (head, tail) = rest.split_first().ok_or(CUT_OFF)?;
    *rest = tail;
    Ok(*head)
}

fn take<'a>(rest: &mut &'a [u8], most: usize) -> Result<&'a [u8], CeremonyError> {
    let length = number(rest)?;
    let length = usize::try_from(length)
        .ok()
        .filter(|&length| length <= most);
    let (head, tail) = rest
        .split_at_checked(length.ok_or(CUT_OFF)?)
        .ok_or(CUT_OFF)?;
    *rest = tail;
    Ok(head)
}

fn read<T: CanonicalDeserialize + CanonicalSerialize>(
    rest: &mut &[u8],
) -> Result<T, CeremonyError> {
    T::deserialize_uncompressed(rest).map_err(|_| {
        CeremonyError::Malformed("a contribution holds bytes that are no point or scalar")
    })
}

const CUT_OFF: CeremonyError = CeremonyError::Malformed("it is cut off, or a length is too large");
const MOST_STATEMENT_BYTES: usize = 1 << 20;
