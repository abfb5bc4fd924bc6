//! Windows over the spatial dimensions of `[N, C, D_1, .., D_r]`: kernel, strides, dilations and padding, as the
//! attributes of Conv, ConvTranspose and the pooling operators state them.
//!
//! Source: ONNX Conv, opsets 1 and 11; ConvTranspose, opsets 1 and 11; MaxPool, opsets 1 to 12.

use super::super::error::OpError;
use super::super::import::NodeView;
use crate::quantize::skeleton::{Positions, MAX_EXPONENT};

/// One spatial dimension.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dimension {
    /// Extent of the operand.
    pub(super) extent: usize,
    /// Taps of the kernel.
    pub(super) taps: usize,
    pub(super) stride: usize,
    pub(super) dilation: usize,
    /// Padding before and after.
    pub(super) before: usize,
    pub(super) after: usize,
    /// Extent of the result.
    pub(super) result: usize,
}

impl Dimension {
    /// Distance between the first and the last tap.
    fn reach(&self) -> usize {
        (self.taps - 1) * self.dilation
    }
}

/// Attribute `name` for each of `rank` dimensions.
fn each(
    node: &NodeView<'_>,
    name: &str,
    rank: usize,
    least: i64,
    default: usize,
) -> Result<Vec<usize>, OpError> {
    let Some(values) = node.ints(name) else {
        return Ok(vec![default; rank]);
    };
    let bad = || OpError::invalid(format!("{name} {values:?} of {rank} dimensions"));
    if values.len() != rank || values.iter().any(|&v| v < least || v > 1 << 20) {
        return Err(bad());
    }
    Ok(values.iter().map(|&v| v as usize).collect())
}

/// What is common to convolutions, their transposes and pooling.
struct Stated {
    strides: Vec<usize>,
    dilations: Vec<usize>,
    /// All before, then all after.
    pads: Vec<usize>,
    auto: Option<AutoPad>,
}

/// Padding that follows from extents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AutoPad {
    /// None.
    Valid,
    /// As many results as operands over the stride, the odd one behind.
    SameUpper,
    /// The same, the odd one before.
    SameLower,
}

impl AutoPad {
    /// Before and after, of `all`.
    fn split(self, all: usize) -> (usize, usize) {
        match self {
            Self::Valid => (0, 0),
            Self::SameUpper => (all / 2, all.div_ceil(2)),
            Self::SameLower => (all.div_ceil(2), all / 2),
        }
    }
}

impl Stated {
    fn of(node: &NodeView<'_>, rank: usize) -> Result<Self, OpError> {
        let auto = match node.text("auto_pad")?.unwrap_or_default() {
            "" | "NOTSET" => None,
            "VALID" => Some(AutoPad::Valid),
            "SAME_UPPER" => Some(AutoPad::SameUpper),
            "SAME_LOWER" => Some(AutoPad::SameLower),
            other => return Err(OpError::invalid(format!("auto_pad {other}"))),
        };
        Ok(Self {
            strides: each(node, "strides", rank, 1, 1)?,
            dilations: each(node, "dilations", rank, 1, 1)?,
            pads: each(node, "pads", 2 * rank, 0, 0)?,
            auto,
        })
    }

    /// Dimension i, padded as stated, its result unknown.
    fn dimension(&self, i: usize, extent: usize, taps: usize) -> Dimension {
        let rank = self.strides.len();
        Dimension {
            extent,
            taps,
            stride: self.strides[i],
            dilation: self.dilations[i],
            before: self.pads[i],
            after: self.pads[rank + i],
            result: 0,
        }
    }

    /// Windows that slide over the padded operand; `ceil`: one more where some of it is left, unless it would begin in
    /// the padding behind.
    fn sliding(
        &self,
        extents: &[usize],
        kernel: &[usize],
        ceil: bool,
    ) -> Result<Vec<Dimension>, OpError> {
        let along = extents.iter().zip(kernel).enumerate();
        along
            .map(|(i, (&extent, &taps))| {
                let mut d = self.dimension(i, extent, taps);
                if let Some(auto) = self.auto {
                    let same = d.extent.div_ceil(d.stride).max(1);
                    let reached = (same - 1) * d.stride + d.reach() + 1;
                    (d.before, d.after) = auto.split(reached.saturating_sub(d.extent));
                }
                let padded = d.extent + d.before + d.after;
                let room = padded.checked_sub(d.reach() + 1).ok_or_else(too_small)?;
                d.result = room / d.stride + 1;
                if ceil {
                    d.result = room.div_ceil(d.stride) + 1;
                    if (d.result - 1) * d.stride >= d.extent + d.before {
                        d.result -= 1;
                    }
                }
                Ok(d)
            })
            .collect()
    }
}

/// A kernel's shape, which the attribute may repeat.
fn check_kernel(node: &NodeView<'_>, kernel: &[usize]) -> Result<(), OpError> {
    let same = |stated: &[i64]| {
        stated
            .iter()
            .map(|&k| k as usize)
            .eq(kernel.iter().copied())
    };
    if node
        .ints("kernel_shape")
        .is_some_and(|s| !s.is_empty() && !same(s))
        || kernel.contains(&0)
    {
        return Err(OpError::invalid("kernel_shape is not the weights' shape"));
    }
    Ok(())
}

/// The windows of a convolution.
pub(super) fn convolution(
    node: &NodeView<'_>,
    extents: &[usize],
    kernel: &[usize],
) -> Result<Vec<Dimension>, OpError> {
    check_kernel(node, kernel)?;
    Stated::of(node, extents.len())?.sliding(extents, kernel, false)
}

/// The windows of a pooling operator.
pub(super) fn pooling(node: &NodeView<'_>, extents: &[usize]) -> Result<Vec<Dimension>, OpError> {
    let rank = extents.len();
    if node.ints("kernel_shape").is_none() {
        return Err(OpError::invalid("no kernel_shape"));
    }
    let kernel = each(node, "kernel_shape", rank, 1, 1)?;
    let ceil = node.int("ceil_mode", 0) != 0;
    Stated::of(node, rank)?.sliding(extents, &kernel, ceil)
}

/// The windows of a transposed convolution.
pub(super) fn transposed(
    node: &NodeView<'_>,
    extents: &[usize],
    kernel: &[usize],
) -> Result<Vec<Dimension>, OpError> {
    check_kernel(node, kernel)?;
    let rank = extents.len();
    let stated = Stated::of(node, rank)?;
    let extra = each(node, "output_padding", rank, 0, 0)?;
    let wanted = match node.ints("output_shape") {
        None => None,
        Some(shape) if shape.len() >= rank => {
            let spatial = &shape[shape.len() - rank..];
            if spatial.iter().any(|&v| !(1..1 << 20).contains(&v)) {
                return Err(OpError::invalid(format!("output_shape {shape:?}")));
            }
            Some(spatial.iter().map(|&v| v as usize).collect::<Vec<_>>())
        }
        Some(_) => return Err(OpError::invalid("output_shape of another rank")),
    };
    (0..rank)
        .map(|i| {
            let mut d = stated.dimension(i, extents[i], kernel[i]);
            let full = (d.extent - 1) * d.stride + d.reach() + 1 + extra[i];
            let target = match (&wanted, stated.auto) {
                (Some(shape), _) => Some(shape[i]),
                (None, Some(AutoPad::SameUpper | AutoPad::SameLower)) => Some(d.extent * d.stride),
                (None, _) => None,
            };
            if let Some(target) = target {
                let upper = stated.auto == Some(AutoPad::SameUpper);
                let auto = if upper {
                    AutoPad::SameUpper
                } else {
                    AutoPad::SameLower
                };
                (d.before, d.after) = auto.split(full.saturating_sub(target));
                d.result = target;
            } else {
                if stated.auto == Some(AutoPad::Valid) {
                    (d.before, d.after) = (0, 0);
                }
                let left = full.checked_sub(d.before + d.after);
                d.result = left.filter(|l| *l > 0).ok_or_else(too_small)?;
            }
            Ok(d)
        })
        .collect()
}

fn too_small() -> OpError {
    OpError::invalid("a window larger than the padded operand")
}

/// Exponents of a convolution, taps in the reverse of their order in the kernel.
pub(super) fn convolution_positions(dimensions: &[Dimension]) -> Result<Positions, OpError> {
    // A row leaves as much room as windows overhang it, so that what they meet there is nothing.
    let width = |d: &Dimension| {
        let last = (d.result - 1) * d.stride + d.reach();
        d.extent + d.before.max((last + 1).saturating_sub(d.before + d.extent))
    };
    let strides = strides(dimensions, width)?;
    let taps = |d: &Dimension| (0..d.taps).map(|t| (t * d.dilation) as i64).collect();
    let results = |d: &Dimension| {
        let first = d.reach() as i64 - d.before as i64;
        let results = 0..d.result as i64;
        results.map(|o| first + o * d.stride as i64).collect()
    };
    let operands = |d: &Dimension| (0..d.extent as i64).collect();
    positions(dimensions, &strides, operands, taps, results)
}

/// Exponents of a transposed convolution, taps in the kernel's order.
pub(super) fn transposed_positions(dimensions: &[Dimension]) -> Result<Positions, OpError> {
    let width = |d: &Dimension| {
        let full = (d.extent - 1) * d.stride + d.reach() + 1;
        full.max(d.before + d.result)
    };
    let strides = strides(dimensions, width)?;
    let operands = |d: &Dimension| (0..d.extent).map(|i| (i * d.stride) as i64).collect();
    let taps = |d: &Dimension| (0..d.taps).map(|t| (t * d.dilation) as i64).collect();
    let results = |d: &Dimension| (0..d.result).map(|o| (o + d.before) as i64).collect();
    positions(dimensions, &strides, operands, taps, results)
}

/// How many exponents one step along each dimension is.
fn strides(
    dimensions: &[Dimension],
    width: impl Fn(&Dimension) -> usize,
) -> Result<Vec<i64>, OpError> {
    let mut strides = vec![1i64; dimensions.len()];
    for i in (1..dimensions.len()).rev() {
        let next = strides[i].checked_mul(width(&dimensions[i]) as i64);
        strides[i - 1] = next.filter(|s| *s < 1 << 30).ok_or(OpError::Limit {
            what: "positions of a convolution",
            limit: MAX_EXPONENT as usize,
        })?;
    }
    Ok(strides)
}

fn positions(
    dimensions: &[Dimension],
    strides: &[i64],
    operands: impl Fn(&Dimension) -> Vec<i64>,
    taps: impl Fn(&Dimension) -> Vec<i64>,
    results: impl Fn(&Dimension) -> Vec<i64>,
) -> Result<Positions, OpError> {
    let spread = |of: &dyn Fn(&Dimension) -> Vec<i64>| -> Result<Vec<u32>, OpError> {
        let mut all = vec![0i64];
        for (d, stride) in dimensions.iter().zip(strides) {
            let along = of(d);
            super::super::import::checked_len(&[all.len(), along.len()])?;
            all = all
                .iter()
                .flat_map(|base| along.iter().map(move |x| base + x * stride))
                .collect();
        }
        let exponents = all.into_iter().map(u32::try_from);
        exponents.collect::<Result<_, _>>().map_err(|_| {
            OpError::unsupported(
                "padding as wide as the kernel's reach",
                "less padding, or an explicit Pad",
            )
        })
    };
    let positions = Positions {
        at: spread(&operands)?,
        taps: spread(&taps)?,
        to: spread(&results)?,
    };
    if !positions.check() {
        return Err(OpError::Limit {
            what: "positions of a convolution",
            limit: MAX_EXPONENT as usize,
        });
    }
    Ok(positions)
}
