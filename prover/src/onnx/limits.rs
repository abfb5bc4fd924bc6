//! Caps on what a model file may ask for, so that no file exhausts memory or time.

/// Greatest size of a model file in bytes.
pub const MAX_FILE_BYTES: usize = 512 << 20;

/// Greatest number of elements of one tensor.
pub const MAX_TENSOR_ELEMENTS: usize = 1 << 25;

/// Greatest number of elements that import may produce in all tensors together.
pub(super) const MAX_TOTAL_ELEMENTS: usize = 1 << 27;

/// Greatest number of multiplications spent on constants.
pub(super) const MAX_CONSTANT_WORK: usize = 1 << 32;

/// Greatest rank of a tensor.
pub(super) const MAX_RANK: usize = 16;

/// Greatest number of nodes of a graph.
pub(super) const MAX_NODES: usize = 1 << 16;
