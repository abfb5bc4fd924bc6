//! The `clearproof` command.
fn main() {}
