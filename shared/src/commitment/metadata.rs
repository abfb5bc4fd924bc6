//! Salted digests of a record's metadata.
//!
//! 1. Claim: a digest fixes the metadata and, while its salt is unknown, tells nothing of it.
//! 2. Equation: `digest = SHA-256("clearproof metadata v1" || salt || metadata)`, the salt of row i
//!    of a batch `SHA-256("clearproof salt v1" || batch salt || i as u64 little-endian)`. Showing
//!    the batch salt shows every row's salt; showing one row's salt shows no other.
//! 3. Assumed: the batch salt is 32 fresh random bytes.
//! 4. Source: SOUNDNESS condition 18 (symbols are guessable).

use sha2::{Digest, Sha256};

/// The salt of one row of a batch.
pub fn row_salt(batch_salt: &[u8; 32], row: u64) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(SALT_TAG);
    hash.update(batch_salt);
    hash.update(row.to_le_bytes());
    hash.finalize().into()
}

/// The digest of metadata under its salt.
pub fn metadata_digest(salt: &[u8; 32], metadata: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(METADATA_TAG);
    hash.update(salt);
    hash.update(metadata);
    hash.finalize().into()
}

const METADATA_TAG: &[u8] = b"clearproof metadata v1";
const SALT_TAG: &[u8] = b"clearproof salt v1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn salt_row_and_metadata_all_count() {
        let salt = row_salt(&[1; 32], 0);
        let digest = metadata_digest(&salt, b"BTC");
        assert_ne!(digest, metadata_digest(&salt, b"ETH"));
        assert_ne!(digest, metadata_digest(&row_salt(&[1; 32], 1), b"BTC"));
        assert_ne!(digest, metadata_digest(&row_salt(&[2; 32], 0), b"BTC"));
    }
}
