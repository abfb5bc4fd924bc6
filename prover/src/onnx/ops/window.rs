//! Sliding windows over the axes behind batch and channel: what the pooling operators share.
//!
//! Where they lie follows from spatial.rs; here their elements. Source: ONNX MaxPool, opsets 1 to 12.

use super::super::error::OpError;
use super::super::import::{checked_len, NodeView};
use super::index::{each, flat, strides};
use super::spatial::{self, Dimension};

/// The windows of an operand [N, C, ...].
#[derive(Clone, Debug)]
pub(super) struct Windows {
    axes: Vec<Dimension>,
    shape: Vec<usize>,
}

/// One window: the flat positions of its elements, nothing for those in the padding; and how many positions lie inside
/// the padded operand.
#[derive(Clone, Debug)]
pub(super) struct Window {
    pub(super) elements: Vec<Option<usize>>,
    pub(super) padded: usize,
}

impl Windows {
    /// The windows that a node's attributes speak of.
    pub(super) fn of(node: &NodeView<'_>, shape: &[usize]) -> Result<Self, OpError> {
        if shape.len() < 3 {
            return Err(OpError::invalid("the operand has no axis to pool"));
        }
        let axes = spatial::pooling(node, &shape[2..])?;
        let windows = Self {
            axes,
            shape: shape.to_vec(),
        };
        // All positions of all windows are written down.
        let mut all = windows.result();
        all.extend(windows.axes.iter().map(|a| a.taps));
        checked_len(&all)?;
        Ok(windows)
    }

    /// Shape of the result, one element a window.
    pub(super) fn result(&self) -> Vec<usize> {
        let counts = self.axes.iter().map(|a| a.result);
        self.shape[..2].iter().copied().chain(counts).collect()
    }

    /// The windows in the order of the result.
    pub(super) fn each(&self) -> Vec<Window> {
        let kernel: Vec<usize> = self.axes.iter().map(|a| a.taps).collect();
        let offsets: Vec<Vec<usize>> = each(&kernel).collect();
        let steps = strides(&self.shape);
        each(&self.result())
            .map(|at| {
                let base = flat(&at[..2], &steps);
                let mut padded = 0;
                let elements = offsets.iter().map(|offset| {
                    let mut inside = true;
                    let mut position = Some(base);
                    for (i, axis) in self.axes.iter().enumerate() {
                        let p = at[i + 2] * axis.stride + offset[i] * axis.dilation;
                        inside &= p < axis.before + axis.extent + axis.after;
                        let p = p.checked_sub(axis.before).filter(|&p| p < axis.extent);
                        position = position.zip(p).map(|(sum, p)| sum + p * steps[i + 2]);
                    }
                    padded += usize::from(inside);
                    position
                });
                let elements = elements.collect();
                Window { elements, padded }
            })
            .collect()
    }
}
