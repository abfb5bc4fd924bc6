//! Range: numbers from a start by steps below a limit, all constants. Source: ONNX Range, opset 11.

use std::rc::Rc;

use super::super::error::OpError;
use super::super::import::{checked_len, Builder, NodeView, Operand};
use super::super::tensor::{Data, Tensor};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let mut numbers = [0.0; 3];
    let mut whole = true;
    for (i, what) in ["the start", "the limit", "the step"]
        .into_iter()
        .enumerate()
    {
        let tensor = node.constant(i, what)?;
        whole &= tensor.integers().is_some();
        match tensor.numbers().as_deref() {
            Some(&[v]) => numbers[i] = v,
            _ => return Err(OpError::invalid(format!("{what} must be one number"))),
        }
    }
    let [start, limit, step] = numbers;
    let count = ((limit - start) / step).ceil().max(0.0);
    if !count.is_finite() || count > 2f64.powi(32) {
        return Err(OpError::invalid("a range without end"));
    }
    let shape = vec![count as usize];
    b.count(checked_len(&shape)?)?;
    let values = (0..count as usize)
        .map(|i| start + i as f64 * step)
        .collect();
    let data = Data::of(values, whole);
    Ok(vec![Operand::Constant(Rc::new(Tensor { shape, data }))])
}
