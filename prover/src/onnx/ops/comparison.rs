//! What the comparisons share: operands broadcast, the result a truth value. A constant is a public threshold.

use super::super::error::OpError;
use super::super::float::{FloatOp, Relation, Threshold};
use super::super::graph::Kind;
use super::super::import::{Builder, NodeView, Operand};
use super::broadcast::{broadcast_indices, broadcast_to, common_shape};
use super::elementwise::binary;

pub(super) fn import(
    relation: Relation,
    b: &mut Builder,
    node: &NodeView<'_>,
) -> Result<Vec<Operand>, OpError> {
    let (l, r) = (node.need(0)?.clone(), node.need(1)?.clone());
    let (x, constant, relation) = match (&l, &r) {
        (Operand::Activation(_), Operand::Constant(c)) => (&l, c, relation),
        (Operand::Constant(c), Operand::Activation(_)) => (&r, c, relation.swapped()),
        _ => {
            return Ok(vec![binary(
                b,
                FloatOp::Compare(relation),
                &l,
                &r,
                Kind::Boolean,
            )?])
        }
    };
    let shape = common_shape(b.shape(x), &constant.shape)?;
    let (x, row_axis) = broadcast_to(b, x, &shape)?;
    let Operand::Activation(id) = x else {
        return Err(OpError::invalid("an activation was expected"));
    };
    if !b.value(id).kind.is_numeric() {
        return Err(OpError::unsupported("a comparison of labels", "of scores"));
    }
    let numbers = constant
        .numbers()
        .ok_or_else(|| OpError::invalid("a comparison with strings"))?;
    let thresholds: Vec<f64> = broadcast_indices(&constant.shape, &shape)
        .into_iter()
        .map(|i| numbers[i as usize])
        .collect();
    if thresholds.iter().any(|t| t.is_nan()) {
        return Err(OpError::unsupported(
            "a comparison with NaN",
            "thresholds that are numbers",
        ));
    }
    b.count(thresholds.len())?;
    let op = Threshold {
        relation,
        thresholds,
    };
    let op = FloatOp::Threshold(op);
    Ok(vec![b.push(op, &[id], shape, row_axis, Kind::Boolean)?])
}
