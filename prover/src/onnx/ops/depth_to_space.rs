//! DepthToSpace and SpaceToDepth: blocks of channels against blocks of positions, [N, C, H, W]. Source: ONNX
//! DepthToSpace, opset 11 (mode), and SpaceToDepth, opset 1 on.

use super::super::error::OpError;
use super::super::import::{Builder, NodeView, Operand};
use super::transpose::transposed;

pub(super) fn depth_to_space(
    b: &mut Builder,
    node: &NodeView<'_>,
) -> Result<Vec<Operand>, OpError> {
    let (x, [n, c, h, w], size) = operands(b, node)?;
    if c % (size * size) != 0 {
        return Err(OpError::invalid("channels that do not fill blocks"));
    }
    let inner = c / (size * size);
    let (split, order) = match node.text("mode")?.unwrap_or("DCR") {
        "DCR" => ([n, size, size, inner, h, w], [0, 3, 4, 1, 5, 2]),
        "CRD" => ([n, inner, size, size, h, w], [0, 1, 4, 2, 5, 3]),
        other => return Err(OpError::invalid(format!("mode {other}"))),
    };
    turned(b, &x, &split, &order, vec![n, inner, h * size, w * size])
}

pub(super) fn space_to_depth(
    b: &mut Builder,
    node: &NodeView<'_>,
) -> Result<Vec<Operand>, OpError> {
    let (x, [n, c, h, w], size) = operands(b, node)?;
    if h % size != 0 || w % size != 0 {
        return Err(OpError::invalid("positions that do not fill blocks"));
    }
    let split = [n, c, h / size, size, w / size, size];
    let shape = vec![n, c * size * size, h / size, w / size];
    turned(b, &x, &split, &[0, 3, 5, 1, 2, 4], shape)
}

fn operands(b: &Builder, node: &NodeView<'_>) -> Result<(Operand, [usize; 4], usize), OpError> {
    let x = node.need(0)?.clone();
    let &[n, c, h, w] = b.shape(&x) else {
        return Err(OpError::invalid("an operand of four axes is needed"));
    };
    if b.row_axis(&x).is_some_and(|row| row != 0) {
        return Err(OpError::mixes_rows("blocks over the batch dimension"));
    }
    let size = usize::try_from(node.int("blocksize", 0)).unwrap_or(0);
    // A block is no greater than the tensor.
    if size == 0 || size > b.shape(&x).iter().product() {
        return Err(OpError::invalid("blocksize"));
    }
    Ok((x, [n, c, h, w], size))
}

fn turned(
    b: &mut Builder,
    x: &Operand,
    split: &[usize],
    order: &[usize],
    shape: Vec<usize>,
) -> Result<Vec<Operand>, OpError> {
    let row_axis = b.row_axis(x);
    let split = b.reshaped(x, split.to_vec(), row_axis)?;
    let turned = transposed(b, &split, order)?;
    Ok(vec![b.reshaped(&turned, shape, row_axis)?])
}
