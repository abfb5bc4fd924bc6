//! A single ONNX TensorProto, as in ONNX's own test data (`input_0.pb`).

use prost::Message;
use tract_onnx::pb;

use super::{InputFileError, Numbers};
use crate::onnx::tensor::Tensor;

pub(super) fn read(bytes: &[u8]) -> Result<Numbers, InputFileError> {
    let malformed = |reason: String| InputFileError::Malformed { reason };
    let proto = pb::TensorProto::decode(bytes)
        .map_err(|e| malformed(format!("it is no ONNX tensor ({e})")))?;
    let tensor = Tensor::decode(&proto).map_err(|e| malformed(e.to_string()))?;
    let values = tensor
        .numbers()
        .ok_or_else(|| malformed("its elements are text".into()))?;
    Ok(Numbers {
        shape: tensor.shape,
        values,
    })
}
