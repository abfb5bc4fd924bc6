//! Float graph to integer graph.

pub mod skeleton;
