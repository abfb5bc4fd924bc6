//! A dense layer that several steps of a recurrence use: each use is a node, the weights are one.

use std::sync::Arc;

use super::linear::Linear;

#[derive(Clone, Debug)]
pub(crate) struct Recurrent {
    pub(crate) layer: Arc<Linear>,
    /// Equal numbers, equal weights.
    pub(crate) number: usize,
}
