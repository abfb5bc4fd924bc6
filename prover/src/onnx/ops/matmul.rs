//! MatMul by a constant: `y[.., j] = sum_i x[.., i] W[i, j]`, or `y[.., i, ..] = sum_j W[i, j] x[.., j, n]`
//! with the constant on the left. Source: ONNX MatMul, all opsets.

use std::rc::Rc;

use super::super::error::OpError;
use super::super::float::{FloatOp, Linear};
use super::super::graph::{Kind, ValueId};
use super::super::import::{Builder, NodeView, Operand};
use super::super::tensor::{Data, Tensor};
use super::gemm::transpose_unless;
use super::transpose::transposed;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let result = match (node.need(0)?.clone(), node.need(1)?.clone()) {
        (Operand::Activation(x), Operand::Constant(w)) => right(b, x, &w)?,
        (Operand::Constant(w), Operand::Activation(x)) => left(b, &w, x)?,
        (Operand::Constant(l), Operand::Constant(r)) => constants(b, &l, &r)?,
        (Operand::Activation(_), Operand::Activation(_)) => {
            return Err(OpError::unsupported(
                "a matrix product of two activations",
                "MatMul of an activation by a constant",
            ))
        }
    };
    Ok(vec![result])
}

fn right(b: &mut Builder, x: ValueId, w: &Tensor) -> Result<Operand, OpError> {
    let (k, m, vector) = matrix(w)?;
    let value = b.value(x);
    let mut shape = value.shape.clone();
    let row_axis = value.row_axis;
    let Some(last) = shape.pop() else {
        return Err(OpError::invalid("a product of scalars"));
    };
    if row_axis == Some(shape.len()) {
        return Err(OpError::mixes_rows("a product over the batch dimension"));
    }
    if last != k {
        return Err(OpError::invalid(format!(
            "a product over {last} and {k} elements"
        )));
    }
    if !vector {
        shape.push(m);
    }
    let numbers = w
        .numbers()
        .ok_or_else(|| OpError::invalid("a product of strings"))?;
    b.count(numbers.len())?;
    let weights = transpose_unless(false, &numbers, k, m, 1.0);
    let op = Linear {
        inputs: k,
        outputs: m,
        weights,
        bias: vec![0.0; m],
    };
    b.push(FloatOp::Linear(op), &[x], shape, row_axis, Kind::Number)
}

fn left(b: &mut Builder, w: &Tensor, x: ValueId) -> Result<Operand, OpError> {
    // (W x)^T = x^T W^T
    let &[m, k] = w.shape.as_slice() else {
        return Err(OpError::unsupported(
            "a left factor that is no matrix",
            "a constant matrix",
        ));
    };
    let rank = b.value(x).shape.len();
    if rank < 2 {
        return Err(OpError::unsupported(
            "a matrix by a vector",
            "the factors swapped",
        ));
    }
    let mut swap: Vec<usize> = (0..rank).collect();
    swap.swap(rank - 1, rank - 2);
    let turned = transposed(b, &Operand::Activation(x), &swap)?;
    let Operand::Activation(turned) = turned else {
        return Err(OpError::invalid("an activation was expected"));
    };
    let numbers = w
        .numbers()
        .ok_or_else(|| OpError::invalid("a product of strings"))?;
    let data = Data::Float(transpose_unless(false, &numbers, m, k, 1.0));
    let y = right(
        b,
        turned,
        &Tensor {
            shape: vec![k, m],
            data,
        },
    )?;
    transposed(b, &y, &swap)
}

/// (k, m, whether it is a vector) of a constant right factor.
fn matrix(w: &Tensor) -> Result<(usize, usize, bool), OpError> {
    match *w.shape.as_slice() {
        [k] => Ok((k, 1, true)),
        [k, m] => Ok((k, m, false)),
        _ => Err(OpError::unsupported(
            "a batch of constant matrices",
            "MatMul by one constant matrix",
        )),
    }
}

fn constants(b: &mut Builder, l: &Tensor, r: &Tensor) -> Result<Operand, OpError> {
    let (&[n, k], &[k2, m]) = (l.shape.as_slice(), r.shape.as_slice()) else {
        return Err(OpError::unsupported(
            "a product of constants",
            "two constant matrices",
        ));
    };
    if k != k2 {
        return Err(OpError::invalid(format!("[{n}, {k}] by [{k2}, {m}]")));
    }
    let shape = vec![n, m];
    b.count(super::super::import::checked_len(&shape)?)?;
    b.spend(n.saturating_mul(m).saturating_mul(k))?;
    let strings = || OpError::invalid("a product of strings");
    let (l, r) = (
        l.numbers().ok_or_else(strings)?,
        r.numbers().ok_or_else(strings)?,
    );
    let mut y = vec![0.0; n * m];
    for i in 0..n {
        for (h, row) in r.chunks_exact(m.max(1)).enumerate().take(k) {
            for (slot, w) in y[i * m..(i + 1) * m].iter_mut().zip(row) {
                *slot += l[i * k + h] * w;
            }
        }
    }
    Ok(Operand::Constant(Rc::new(Tensor {
        shape,
        data: Data::Float(y),
    })))
}
