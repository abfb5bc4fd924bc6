//! Secure aggregation: the sum of the parties' updates, and nothing else.
//!
//! A round is a pure state machine: [`party::Party`] and [`coordinator::Coordinator`] take messages and give
//! messages; who carries them is not their concern. Protocol `shamir`: t < n/2 malicious holders of shares,
//! a coordinator that is trusted with nothing but progress. Steps, in this order: contribute (commitments,
//! sealed shares) | ready (coin committed) | coin | sharing check | verdict | survivors signed | reveal | sum
//! checked against the commitments. Argument in `docs/federated.md`.

pub mod coordinator;
mod dealing;
mod holding;
pub mod identity;
pub mod lanes;
mod messages;
pub mod party;
mod reconstruction;
mod seal;
pub mod setup;
mod sharing;
pub mod simulation;
mod vectors;

#[cfg(test)]
mod tests;
