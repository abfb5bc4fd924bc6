//! Products of two activations, summed over shared axes: what MatMul, Gemm and Einsum share.
//!
//! `y[o] = sum_s l[a o + b s] r[c o + d s]`: both operands are laid out as [outputs, terms], multiplied elementwise
//! (each product rounded to the scale), and summed exactly.

use super::super::error::OpError;
use super::super::float::Reduction;
use super::super::import::{checked_len, Builder, Operand};
use super::broadcast::{apply, Operation};
use super::index::each;
use super::reduction::reduce;

/// How far one step along each axis moves in an operand.
#[derive(Clone, Debug)]
pub(super) struct Steps {
    /// For each axis of the result.
    pub(super) outer: Vec<usize>,
    /// For each axis that is summed.
    pub(super) summed: Vec<usize>,
}

/// The contraction of one operand, or of two.
pub(super) fn contract(
    b: &mut Builder,
    operands: &[(&Operand, &Steps)],
    shape: &[usize],
    summed: &[usize],
) -> Result<Operand, OpError> {
    let (outputs, terms) = (checked_len(shape)?, checked_len(summed)?);
    checked_len(&[outputs, terms])?;
    if terms == 0 {
        return Err(OpError::unsupported("a sum of nothing", "one term or more"));
    }
    let mut product: Option<Operand> = None;
    for (operand, steps) in operands {
        let mut indices = Vec::with_capacity(outputs * terms);
        for outer in each(shape) {
            let base: usize = outer.iter().zip(&steps.outer).map(|(i, s)| i * s).sum();
            for inner in each(summed) {
                let at: usize = inner.iter().zip(&steps.summed).map(|(i, s)| i * s).sum();
                indices.push((base + at) as u32);
            }
        }
        let spread = vec![outputs, terms];
        let laid_out = b.movement(std::slice::from_ref(*operand), indices, spread, None)?;
        product = Some(match product {
            None => laid_out,
            Some(other) => apply(b, Operation::Mul, &other, &laid_out)?,
        });
    }
    let products = product.ok_or_else(|| OpError::invalid("no operands"))?;
    let sums = reduce(b, Reduction::Sum, &products, &[false, true], false)?;
    b.reshaped(&sums, shape.to_vec(), None)
}
