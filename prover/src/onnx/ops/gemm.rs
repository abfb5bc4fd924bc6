//! Gemm: `y = alpha A B + beta C`, A an activation [rows, k], B a constant [k, m] (or [m, k] with
//! transB), C a constant that broadcasts to [rows, m]. Source: ONNX Gemm, opset 7 on.

use super::super::error::OpError;
use super::super::float::{Arithmetic, FloatOp, Linear};
use super::super::graph::Kind;
use super::super::import::{Builder, NodeView, Operand};
use super::broadcast::{apply, arithmetic, broadcast_indices, common_shape, Operation};
use super::linear_map::scaled;
use super::matmul::product;
use super::transpose::transposed;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let (Operand::Activation(a), Operand::Constant(weights)) = (node.need(0)?, node.need(1)?)
    else {
        return general(b, node);
    };
    let (a, weights) = (*a, weights.clone());
    if node.int("transA", 0) != 0 && b.value(a).row_axis.is_none() {
        return general(b, node);
    }
    let (&[rows, k], &[b0, b1]) = (b.value(a).shape.as_slice(), weights.shape.as_slice()) else {
        return Err(OpError::invalid("both factors must be matrices"));
    };
    if node.int("transA", 0) != 0 {
        return Err(OpError::mixes_rows("transA"));
    }
    let transposed = node.int("transB", 0) != 0;
    let (depth, m) = if transposed { (b1, b0) } else { (b0, b1) };
    if depth != k {
        return Err(OpError::invalid(format!("[{rows}, {k}] by [{depth}, {m}]")));
    }
    let row_axis = b.value(a).row_axis;
    if row_axis == Some(1) {
        return Err(OpError::mixes_rows("a product over the batch dimension"));
    }
    let (alpha, beta) = (node.float("alpha", 1.0), node.float("beta", 1.0));
    let numbers = weights
        .numbers()
        .ok_or_else(|| OpError::invalid("a product of strings"))?;
    b.count(numbers.len())?;
    let weights = transpose_unless(transposed, &numbers, k, m, alpha);

    // A bias that is a constant for all rows joins the layer; another activation is added after it.
    let mut bias = vec![0.0; m];
    let mut addend = None;
    match node.input(2) {
        None => {}
        Some(Operand::Constant(c)) => {
            let c_numbers = c
                .numbers()
                .ok_or_else(|| OpError::invalid("a bias of strings"))?;
            if common_shape(&c.shape, &[1, m])? != [1, m] {
                if rows == 1 && row_axis.is_some() {
                    return Err(OpError::mixes_rows(
                        "a bias with a row for each row of the batch",
                    ));
                }
                return Err(OpError::unsupported(
                    "a matrix of biases",
                    "one bias an output",
                ));
            }
            for (slot, i) in bias.iter_mut().zip(broadcast_indices(&c.shape, &[1, m])) {
                *slot = beta * c_numbers[i as usize];
            }
        }
        Some(c @ Operand::Activation(_)) if beta == 1.0 => addend = Some(c.clone()),
        Some(c @ Operand::Activation(_)) => addend = Some(scaled(b, c, beta, 0.0)?),
    }
    let op = Linear {
        inputs: k,
        outputs: m,
        weights,
        bias,
    };
    let y = b.push(
        FloatOp::Linear(op),
        &[a],
        vec![rows, m],
        row_axis,
        Kind::Number,
    )?;
    Ok(vec![match addend {
        Some(c) => arithmetic(b, Arithmetic::Add, &y, &c)?,
        None => y,
    }])
}

/// Two activations, a constant on the left, or a transposed activation: a product, scaled, and a sum.
fn general(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let mut factors = Vec::with_capacity(2);
    for (i, attribute) in ["transA", "transB"].into_iter().enumerate() {
        let factor = node.need(i)?.clone();
        if b.shape(&factor).len() != 2 {
            return Err(OpError::invalid("both factors must be matrices"));
        }
        factors.push(match node.int(attribute, 0) {
            0 => factor,
            _ => transposed(b, &factor, &[1, 0])?,
        });
    }
    let mut y = product(b, &factors[0], &factors[1])?;
    let (alpha, beta) = (node.float("alpha", 1.0), node.float("beta", 1.0));
    if alpha != 1.0 {
        y = scaled(b, &y, alpha, 0.0)?;
    }
    let Some(c) = node.input(2).cloned() else {
        return Ok(vec![y]);
    };
    let c = match beta {
        1.0 => c,
        beta => scaled(b, &c, beta, 0.0)?,
    };
    Ok(vec![apply(b, Operation::Add, &y, &c)?])
}

/// `alpha W` as [m, k], from [m, k] if `transposed`, else from [k, m].
pub(super) fn transpose_unless(
    transposed: bool,
    w: &[f64],
    k: usize,
    m: usize,
    alpha: f64,
) -> Vec<f64> {
    if transposed {
        return w.iter().map(|w| alpha * w).collect();
    }
    (0..m)
        .flat_map(|j| (0..k).map(move |i| alpha * w[i * m + j]))
        .collect()
}
