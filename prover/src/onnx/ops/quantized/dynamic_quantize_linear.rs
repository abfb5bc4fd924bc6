//! DynamicQuantizeLinear: refused. Its scale is the range of the tensor at run time, a float32 number that depends on
//! the input, so that what follows is no fixed function of integers. Source: ONNX DynamicQuantizeLinear.

use super::super::super::error::OpError;
use super::super::super::import::{Builder, NodeView, Operand};

pub(in super::super) fn import(_: &mut Builder, _: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    Err(OpError::unsupported(
        "its scale depends on the input at run time, so the model is no fixed function of integers",
        "static quantisation (quantize_static with calibration data), or the float model",
    ))
}
