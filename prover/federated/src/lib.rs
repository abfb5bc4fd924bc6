//! Several firms train one model together, and none shows its data.

pub mod privacy;
pub mod training;
