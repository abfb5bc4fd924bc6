//! The model's inputs: element types, shapes of one row, and how many rows the file speaks of.

use std::collections::HashMap;

use tract_onnx::pb;

use super::super::error::ImportError;
use super::super::float::{FloatOp, Relation, Threshold};
use super::super::graph::{Kind, Port, Value};
use super::super::limits::MAX_RANK;
use super::super::tensor::element_count;
use super::{flat, tensor_type, BatchDimension, Builder, Operand, Rows, Slot};
use crate::quantize::skeleton::InputEncoding;

impl Builder {
    /// The ports of all inputs that no initializer gives.
    pub(super) fn inputs<'a>(
        &mut self,
        graph: &'a pb::GraphProto,
        slots: &mut HashMap<&'a str, Slot>,
        batch: BatchDimension,
    ) -> Result<Vec<Port>, ImportError> {
        use pb::tensor_shape_proto::dimension::Value as Dim;
        let mut ports = Vec::new();
        let mut rows: Option<Rows> = None;
        for info in &graph.input {
            if slots.contains_key(info.name.as_str()) {
                continue; // an initializer listed as an input, as IR versions below 4 do
            }
            let fail = |reason: String| ImportError::Input {
                input: info.name.clone(),
                reason,
            };
            let tensor = tensor_type(info).ok_or_else(|| fail("it is no tensor".into()))?;
            if matches!(tensor.elem_type, 0 | 8 | 14 | 15) {
                return Err(fail("its element type is not numeric".into()));
            }
            let dims = tensor
                .shape
                .as_ref()
                .ok_or_else(|| fail("it has no shape".into()))?;
            let mut extents: Vec<Option<usize>> = Vec::new();
            for dim in &dims.dim {
                extents.push(match dim.value {
                    // Zero is how some exporters write an unknown extent.
                    Some(Dim::DimValue(v)) if v > 0 => {
                        Some(usize::try_from(v).map_err(|_| fail(format!("extent {v}")))?)
                    }
                    _ => None,
                });
            }
            if extents.len() > MAX_RANK {
                return Err(fail(format!("rank over {MAX_RANK}")));
            }
            let batched =
                batch == BatchDimension::Leading && !matches!(extents.as_slice(), [] | [Some(_)]);
            let leading = extents.first().copied().flatten();
            if batched {
                let these = leading.map_or(Rows::Dynamic, Rows::Fixed);
                if *rows.get_or_insert(these) != these {
                    return Err(fail(
                        "its leading dimension differs from another input's".into(),
                    ));
                }
                extents[0] = Some(1);
            }
            let shape: Option<Vec<usize>> = extents.iter().copied().collect();
            let shape = shape.ok_or_else(|| {
                let what = match batch {
                    BatchDimension::Leading => "a dimension other than the leading one",
                    BatchDimension::None => "a dimension",
                };
                fail(format!(
                    "{what} is dynamic or empty; export the model with fixed extents"
                ))
            })?;
            let len = element_count(&shape).ok_or_else(|| fail("it is too large".into()))?;
            self.count(len).map_err(|e| flat(e, "", ""))?;
            let kind = match tensor.elem_type {
                2..=7 | 12 | 13 => Kind::Integer,
                9 => Kind::Boolean,
                _ => Kind::Number,
            };
            let value = self.values.len();
            self.values.push(Value {
                name: info.name.clone(),
                shape,
                row_axis: batched.then_some(0),
                kind: kind.clone(),
            });
            ports.push(Port {
                name: info.name.clone(),
                shape: self.values[value].row_shape(),
                batched,
                fixed_rows: leading.filter(|_| batched),
                kind,
                encoding: InputEncoding::Fixed,
                element_type: tensor.elem_type,
                value,
                range_bits: None,
                element: None,
                replacements: Vec::new(),
            });
            let mut operand = Operand::Activation(value);
            if self.values[value].kind == Kind::Boolean {
                // Nothing proves of an input that it is 0 or 1; of this comparison it is.
                let at_least_one = FloatOp::Threshold(Threshold {
                    relation: Relation::GreaterOrEqual,
                    thresholds: vec![1.0],
                });
                let (shape, row_axis) = (self.values[value].shape.clone(), batched.then_some(0));
                operand = self
                    .push(at_least_one, &[value], shape, row_axis, Kind::Boolean)
                    .map_err(|e| flat(e, &info.name, "input"))?;
            }
            slots.insert(&info.name, Slot::Known(operand));
        }
        if ports.is_empty() {
            return Err(ImportError::Malformed {
                reason: "the graph has no input".into(),
            });
        }
        self.rows = rows.unwrap_or(Rows::Fixed(1));
        Ok(ports)
    }
}
