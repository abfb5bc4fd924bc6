//! Conv over any number of spatial dimensions: `X [N, C, D..]`, `W [M, C / group, K..]` constant, `B [M]` constant.
//! Source: ONNX Conv, opsets 1, 11 and 22.

use super::super::error::OpError;
use super::super::float::{Convolution, FloatOp};
use super::super::graph::{Kind, ValueId};
use super::super::import::{Builder, NodeView, Operand};
use super::spatial;
use crate::quantize::skeleton::Positions;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let (mut op, x, results) = convolution(b, node, 1)?;
    op.bias = bias(node, 2, op.outputs)?;
    push(b, op, x, &results)
}

/// The convolution by the constant at operand `kernel`, without a bias, its operand and the extents of its results.
pub(super) fn convolution(
    b: &mut Builder,
    node: &NodeView<'_>,
    kernel: usize,
) -> Result<(Convolution, ValueId, Vec<usize>), OpError> {
    let Layer {
        x,
        extents,
        channels,
        groups,
        ..
    } = layer(b, node, kernel)?;
    let weights = node.constant(kernel, "the kernel")?;
    let (outputs, kernel) = (weights.shape[0], weights.shape[2..].to_vec());
    if outputs % groups != 0 || weights.shape[1] * groups != channels {
        return Err(OpError::invalid(format!(
            "a kernel {:?} in {groups} groups on {channels} channels",
            weights.shape
        )));
    }
    let dimensions = spatial::convolution(node, &extents, &kernel)?;
    let numbers = numbers(b, weights)?;
    let apart = dimensions
        .iter()
        .all(|d| d.stride > (d.taps - 1) * d.dilation && d.before == 0 && d.after == 0);
    let taps: usize = kernel.iter().product();
    let results: Vec<usize> = dimensions.iter().map(|d| d.result).collect();
    let (x, channels, positions, numbers) = if apart && taps > 1 && groups == 1 {
        // Windows apart from one another: a dense layer on each.
        let windows = windows(b, x, channels, &dimensions)?;
        let count = results.iter().product();
        (windows, channels * taps, Positions::dense(count), numbers)
    } else {
        let positions = spatial::convolution_positions(&dimensions)?;
        let reversed = numbers
            .chunks_exact(taps)
            .flat_map(|kernel| kernel.iter().rev().copied())
            .collect();
        (x, channels, positions, reversed)
    };
    let op = Convolution {
        channels,
        outputs,
        groups,
        positions,
        weights: numbers,
        bias: vec![0.0; outputs],
    };
    Ok((op, x, results))
}

/// What Conv and ConvTranspose say of their operand.
pub(super) struct Layer {
    pub(super) x: ValueId,
    pub(super) extents: Vec<usize>,
    pub(super) channels: usize,
    pub(super) groups: usize,
}

pub(super) fn layer(b: &Builder, node: &NodeView<'_>, kernel: usize) -> Result<Layer, OpError> {
    let Operand::Activation(x) = *node.need(0)? else {
        return Err(OpError::unsupported(
            "a convolution of a constant",
            "one of an activation",
        ));
    };
    let shape = &b.value(x).shape;
    let weights = node.constant(kernel, "the kernel")?;
    if shape.len() < 3 || weights.shape.len() != shape.len() {
        return Err(OpError::invalid(format!(
            "a kernel {:?} on an operand {shape:?}",
            weights.shape
        )));
    }
    if b.value(x).row_axis.is_some_and(|axis| axis != 0) {
        return Err(OpError::mixes_rows(
            "a convolution over the batch dimension",
        ));
    }
    if shape[0] != 1 {
        return Err(OpError::unsupported(
            "several pictures in one row",
            "one picture a row, in the batch dimension",
        ));
    }
    let (channels, groups) = (shape[1], node.int("group", 1));
    let groups = usize::try_from(groups)
        .ok()
        .filter(|g| *g > 0 && channels % g == 0);
    Ok(Layer {
        x,
        extents: shape[2..].to_vec(),
        channels,
        groups: groups.ok_or_else(|| OpError::invalid("group does not divide the channels"))?,
    })
}

pub(super) fn numbers(
    b: &mut Builder,
    tensor: &super::super::tensor::Tensor,
) -> Result<Vec<f64>, OpError> {
    let numbers = tensor
        .numbers()
        .ok_or_else(|| OpError::invalid("a kernel of strings"))?;
    b.count(numbers.len())?;
    Ok(numbers)
}

/// One number for each output; zeros where the node has none.
pub(super) fn bias(node: &NodeView<'_>, at: usize, outputs: usize) -> Result<Vec<f64>, OpError> {
    if node.input(at).is_none() {
        return Ok(vec![0.0; outputs]);
    }
    let bias = node.constant(at, "the bias")?.numbers().unwrap_or_default();
    if bias.len() != outputs {
        return Err(OpError::invalid(format!(
            "a bias of {} numbers for {outputs} outputs",
            bias.len()
        )));
    }
    Ok(bias)
}

pub(super) fn push(
    b: &mut Builder,
    op: Convolution,
    x: ValueId,
    results: &[usize],
) -> Result<Vec<Operand>, OpError> {
    let row_axis = b.value(x).row_axis;
    let mut shape = vec![1, op.outputs];
    shape.extend(results);
    let op = FloatOp::Convolution(op);
    Ok(vec![b.push(op, &[x], shape, row_axis, Kind::Number)?])
}

/// [channels taps, windows] of an operand [1, channels, D..].
fn windows(
    b: &mut Builder,
    x: ValueId,
    channels: usize,
    dimensions: &[spatial::Dimension],
) -> Result<ValueId, OpError> {
    // Offsets of all (tap, window) pairs in one channel, dimension by dimension.
    let size: usize = dimensions.iter().map(|d| d.extent).product();
    let offsets = |along: &dyn Fn(&spatial::Dimension) -> Vec<usize>| -> Vec<usize> {
        let mut all = vec![0];
        for d in dimensions {
            let steps = along(d);
            all = all
                .iter()
                .flat_map(|base| steps.iter().map(move |s| base * d.extent + s))
                .collect();
        }
        all
    };
    let taps = offsets(&|d| (0..d.taps).map(|t| t * d.dilation).collect());
    let starts = offsets(&|d| (0..d.result).map(|o| o * d.stride).collect());
    super::super::import::checked_len(&[channels, taps.len(), starts.len()])?;
    let mut indices = Vec::with_capacity(channels * taps.len() * starts.len());
    for c in 0..channels {
        for tap in &taps {
            indices.extend(starts.iter().map(|s| (c * size + tap + s) as u32));
        }
    }
    let shape = vec![1, channels * taps.len(), starts.len()];
    let row_axis = b.value(x).row_axis;
    match b.movement(&[Operand::Activation(x)], indices, shape, row_axis)? {
        Operand::Activation(id) => Ok(id),
        Operand::Constant(_) => Err(OpError::invalid("an activation was expected")),
    }
}
