//! tract as a reference: the ONNX file run in floats by an implementation that is not ours.
//!
//! Claims nothing about tract's own faithfulness (it is silently wrong on some models): it is a second
//! opinion beside [`super::Graph::eval`], named in reports. One row at a time, batch set to 1. A panic inside
//! tract is one more reason why it cannot run a model.

use std::io::Cursor;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::prelude::*;

use super::caught::caught;
use super::graph::{Graph, Port};

/// A model loaded into tract.
#[derive(Debug)]
pub struct Reference {
    plan: Arc<TypedRunnableModel>,
    inputs: Vec<Port>,
}

impl Reference {
    /// The model in tract, or the reason why tract cannot run it.
    ///
    /// # Errors
    /// tract's message, that of a panic included.
    pub fn load(bytes: &[u8], graph: &Graph) -> Result<Self, String> {
        caught(|| Self::try_load(bytes, graph))?.map_err(|e| format!("{e:#}"))
    }

    fn try_load(bytes: &[u8], graph: &Graph) -> TractResult<Self> {
        let mut model = tract_onnx::onnx()
            .with_ignore_output_shapes(true)
            .with_ignore_value_info(true)
            .model_for_read(&mut Cursor::new(bytes))?;
        for (i, port) in graph.inputs.iter().enumerate() {
            let kind = datum(port);
            model.set_input_fact(i, InferenceFact::dt_shape(kind, shape(port)))?;
        }
        let plan = model.into_typed()?.into_decluttered()?.into_runnable()?;
        Ok(Self {
            plan,
            inputs: graph.inputs.clone(),
        })
    }

    /// The numeric outputs of one row, in the file's order; nothing for an output of strings.
    ///
    /// # Errors
    /// tract's message, that of a panic included.
    pub fn run(&self, row: &[Vec<f64>]) -> Result<Vec<Option<Vec<f64>>>, String> {
        caught(|| self.try_run(row))?.map_err(|e| format!("{e:#}"))
    }

    fn try_run(&self, row: &[Vec<f64>]) -> TractResult<Vec<Option<Vec<f64>>>> {
        let mut tensors: TVec<TValue> = tvec!();
        for (port, values) in self.inputs.iter().zip(row) {
            let tensor = Tensor::from_shape(&shape(port), values)?;
            tensors.push(tensor.cast_to_dt(datum(port))?.into_owned().into());
        }
        let outputs = self.plan.run(tensors)?;
        outputs
            .iter()
            .map(|tensor| {
                let Ok(floats) = tensor.cast_to::<f64>() else {
                    return Ok(None);
                };
                let view = floats.to_plain_array_view::<f64>()?;
                Ok(Some(view.iter().copied().collect()))
            })
            .collect()
    }
}

fn shape(port: &Port) -> Vec<usize> {
    let batch = port.batched.then_some(1);
    batch
        .into_iter()
        .chain(port.shape.iter().copied())
        .collect()
}

fn datum(port: &Port) -> DatumType {
    match DataType::try_from(port.element_type) {
        Ok(DataType::Double) => DatumType::F64,
        Ok(DataType::Float16) => DatumType::F16,
        Ok(DataType::Int64) => DatumType::I64,
        Ok(DataType::Int32) => DatumType::I32,
        Ok(DataType::Bool) => DatumType::Bool,
        _ => DatumType::F32,
    }
}
