//! Small ONNX models written in tests, through the protobuf types.

use prost::Message;
use tract_onnx::pb::{self, attribute_proto::AttributeType, tensor_shape_proto::dimension};

/// A model under construction.
#[derive(Clone, Debug)]
pub(crate) struct ModelBuilder {
    graph: pb::GraphProto,
    opset: i64,
}

/// An attribute's value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Attr<'a> {
    Int(i64),
    Float(f32),
    Ints(&'a [i64]),
    Floats(&'a [f32]),
    Text(&'a str),
    Texts(&'a [&'a str]),
    /// A tensor of floats.
    Tensor(&'a [f32]),
    /// A graph, such as the body of a loop.
    Graph(&'a ModelBuilder),
}

impl ModelBuilder {
    pub(crate) fn new(opset: i64) -> Self {
        Self {
            graph: pb::GraphProto {
                name: "test".into(),
                ..Default::default()
            },
            opset,
        }
    }

    /// A float input; an extent of 0 is dynamic.
    pub(crate) fn input(mut self, name: &str, shape: &[i64]) -> Self {
        self.graph.input.push(info(name, shape, 1));
        self
    }

    /// An input of 64-bit integers.
    pub(crate) fn whole_input(mut self, name: &str, shape: &[i64]) -> Self {
        self.graph.input.push(info(name, shape, 7));
        self
    }

    /// An input of truth values.
    pub(crate) fn truth_input(mut self, name: &str, shape: &[i64]) -> Self {
        self.graph.input.push(info(name, shape, 9));
        self
    }

    /// A second output of the last node.
    pub(crate) fn also(mut self, output: &str) -> Self {
        if let Some(node) = self.graph.node.last_mut() {
            node.output.push(output.into());
        }
        self
    }

    /// An output of this element type, with no shape given.
    pub(crate) fn output(mut self, name: &str, element_type: i32) -> Self {
        let mut info = info(name, &[], element_type);
        if let Some(pb::type_proto::Value::TensorType(t)) =
            info.r#type.as_mut().and_then(|t| t.value.as_mut())
        {
            t.shape = None;
        }
        self.graph.output.push(info);
        self
    }

    pub(crate) fn floats(mut self, name: &str, shape: &[i64], values: &[f32]) -> Self {
        self.graph.initializer.push(pb::TensorProto {
            name: name.into(),
            dims: shape.to_vec(),
            data_type: 1,
            raw_data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            ..Default::default()
        });
        self
    }

    pub(crate) fn ints(mut self, name: &str, values: &[i64]) -> Self {
        self.graph.initializer.push(pb::TensorProto {
            name: name.into(),
            dims: vec![values.len() as i64],
            data_type: 7,
            int64_data: values.to_vec(),
            ..Default::default()
        });
        self
    }

    /// Integers of this element type.
    pub(crate) fn typed(
        mut self,
        name: &str,
        element_type: i32,
        shape: &[i64],
        values: &[i32],
    ) -> Self {
        self.graph.initializer.push(pb::TensorProto {
            name: name.into(),
            dims: shape.to_vec(),
            data_type: element_type,
            int32_data: values.to_vec(),
            ..Default::default()
        });
        self
    }

    pub(crate) fn strings(mut self, name: &str, values: &[&str]) -> Self {
        self.graph.initializer.push(pb::TensorProto {
            name: name.into(),
            dims: vec![values.len() as i64],
            data_type: 8,
            string_data: values.iter().map(|s| s.as_bytes().to_vec()).collect(),
            ..Default::default()
        });
        self
    }

    /// A node of the default domain, of `ai.onnx.ml` when written `ml.Name`, or of `com.microsoft` when written
    /// `ms.Name`; several outputs with commas between.
    pub(crate) fn node(
        mut self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[(&str, Attr<'_>)],
    ) -> Self {
        let (domain, operator) = match operator.split_once('.') {
            Some(("ml", operator)) => ("ai.onnx.ml", operator),
            Some(("ms", operator)) => ("com.microsoft", operator),
            _ => ("", operator),
        };
        self.graph.node.push(pb::NodeProto {
            name: format!("node_{output}"),
            op_type: operator.into(),
            domain: domain.into(),
            input: inputs.iter().map(|&s| s.into()).collect(),
            output: output.split(',').map(Into::into).collect(),
            attribute: attributes
                .iter()
                .map(|(name, value)| attribute(name, value))
                .collect(),
            ..Default::default()
        });
        self
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        let set = |domain: &str, version| pb::OperatorSetIdProto {
            domain: domain.into(),
            version,
        };
        let model = pb::ModelProto {
            ir_version: 8,
            opset_import: vec![set("", self.opset), set("ai.onnx.ml", 1)],
            graph: Some(self.graph),
            ..Default::default()
        };
        model.encode_to_vec()
    }
}

fn attribute(name: &str, value: &Attr<'_>) -> pb::AttributeProto {
    let mut proto = pb::AttributeProto {
        name: name.into(),
        ..Default::default()
    };
    let kind = match value {
        Attr::Int(v) => {
            proto.i = *v;
            AttributeType::Int
        }
        Attr::Float(v) => {
            proto.f = *v;
            AttributeType::Float
        }
        Attr::Ints(v) => {
            proto.ints = v.to_vec();
            AttributeType::Ints
        }
        Attr::Text(v) => {
            proto.s = v.as_bytes().to_vec();
            AttributeType::String
        }
        Attr::Texts(v) => {
            proto.strings = v.iter().map(|s| s.as_bytes().to_vec()).collect();
            AttributeType::Strings
        }
        Attr::Floats(v) => {
            proto.floats = v.to_vec();
            AttributeType::Floats
        }
        Attr::Tensor(v) => {
            proto.t = Some(pb::TensorProto {
                dims: vec![v.len() as i64],
                data_type: 1,
                float_data: v.to_vec(),
                ..Default::default()
            });
            AttributeType::Tensor
        }
        Attr::Graph(of) => {
            proto.g = Some(of.graph.clone());
            AttributeType::Graph
        }
    };
    proto.r#type = kind as i32;
    proto
}

fn info(name: &str, shape: &[i64], element_type: i32) -> pb::ValueInfoProto {
    let dim = |&d: &i64| pb::tensor_shape_proto::Dimension {
        value: Some(match d {
            0 => dimension::Value::DimParam("N".into()),
            d => dimension::Value::DimValue(d),
        }),
        ..Default::default()
    };
    let tensor = pb::type_proto::Tensor {
        elem_type: element_type,
        shape: Some(pb::TensorShapeProto {
            dim: shape.iter().map(dim).collect(),
        }),
    };
    pb::ValueInfoProto {
        name: name.into(),
        r#type: Some(pb::TypeProto {
            value: Some(pb::type_proto::Value::TensorType(tensor)),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Numbers in [-1, 1), the same for the same seed.
pub(crate) fn uniform(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}
