//! Pow by constant exponents: -2, -1, -1/2, 1/2 and whole numbers from 1 to 64, by squaring and multiplying; elements of
//! several exponents apart from each other. Source: ONNX Pow, opset 7 on.

use super::super::error::OpError;
use super::super::float::{FloatOp, Pointwise};
use super::super::graph::Kind;
use super::super::import::{Builder, NodeView, Operand};
use super::broadcast::{apply, broadcast_indices, broadcast_to, common_shape, Operation};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let exponents = node.constant(1, "the exponent")?.clone();
    let numbers = exponents
        .numbers()
        .ok_or_else(|| OpError::invalid("an exponent that is no number"))?;
    let shape = common_shape(b.shape(&x), &exponents.shape)?;
    let whole = b.is_whole(&x);
    let (x, row_axis) = broadcast_to(b, &x, &shape)?;
    let of: Vec<f64> = broadcast_indices(&exponents.shape, &shape)
        .into_iter()
        .map(|i| numbers[i as usize])
        .collect();
    let mut distinct = of.clone();
    distinct.sort_by(f64::total_cmp);
    distinct.dedup();
    if distinct.len() > MOST_EXPONENTS {
        let reason = format!("{} different exponents", distinct.len());
        return Err(OpError::unsupported(reason, "sixteen at most"));
    }
    // 1. The elements of each exponent.
    let mut powers = Vec::with_capacity(distinct.len());
    let mut places = vec![0; of.len()];
    let mut next = 0;
    for &exponent in &distinct {
        let mine: Vec<u32> = (0..of.len() as u32)
            .filter(|&i| of[i as usize] == exponent)
            .collect();
        for &i in &mine {
            places[i as usize] = next;
            next += 1;
        }
        let count = vec![mine.len()];
        let part = match distinct.len() {
            1 => x.clone(),
            _ => b.movement(std::slice::from_ref(&x), mine, count, None)?,
        };
        powers.push(power(b, &part, exponent)?);
    }
    // 2. Back where they were.
    let made = match powers.as_slice() {
        [one] => one.clone(),
        _ => b.movement(&powers, places, shape, row_axis)?,
    };
    // The result has the operand's type.
    if whole && distinct.iter().any(|e| *e < 0.0 || e.fract() != 0.0) {
        let op = FloatOp::Pointwise(Pointwise::Trunc);
        let made = b.map(op, &made)?;
        return Ok(vec![b.cast(&made, Kind::Integer)?]);
    }
    Ok(vec![made])
}

/// Different exponents, at most.
const MOST_EXPONENTS: usize = 16;

/// `x^exponent`.
pub(super) fn power(b: &mut Builder, x: &Operand, exponent: f64) -> Result<Operand, OpError> {
    let map = |b: &mut Builder, op, x: &Operand| b.map(FloatOp::Pointwise(op), x);
    if exponent == 0.5 {
        return map(b, Pointwise::Sqrt, x);
    }
    if exponent == -1.0 {
        return map(b, Pointwise::Reciprocal, x);
    }
    if exponent == -0.5 {
        let root = map(b, Pointwise::Sqrt, x)?;
        return map(b, Pointwise::Reciprocal, &root);
    }
    if exponent == -2.0 {
        let square = map(b, Pointwise::Square, x)?;
        return map(b, Pointwise::Reciprocal, &square);
    }
    if exponent.fract() != 0.0 || !(1.0..=64.0).contains(&exponent) {
        let nearest = "exponents among -2, -1, -0.5, 0.5 and whole numbers from 1 to 64";
        return Err(OpError::unsupported(
            format!("exponent {exponent}"),
            nearest,
        ));
    }
    // Squares, and the product of those that the exponent's bits name.
    let mut bits = exponent as u32;
    let (mut square, mut product): (Operand, Option<Operand>) = (x.clone(), None);
    loop {
        if bits & 1 == 1 {
            product = Some(match product {
                None => square.clone(),
                Some(product) => apply(b, Operation::Mul, &product, &square)?,
            });
        }
        bits >>= 1;
        if bits == 0 {
            return product.ok_or_else(|| OpError::invalid("no exponent"));
        }
        square = map(b, Pointwise::Square, &square)?;
    }
}
