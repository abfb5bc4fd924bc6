//! Commitments to inputs, to records and to their metadata.

pub mod disclosure;
pub mod input;
pub mod metadata;
pub mod record;
pub mod totals;
