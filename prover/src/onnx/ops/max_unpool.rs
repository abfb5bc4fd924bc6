//! MaxUnpool: values at constant flat positions of a greater tensor, zeros elsewhere. Source: ONNX MaxUnpool, opset 9 on.

use super::super::error::OpError;
use super::super::import::{checked_len, Builder, NodeView, Operand};
use super::index::{each, flat, moved_or, strides};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let shape = b.shape(&x).to_vec();
    let spatial = shape.len().saturating_sub(2);
    let at = node
        .integers(1, "the positions")?
        .ok_or_else(|| OpError::invalid("the positions are missing"))?;
    let extents = |name: &str, default: i64, count: usize| {
        let given = node.ints(name).map(<[i64]>::to_vec);
        let all = given.unwrap_or_else(|| vec![default; count]);
        let all: Option<Vec<usize>> = all.iter().map(|&v| usize::try_from(v).ok()).collect();
        all.filter(|all| all.len() == count)
            .ok_or_else(|| OpError::invalid(name.to_owned()))
    };
    if spatial == 0 || at.len() != shape.iter().product::<usize>() {
        return Err(OpError::invalid("positions that do not fit the operand"));
    }
    let kernel = extents("kernel_shape", 0, spatial)?;
    let strided = extents("strides", 1, spatial)?;
    let pads = extents("pads", 0, 2 * spatial)?;
    // Positions count in the tensor that was pooled.
    let mut inferred = shape.clone();
    for i in 0..spatial {
        let full = (shape[i + 2] - 1)
            .saturating_mul(strided[i])
            .saturating_add(kernel[i]);
        let full = full.checked_sub(pads[i].saturating_add(pads[i + spatial]));
        inferred[i + 2] = full.ok_or_else(|| OpError::invalid("pads greater than the result"))?;
    }
    let shape = match node.integers(2, "the shape")? {
        None => inferred.clone(),
        Some(given) => {
            let given: Option<Vec<usize>> =
                given.iter().map(|&d| usize::try_from(d).ok()).collect();
            given.ok_or_else(|| OpError::invalid("a negative extent"))?
        }
    };
    if b.row_axis(&x).is_some() {
        return Err(OpError::mixes_rows("positions that count over the batch"));
    }
    let len = checked_len(&shape)?;
    let inferred_len = checked_len(&inferred)?;
    if shape.len() != inferred.len() {
        return Err(OpError::invalid("a shape of another rank"));
    }
    let (steps, inferred_steps) = (strides(&shape), strides(&inferred));
    let mut places = vec![None; inferred_len];
    for index in each(&inferred) {
        if index.iter().zip(&shape).all(|(i, n)| i < n) {
            places[flat(&index, &inferred_steps)] = Some(flat(&index, &steps));
        }
    }
    let mut from = vec![None; len];
    for (i, &position) in at.iter().enumerate() {
        let place = usize::try_from(position)
            .ok()
            .and_then(|p| places.get(p)?.as_ref());
        let place = place.ok_or_else(|| OpError::invalid("a position outside the result"))?;
        from[*place] = Some(i);
    }
    Ok(vec![moved_or(b, &x, &from, 0.0, shape, None)?])
}
