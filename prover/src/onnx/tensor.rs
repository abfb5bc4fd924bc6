//! Constant tensors, decoded from `TensorProto`.
//!
//! Claims: the decoded values equal the file's, bit for bit for float, double and integers; float16 and
//! bfloat16 widen exactly. Lengths are checked against the shape before anything is read; tensors kept
//! in external files are refused. Source: ONNX IR specification, `onnx.proto`, message TensorProto.

use tract_onnx::pb::{tensor_proto::DataType, TensorProto};

use super::error::ImportError;
use super::limits::MAX_TENSOR_ELEMENTS;

/// Elements of a constant tensor, row-major.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Data {
    /// float, double, float16, bfloat16.
    Float(Vec<f64>),
    /// Every integer type, and bool as 0 or 1.
    Int(Vec<i64>),
    /// Strings.
    Text(Vec<String>),
}

impl Data {
    /// Numbers, as integers if they are `whole`.
    pub(crate) fn of(numbers: Vec<f64>, whole: bool) -> Self {
        if whole {
            Self::Int(numbers.into_iter().map(|v| v as i64).collect())
        } else {
            Self::Float(numbers)
        }
    }
}

/// A constant tensor.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tensor {
    /// Extents; a scalar has none.
    pub(crate) shape: Vec<usize>,
    /// Elements.
    pub(crate) data: Data,
}

impl Tensor {
    /// A vector of integers.
    pub(crate) fn ints(values: Vec<i64>) -> Self {
        Self {
            shape: vec![values.len()],
            data: Data::Int(values),
        }
    }

    /// Number of elements.
    pub(crate) fn len(&self) -> usize {
        match &self.data {
            Data::Float(v) => v.len(),
            Data::Int(v) => v.len(),
            Data::Text(v) => v.len(),
        }
    }

    /// What the tensor counts against the cap of elements: a long string is as much as several numbers.
    pub(crate) fn weight(&self) -> usize {
        match &self.data {
            Data::Text(v) => text_weight(v),
            Data::Float(_) | Data::Int(_) => self.len(),
        }
    }

    /// [`Tensor::weight`] of the elements at `indices`.
    pub(crate) fn weight_of(&self, indices: &[u32]) -> usize {
        match &self.data {
            Data::Text(v) => {
                let weights = indices.iter().map(|&i| string_weight(&v[i as usize]));
                weights.fold(0, usize::saturating_add)
            }
            Data::Float(_) | Data::Int(_) => indices.len(),
        }
    }

    /// The elements as numbers, or nothing for strings.
    pub(crate) fn numbers(&self) -> Option<Vec<f64>> {
        match &self.data {
            Data::Float(v) => Some(v.clone()),
            Data::Int(v) => Some(v.iter().map(|&i| i as f64).collect()),
            Data::Text(_) => None,
        }
    }

    /// The elements as integers, or nothing for other types.
    pub(crate) fn integers(&self) -> Option<&[i64]> {
        match &self.data {
            Data::Int(v) => Some(v),
            _ => None,
        }
    }

    /// The elements at `indices`, in the given shape.
    pub(crate) fn pick(&self, indices: &[u32], shape: Vec<usize>) -> Self {
        fn by<T: Clone>(v: &[T], indices: &[u32]) -> Vec<T> {
            indices.iter().map(|&i| v[i as usize].clone()).collect()
        }
        let data = match &self.data {
            Data::Float(v) => Data::Float(by(v, indices)),
            Data::Int(v) => Data::Int(by(v, indices)),
            Data::Text(v) => Data::Text(by(v, indices)),
        };
        Self { shape, data }
    }

    /// Decodes a protobuf tensor.
    ///
    /// # Errors
    /// External data, an unknown element type, or lengths that contradict the shape.
    pub(crate) fn decode(proto: &TensorProto) -> Result<Self, ImportError> {
        let fail = |reason: String| ImportError::Tensor {
            tensor: proto.name.clone(),
            reason,
        };
        if proto.data_location == Some(1) || !proto.external_data.is_empty() {
            return Err(ImportError::ExternalData {
                tensor: proto.name.clone(),
            });
        }
        if proto.segment.is_some() {
            return Err(fail(
                "segmented tensors are not supported; save it whole".into(),
            ));
        }
        let mut shape = Vec::with_capacity(proto.dims.len());
        for &dim in &proto.dims {
            shape.push(usize::try_from(dim).map_err(|_| fail(format!("extent {dim}")))?);
        }
        let count = element_count(&shape)
            .ok_or_else(|| fail(format!("more than {MAX_TENSOR_ELEMENTS} elements")))?;
        let kind = DataType::try_from(proto.data_type)
            .map_err(|_| fail(format!("unknown element type {}", proto.data_type)))?;
        let raw = (!proto.raw_data.is_empty()).then_some(proto.raw_data.as_slice());
        let ints32 = |f: fn(i32) -> i64| proto.int32_data.iter().map(|&v| f(v)).collect();
        let data = match kind {
            DataType::Float => Data::Float(match raw {
                Some(raw) => words(raw, |b| f64::from(f32::from_le_bytes(b))),
                None => proto.float_data.iter().map(|&v| f64::from(v)).collect(),
            }),
            DataType::Double => Data::Float(match raw {
                Some(raw) => words(raw, f64::from_le_bytes),
                None => proto.double_data.clone(),
            }),
            DataType::Float16 => Data::Float(match raw {
                Some(raw) => words(raw, |b| half_to_f64(u16::from_le_bytes(b))),
                None => proto
                    .int32_data
                    .iter()
                    .map(|&v| half_to_f64(v as u16))
                    .collect(),
            }),
            DataType::Bfloat16 => Data::Float(match raw {
                Some(raw) => words(raw, |b| bfloat_to_f64(u16::from_le_bytes(b))),
                None => proto
                    .int32_data
                    .iter()
                    .map(|&v| bfloat_to_f64(v as u16))
                    .collect(),
            }),
            DataType::Int64 => Data::Int(match raw {
                Some(raw) => words(raw, i64::from_le_bytes),
                None => proto.int64_data.clone(),
            }),
            DataType::Int32 => Data::Int(match raw {
                Some(raw) => words(raw, |b| i64::from(i32::from_le_bytes(b))),
                None => ints32(i64::from),
            }),
            DataType::Int16 => Data::Int(match raw {
                Some(raw) => words(raw, |b| i64::from(i16::from_le_bytes(b))),
                None => ints32(i64::from),
            }),
            DataType::Uint16 => Data::Int(match raw {
                Some(raw) => words(raw, |b| i64::from(u16::from_le_bytes(b))),
                None => ints32(i64::from),
            }),
            DataType::Int8 => Data::Int(match raw {
                Some(raw) => words(raw, |b| i64::from(i8::from_le_bytes(b))),
                None => ints32(i64::from),
            }),
            DataType::Uint8 => Data::Int(match raw {
                Some(raw) => raw.iter().map(|&b| i64::from(b)).collect(),
                None => ints32(i64::from),
            }),
            DataType::Bool => Data::Int(match raw {
                Some(raw) => raw.iter().map(|&b| i64::from(b != 0)).collect(),
                None => ints32(|v| i64::from(v != 0)),
            }),
            DataType::Uint32 => Data::Int(match raw {
                Some(raw) => words(raw, |b| i64::from(u32::from_le_bytes(b))),
                None => {
                    let narrow = |&v: &u64| u32::try_from(v).map(i64::from).ok();
                    let v: Option<Vec<i64>> = proto.uint64_data.iter().map(narrow).collect();
                    v.ok_or_else(|| fail("a uint32 element over 2^32".into()))?
                }
            }),
            DataType::Uint64 => {
                let values: Vec<u64> = match raw {
                    Some(raw) => words(raw, u64::from_le_bytes),
                    None => proto.uint64_data.clone(),
                };
                let narrow: Option<Vec<i64>> =
                    values.iter().map(|&v| i64::try_from(v).ok()).collect();
                Data::Int(narrow.ok_or_else(|| fail("a uint64 element over 2^63".into()))?)
            }
            DataType::String => {
                let text: Result<Vec<String>, _> = proto
                    .string_data
                    .iter()
                    .map(|s| String::from_utf8(s.clone()))
                    .collect();
                Data::Text(text.map_err(|_| fail("a string that is not UTF-8".into()))?)
            }
            other => {
                return Err(fail(format!(
                    "element type {} is not supported; convert the tensor to float",
                    other.as_str_name()
                )))
            }
        };
        let tensor = Self { shape, data };
        let raw_whole = raw.is_none_or(|raw| raw.len() % width(kind) == 0);
        if tensor.len() != count || !raw_whole {
            return Err(fail(format!(
                "shape {:?} needs {count} elements and the file holds {}",
                tensor.shape,
                tensor.len()
            )));
        }
        Ok(tensor)
    }
}

/// What strings count against the cap of elements.
pub(crate) fn text_weight(strings: &[String]) -> usize {
    strings.iter().map(|s| string_weight(s)).sum()
}

/// A string is a pointer, two lengths and its bytes; a number eight bytes.
fn string_weight(s: &str) -> usize {
    3 + s.len().div_ceil(8)
}

/// Product of the extents, or nothing above the cap.
pub(crate) fn element_count(shape: &[usize]) -> Option<usize> {
    // Empty extents count as one, so that no part of an empty shape is over the cap either.
    let count = shape
        .iter()
        .try_fold(1usize, |n, &d| n.checked_mul(d.max(1)))?;
    (count <= MAX_TENSOR_ELEMENTS).then(|| if shape.contains(&0) { 0 } else { count })
}

fn width(kind: DataType) -> usize {
    match kind {
        DataType::Double | DataType::Int64 | DataType::Uint64 => 8,
        DataType::Float | DataType::Int32 | DataType::Uint32 => 4,
        DataType::Float16 | DataType::Bfloat16 | DataType::Int16 | DataType::Uint16 => 2,
        _ => 1,
    }
}

fn words<const N: usize, T>(raw: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    raw.chunks_exact(N)
        .map(|c| read(c.try_into().expect("chunks_exact gives N bytes")))
        .collect()
}

/// IEEE 754 binary16 widened.
fn half_to_f64(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from(bits >> 10 & 31);
    let fraction = f64::from(bits & 1023);
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        e => (1024.0 + fraction) * 2f64.powi(e - 25),
    }
}

fn bfloat_to_f64(bits: u16) -> f64 {
    f64::from(f32::from_bits(u32::from(bits) << 16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_half_floats() {
        assert_eq!(half_to_f64(0x3c00), 1.0);
        assert_eq!(half_to_f64(0xc000), -2.0);
        assert_eq!(half_to_f64(0x0001), 2f64.powi(-24));
        assert_eq!(half_to_f64(0x7bff), 65504.0);
        assert!(half_to_f64(0x7e00).is_nan());
        assert_eq!(bfloat_to_f64(0x3fc0), 1.5);
    }

    #[test]
    fn refuses_wrong_lengths_and_external_data() {
        let mut proto = TensorProto {
            dims: vec![2],
            data_type: 1,
            raw_data: vec![0; 8],
            ..TensorProto::default()
        };
        assert_eq!(Tensor::decode(&proto).unwrap().len(), 2);
        proto.raw_data.push(0);
        assert!(matches!(
            Tensor::decode(&proto),
            Err(ImportError::Tensor { .. })
        ));
        proto.raw_data = vec![0; 4];
        assert!(matches!(
            Tensor::decode(&proto),
            Err(ImportError::Tensor { .. })
        ));
        proto.dims = vec![i64::MAX, i64::MAX];
        assert!(matches!(
            Tensor::decode(&proto),
            Err(ImportError::Tensor { .. })
        ));
        proto.dims = vec![-1];
        assert!(matches!(
            Tensor::decode(&proto),
            Err(ImportError::Tensor { .. })
        ));
        proto.data_location = Some(1);
        assert!(matches!(
            Tensor::decode(&proto),
            Err(ImportError::ExternalData { .. })
        ));
    }
}
