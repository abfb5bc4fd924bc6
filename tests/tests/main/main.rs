//! End to end: from a model to a proof to a verdict, and every way in which the verdict must change.

mod attacks;
mod end_to_end;
mod models;
mod vectors;
