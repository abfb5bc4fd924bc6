//! Size: the number of elements, a constant. Source: ONNX Size, all opsets.

use std::rc::Rc;

use super::super::error::OpError;
use super::super::import::{Builder, NodeView, Operand};
use super::super::tensor::{Data, Tensor};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let size: usize = b.shape(node.need(0)?).iter().product();
    Ok(vec![Operand::Constant(Rc::new(Tensor {
        shape: vec![],
        data: Data::Int(vec![size as i64]),
    }))])
}
