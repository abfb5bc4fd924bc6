//! EyeLike: ones on a diagonal of a matrix of the operand's shape, a constant. Source: ONNX EyeLike, opset 9.

use std::rc::Rc;

use tract_onnx::pb::tensor_proto::DataType;

use super::super::error::OpError;
use super::super::import::{Builder, NodeView, Operand};
use super::super::tensor::{Data, Tensor};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?;
    let &[rows, columns] = b.shape(x) else {
        return Err(OpError::invalid("an operand of two axes is needed"));
    };
    if b.row_axis(x).is_some() {
        b.drop_rows("a diagonal over the batch dimension")?;
    }
    let float = [DataType::Float, DataType::Double, DataType::Float16];
    let whole = match node.attribute("dtype") {
        None => b.is_whole(x),
        Some(a) => !float.iter().any(|&f| f as i64 == a.i),
    };
    let k = node.int("k", 0);
    b.count(rows * columns)?;
    let on = |i: usize| {
        let (row, column) = ((i / columns) as i64, (i % columns) as i64);
        f64::from(u8::from(row.checked_add(k) == Some(column)))
    };
    let data = Data::of((0..rows * columns).map(on).collect(), whole);
    let shape = vec![rows, columns];
    Ok(vec![Operand::Constant(Rc::new(Tensor { shape, data }))])
}
