//! The engine's keeper: the log's signing key and the sealing key, as one.

use clearproof_prover::engine::Keeper;
use clearproof_shared::log::merkle::Hash;
use rand_core::OsRng;
use zeroize::Zeroizing;

use crate::keys::LogKey;
use crate::sealing::SealingKey;

/// Signs with the log's key, and encrypts with the sealing key.
#[derive(Debug)]
pub struct KeyKeeper {
    log: LogKey,
    sealing: SealingKey,
}

impl KeyKeeper {
    /// A keeper with these keys.
    pub fn new(log: LogKey, sealing: SealingKey) -> Self {
        Self { log, sealing }
    }

    /// The log's signing key.
    pub fn log(&self) -> &LogKey {
        &self.log
    }
}

impl Keeper for KeyKeeper {
    fn origin(&self) -> &str {
        self.log.verifier().name()
    }

    fn checkpoint(&self, size: u64, root: &Hash) -> Vec<u8> {
        self.log.checkpoint(size, root).encode()
    }

    fn seal(&self, seq: u64, opened: &[u8]) -> Vec<u8> {
        self.sealing.seal(self.origin(), seq, opened, &mut OsRng)
    }

    fn open(&self, seq: u64, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.sealing.open(self.origin(), seq, sealed).ok()
    }
}
