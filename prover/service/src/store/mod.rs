//! The durable stores; the contract is [`clearproof_prover::engine::store`].

mod codes;
pub mod postgres;
pub mod sqlite;
#[cfg(test)]
pub(crate) mod suite;
mod wal;

pub use postgres::PostgresStore;
pub use sqlite::SqliteStore;
