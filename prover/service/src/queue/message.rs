//! What a worker answers.
//!
//! Layout, integers little-endian: version 1; 0 for a proof or 1 for a reason; SHA-256 of the bundle; number of rows in 4
//! bytes, then their sequence numbers of 8; the rest is the proof, or the reason as text.

use clearproof_prover::engine::store::Pending;
use clearproof_shared::log::merkle::Hash;

/// A worker's answer to a job.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// What was to be proved.
    pub(super) batch: Pending,
    /// The proof, or why there is none.
    pub(super) proof: Result<Vec<u8>, String>,
}

impl Answer {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let (kind, rest) = match &self.proof {
            Ok(proof) => (0, &proof[..]),
            Err(reason) => (1, reason.as_bytes()),
        };
        let mut bytes = vec![VERSION, kind];
        bytes.extend_from_slice(&self.batch.bundle);
        bytes.extend_from_slice(&(self.batch.rows.len() as u32).to_le_bytes());
        for row in &self.batch.rows {
            bytes.extend_from_slice(&row.to_le_bytes());
        }
        bytes.extend_from_slice(rest);
        bytes
    }

    /// Reads an answer; `None` if the bytes are none.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&[VERSION, kind], rest) = bytes.split_first_chunk()? else {
            return None;
        };
        let (bundle, rest): (&Hash, _) = rest.split_first_chunk()?;
        let (count, rest) = rest.split_first_chunk()?;
        let count = u32::from_le_bytes(*count) as usize;
        let (rows, rest) = rest.split_at_checked(count.checked_mul(8)?)?;
        let (rows, _) = rows.as_chunks();
        let proof = match kind {
            0 => Ok(rest.to_vec()),
            1 => Err(String::from_utf8(rest.to_vec()).ok()?),
            _ => return None,
        };
        Some(Self {
            batch: Pending {
                bundle: *bundle,
                rows: rows.iter().map(|row| u64::from_le_bytes(*row)).collect(),
            },
            proof,
        })
    }
}

const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_comes_back_and_a_cut_one_is_none() {
        for proof in [Ok(vec![1, 2, 3]), Err("no".to_owned())] {
            let batch = Pending {
                bundle: [7; 32],
                rows: vec![3, 9],
            };
            let answer = Answer { batch, proof };
            let bytes = answer.to_bytes();
            let head = bytes.len() - answer.proof.as_ref().map_or(2, Vec::len);
            assert_eq!(Answer::from_bytes(&bytes), Some(answer));
            for cut in 0..head {
                assert_eq!(Answer::from_bytes(&bytes[..cut]), None, "{cut}");
            }
        }
        let mut endless = vec![VERSION, 0];
        endless.extend_from_slice(&[0; 32]);
        endless.extend_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Answer::from_bytes(&endless), None);
    }
}
