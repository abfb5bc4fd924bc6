//! Sliding windows over the axes behind batch and channel: what the pooling operators share.
//!
//! An axis of extent n, padded by p and q, gives `(n + p + q - reach) / stride + 1` windows, rounded down, or up with
//! ceil_mode unless the last would begin in the padding behind; reach = dilation (kernel - 1) + 1. Source: ONNX
//! MaxPool, opsets 1 to 12; auto_pad as there.

use super::super::error::OpError;
use super::super::import::{checked_len, NodeView};
use super::index::{each, flat, strides};

/// Windows along one axis.
#[derive(Clone, Debug)]
struct Axis {
    extent: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    before: usize,
    after: usize,
    count: usize,
}

/// The windows of an operand [N, C, ...].
#[derive(Clone, Debug)]
pub(super) struct Windows {
    axes: Vec<Axis>,
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
        let spatial = shape.len().saturating_sub(2);
        if spatial == 0 {
            return Err(OpError::invalid("the operand has no axis to pool"));
        }
        let list = |name: &str, default: usize, count: usize| {
            let all: Option<Vec<usize>> = match node.ints(name) {
                None => Some(vec![default; count]),
                Some(v) => v.iter().map(|&v| usize::try_from(v).ok()).collect(),
            };
            all.filter(|v| v.len() == count && v.iter().all(|&v| v < 1 << 20))
                .ok_or_else(|| OpError::invalid(format!("{name} does not fit")))
        };
        let kernel = list("kernel_shape", 0, spatial)?;
        let stride = list("strides", 1, spatial)?;
        let dilation = list("dilations", 1, spatial)?;
        let pads = list("pads", 0, 2 * spatial)?;
        if [&kernel, &stride, &dilation].iter().any(|v| v.contains(&0)) {
            return Err(OpError::invalid("an extent of zero"));
        }
        let auto = node.text("auto_pad")?.unwrap_or("NOTSET");
        let ceil = node.int("ceil_mode", 0) != 0;
        let mut axes = Vec::with_capacity(spatial);
        for i in 0..spatial {
            let (extent, stride) = (shape[i + 2], stride[i]);
            let reach = dilation[i] * (kernel[i] - 1) + 1;
            let (before, after) = match auto {
                "NOTSET" => (pads[i], pads[i + spatial]),
                "VALID" => (0, 0),
                "SAME_UPPER" | "SAME_LOWER" => {
                    let count = extent.div_ceil(stride);
                    let total = ((count.max(1) - 1) * stride + reach).saturating_sub(extent);
                    let (less, more) = (total / 2, total - total / 2);
                    if auto == "SAME_UPPER" {
                        (less, more)
                    } else {
                        (more, less)
                    }
                }
                other => return Err(OpError::invalid(format!("auto_pad {other}"))),
            };
            let room = (extent + before + after)
                .checked_sub(reach)
                .ok_or_else(|| OpError::invalid("a window wider than its padded axis"))?;
            let mut count = if ceil {
                room.div_ceil(stride) + 1
            } else {
                room / stride + 1
            };
            if ceil && (count - 1) * stride >= extent + before {
                count -= 1;
            }
            axes.push(Axis {
                extent,
                kernel: kernel[i],
                stride,
                dilation: dilation[i],
                before,
                after,
                count,
            });
        }
        let windows = Self {
            axes,
            shape: shape.to_vec(),
        };
        // All positions of all windows are written down.
        let area: usize = kernel.iter().product();
        let mut all = windows.result();
        all.push(area);
        checked_len(&all)?;
        Ok(windows)
    }

    /// Shape of the result, one element a window.
    pub(super) fn result(&self) -> Vec<usize> {
        let counts = self.axes.iter().map(|a| a.count);
        self.shape[..2].iter().copied().chain(counts).collect()
    }

    /// The windows in the order of the result.
    pub(super) fn each(&self) -> Vec<Window> {
        let kernel: Vec<usize> = self.axes.iter().map(|a| a.kernel).collect();
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
