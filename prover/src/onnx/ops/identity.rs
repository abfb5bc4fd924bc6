//! Identity, and what is one at inference: Dropout (its mask is all true) and ZipMap (the map's
//! keys are the classes in order, so its values are the scores). Source: ONNX Identity, Dropout, and
//! ai.onnx.ml ZipMap.

use super::super::error::OpError;
use super::super::graph::Kind;
use super::super::import::{Builder, NodeView, Operand};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    if node.input(2).is_some() {
        let training = node.constant(2, "training_mode")?;
        if training
            .integers()
            .is_some_and(|v| v.iter().any(|&v| v != 0))
        {
            return Err(OpError::unsupported(
                "dropout in training mode",
                "the model in eval mode",
            ));
        }
    }
    let x = node.need(0)?.clone();
    let mut results = vec![x.clone()];
    if node.outputs() > 1 {
        // Dropout's mask at inference keeps everything.
        let shape = b.shape(&x).to_vec();
        let ones = vec![1.0; shape.iter().product()];
        if let Operand::Activation(id) = x {
            let row = b.value(id).row_axis;
            results.push(b.public(&ones, shape, id, row, Kind::Boolean)?);
        }
    }
    Ok(results)
}
