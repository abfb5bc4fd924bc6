//! QLinearConv: `clamp(rint(f32(sum (x - z_x) (w - z_w) + b) (s_x s_w / s_y)) + z_y)`, one weight scale or one for each
//! output channel; padding is z_x. ConvInteger gives the sums. Source: ONNX QLinearConv and ConvInteger, opset 10 on.

use super::super::super::error::OpError;
use super::super::super::float::{IntegerConvolution, Quantized, Rule};
use super::super::super::graph::{Kind, ValueId};
use super::super::super::import::{Builder, NodeView, Operand};
use super::super::conv;
use super::{activation, push, quantised, requantised, result_scale, scales};

pub(in super::super) fn import(
    b: &mut Builder,
    node: &NodeView<'_>,
) -> Result<Vec<Operand>, OpError> {
    let x = activation(b, node, 0)?;
    let y = result_scale(b, node, 6, x.scale.element)?;
    let (sums, results, outputs) = sums(b, node, 3, (x.scale.zero, 5), Some(8))?;
    let scales = scales(node, 4)?;
    if scales.len() != 1 && scales.len() != outputs {
        return Err(OpError::invalid(format!(
            "{} scales for {outputs} channels",
            scales.len()
        )));
    }
    let rule = |w: &f32| Rule::Product(x.scale.scale * w / y.scale);
    let rules = scales.iter().map(rule).collect();
    Ok(vec![requantised(b, sums, rules, results, y)?])
}

pub(in super::super) fn integer(
    b: &mut Builder,
    node: &NodeView<'_>,
) -> Result<Vec<Operand>, OpError> {
    quantised(b, node, 0)?;
    let zeros = node.integers(2, "the zero point")?;
    let &[zero] = zeros.unwrap_or(vec![0]).as_slice() else {
        return Err(OpError::invalid("several zero points for one operand"));
    };
    let (sums, ..) = sums(b, node, 1, (zero, 3), None)?;
    Ok(vec![Operand::Activation(sums)])
}

/// The sums, the number of results of one channel, and the number of channels.
fn sums(
    b: &mut Builder,
    node: &NodeView<'_>,
    kernel: usize,
    (zero, weight_zero): (i64, usize),
    bias: Option<usize>,
) -> Result<(ValueId, usize, usize), OpError> {
    if node.int("channels_last", 0) != 0 {
        return Err(OpError::unsupported("channels_last", "channels first"));
    }
    let element = quantised(b, node, kernel)?;
    let (mut op, x, results) = conv::convolution(b, node, kernel)?;
    let zeros = node
        .integers(weight_zero, "the zero point")?
        .unwrap_or(vec![0]);
    let (lo, hi) = element.range();
    let fits = zeros.len() == 1 || zeros.len() == op.outputs;
    if !fits || !zeros.iter().all(|z| (lo..=hi).contains(z)) {
        return Err(OpError::invalid("zero points that do not fit the kernel"));
    }
    let size = op.kernel_len();
    for (o, kernel) in op.weights.chunks_mut(size).enumerate() {
        let zero = zeros[o % zeros.len()] as f64;
        kernel.iter_mut().for_each(|w| *w -= zero);
    }
    if let Some(bias) = bias {
        op.bias = conv::bias(node, bias, op.outputs)?;
    }
    let symmetric = lo < 0 && zeros.iter().all(|&z| z == 0);
    let row_axis = b.value(x).row_axis;
    let outputs = op.outputs;
    let mut shape = vec![1, outputs];
    shape.extend(&results);
    let layer = IntegerConvolution {
        op,
        zero,
        weight_bits: element.bits() + u32::from(!symmetric),
    };
    let op = Quantized::Convolution(layer);
    let sums = push(b, op, &[x], shape, row_axis, Kind::Integer)?;
    Ok((sums, results.iter().product(), outputs))
}
