//! Identity, and what is one at inference: Dropout (its mask is not supported) and ZipMap (the map's
//! keys are the classes in order, so its values are the scores). Source: ONNX Identity, Dropout, and
//! ai.onnx.ml ZipMap.

use super::super::error::OpError;
use super::super::import::{Builder, NodeView, Operand};

pub(super) fn import(_: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
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
    Ok(vec![node.need(0)?.clone()])
}
