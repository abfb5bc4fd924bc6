//! The evidence file.
