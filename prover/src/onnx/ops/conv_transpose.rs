//! ConvTranspose over any number of spatial dimensions: `X [N, C, D..]`, `W [C, M / group, K..]` constant, `B [M]` constant.
//! Source: ONNX ConvTranspose, opsets 1, 11 and 22.

use super::super::error::OpError;
use super::super::float::Convolution;
use super::super::import::{Builder, NodeView, Operand};
use super::conv::{bias, layer, numbers, push, Layer};
use super::spatial;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let Layer {
        x,
        extents,
        channels,
        groups,
    } = layer(b, node, 1)?;
    let weights = node.constant(1, "the kernel")?;
    let (each, kernel) = (weights.shape[1], weights.shape[2..].to_vec());
    if weights.shape[0] != channels {
        return Err(OpError::invalid(format!(
            "a kernel {:?} on {channels} channels",
            weights.shape
        )));
    }
    let dimensions = spatial::transposed(node, &extents, &kernel)?;
    let (outputs, taps) = (each * groups, kernel.iter().product::<usize>());
    let numbers = numbers(b, weights)?;
    // [channels, outputs / groups, taps] as [outputs, channels / groups, taps].
    let of_group = channels / groups;
    let mut turned = Vec::with_capacity(numbers.len());
    for o in 0..outputs {
        let (group, within) = (o / each, o % each);
        for c in group * of_group..(group + 1) * of_group {
            turned.extend(&numbers[(c * each + within) * taps..][..taps]);
        }
    }
    let op = Convolution {
        channels,
        outputs,
        groups,
        positions: spatial::transposed_positions(&dimensions)?,
        weights: turned,
        bias: bias(node, 2, outputs)?,
    };
    let results: Vec<usize> = dimensions.iter().map(|d| d.result).collect();
    push(b, op, x, &results)
}
