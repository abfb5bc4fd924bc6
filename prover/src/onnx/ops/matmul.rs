//! MatMul by a constant: `y[.., j] = sum_i x[.., i] W[i, j]`, or `y[.., i, ..] = sum_j W[i, j] x[.., j, n]`
//! with the constant on the left; by a stack of constant matrices, or of two activations, it is a contraction. Source:
//! ONNX MatMul, all opsets.

use std::rc::Rc;

use super::super::error::OpError;
use super::super::float::{FloatOp, Linear};
use super::super::graph::{Kind, ValueId};
use super::super::import::{Builder, NodeView, Operand};
use super::super::tensor::{Data, Tensor};
use super::broadcast::common_shape;
use super::contraction::{contract, Steps};
use super::gemm::transpose_unless;
use super::index::strides;
use super::transpose::transposed;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let (l, r) = (node.need(0)?.clone(), node.need(1)?.clone());
    let result = match (&l, &r) {
        (Operand::Activation(x), Operand::Constant(w)) if matrix(w).is_ok() => right(b, *x, w)?,
        (Operand::Constant(w), Operand::Activation(x))
            if w.shape.len() == 2 && b.value(*x).shape.len() >= 2 =>
        {
            left(b, w, *x)?
        }
        (Operand::Constant(l), Operand::Constant(r))
            if l.shape.len() == 2 && r.shape.len() == 2 =>
        {
            constants(b, l, r)?
        }
        _ => product(b, &l, &r)?,
    };
    Ok(vec![result])
}

/// The product of stacks of matrices, broadcast; a vector is a row on the left, a column on the right.
pub(super) fn product(b: &mut Builder, l: &Operand, r: &Operand) -> Result<Operand, OpError> {
    let (mut l_shape, mut r_shape) = (b.shape(l).to_vec(), b.shape(r).to_vec());
    if l_shape.is_empty() || r_shape.is_empty() {
        return Err(OpError::invalid("a product of scalars"));
    }
    let (row, column) = (l_shape.len() == 1, r_shape.len() == 1);
    let rows = [(l, l_shape.len()), (r, r_shape.len())].map(|(o, rank)| {
        let axis = b.row_axis(o);
        // Counted from the last axis; a stack's axis, or the rows of a left matrix.
        axis.map(|a| rank - a)
    });
    if row {
        l_shape.insert(0, 1);
    }
    if column {
        r_shape.push(1);
    }
    let (&[.., n, k], &[.., k2, m]) = (l_shape.as_slice(), r_shape.as_slice()) else {
        unreachable!("both have two axes")
    };
    if k != k2 {
        return Err(OpError::invalid(format!("{l_shape:?} by {r_shape:?}")));
    }
    let of_matrix = rows[0].is_some_and(|a| a <= 1) || rows[1].is_some_and(|a| a <= 2);
    let apart = matches!(rows, [Some(a), Some(b)] if a != b);
    if of_matrix || apart {
        b.drop_rows("a product over the batch dimension")?;
    }
    let (l_stack, r_stack) = (&l_shape[..l_shape.len() - 2], &r_shape[..r_shape.len() - 2]);
    let stack = common_shape(l_stack, r_stack)?;
    let along = |shape: &[usize], stack_len: usize, tail: [usize; 2]| -> Vec<usize> {
        let own = strides(shape);
        let lead = shape.len() - 2;
        let mut steps = vec![0; stack_len];
        for i in 0..lead {
            if shape[i] != 1 {
                steps[stack_len - lead + i] = own[i];
            }
        }
        steps.extend(tail);
        steps
    };
    let l_steps = Steps {
        outer: along(&l_shape, stack.len(), [k, 0]),
        summed: vec![1],
    };
    let r_steps = Steps {
        outer: along(&r_shape, stack.len(), [0, 1]),
        summed: vec![m],
    };
    let mut shape = stack;
    shape.extend([n, m]);
    let made = contract(b, &[(l, &l_steps), (r, &r_steps)], &shape, &[k])?;
    let rank = shape.len();
    let row_axis = if of_matrix || apart {
        None
    } else {
        rows[0].or(rows[1]).map(|from_last| rank - from_last)
    };
    let mut row_axis = row_axis;
    if column {
        shape.pop();
        row_axis = row_axis.map(|a| a.min(shape.len()));
    }
    if row {
        let at = if column {
            shape.len() - 1
        } else {
            shape.len() - 2
        };
        shape.remove(at);
        row_axis = row_axis.map(|a| if a > at { a - 1 } else { a });
    }
    b.reshaped(&made, shape, row_axis)
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
    let whole = w.integers().is_some() && b.value(x).kind.is_whole();
    let kind = if whole { Kind::Integer } else { Kind::Number };
    b.push(FloatOp::Linear(op), &[x], shape, row_axis, kind)
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
