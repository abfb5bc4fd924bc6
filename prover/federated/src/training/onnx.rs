//! Models as ONNX files.
//!
//! 1. Claim: [`read`] of [`write()`] gives the same model bit for bit, and the prover compiles what is written
//!    without any step between.
//! 2. Operators: Gemm (transB 0 or 1, alpha = beta = 1), MatMul with a following Add, Conv (2D, stride 1, square
//!    kernel), MaxPool, Relu, Flatten, in one chain; float32 initializers. The loss is metadata, key `loss`;
//!    without it a single output means logistic, several mean cross-entropy.
//! 3. Files are bounded by the prover's limit and all extents are checked before anything is allocated.
//! 4. Source: ONNX opset 13.

use std::collections::HashMap;

use clearproof_prover::onnx::MAX_FILE_BYTES;
use prost::Message;
use tract_onnx::pb::{self, attribute_proto::AttributeType, tensor_proto::DataType};
use tract_onnx::pb::{tensor_shape_proto::dimension, type_proto};

use super::architecture::{Architecture, Layer, Loss, Shape};
use super::{Model, TrainingError};

/// The model as an ONNX file; input `input` of shape `[N, ...]`, output `output` before softmax.
pub fn write(model: &Model) -> Vec<u8> {
    let architecture = model.architecture();
    let (mut nodes, mut initializers) = (vec![], vec![]);
    let mut last = String::from("input");
    let mut image = is_image(architecture);
    let layers = architecture.layers();
    for (index, layer) in layers.iter().enumerate() {
        let (before, after) = (architecture.shape(index), architecture.shape(index + 1));
        let mut add = |operator: &str, inputs: Vec<String>, attributes: Vec<pb::AttributeProto>| {
            let output = format!("{}_{index}", operator.to_lowercase());
            nodes.push(pb::NodeProto {
                name: output.clone(),
                op_type: operator.into(),
                input: inputs,
                output: vec![output.clone()],
                attribute: attributes,
                ..Default::default()
            });
            output
        };
        let (weights, biases) = model.layer(index);
        let names = [format!("weight_{index}"), format!("bias_{index}")];
        let dims = match *layer {
            Layer::Dense { outputs } => {
                if image {
                    last = add("Flatten", vec![last], vec![integer("axis", 1)]);
                    image = false;
                }
                let [w, b] = names.clone();
                last = add("Gemm", vec![last, w, b], vec![integer("transB", 1)]);
                vec![outputs, before.size()]
            }
            Layer::Conv {
                channels,
                kernel,
                padding,
            } => {
                let attributes = vec![
                    integers("kernel_shape", &[kernel; 2]),
                    integers("pads", &[padding; 4]),
                    integers("strides", &[1; 2]),
                ];
                let [w, b] = names.clone();
                last = add("Conv", vec![last, w, b], attributes);
                vec![channels, before.channels, kernel, kernel]
            }
            Layer::Relu => {
                last = add("Relu", vec![last], vec![]);
                continue;
            }
            Layer::MaxPool { window } => {
                let attributes =
                    ["kernel_shape", "strides"].map(|name| integers(name, &[window; 2]));
                last = add("MaxPool", vec![last], attributes.into());
                continue;
            }
        };
        let [w, b] = names;
        initializers.extend([
            tensor(w, &dims, weights),
            tensor(b, &[after.channels], biases),
        ]);
    }
    if let Some(node) = nodes.last_mut() {
        node.output = vec!["output".into()];
    }
    let input = architecture.input();
    let dims = match is_image(architecture) {
        true => vec![input.channels, input.height, input.width],
        false => vec![input.size()],
    };
    let model = pb::ModelProto {
        ir_version: 8,
        producer_name: "clearproof".into(),
        opset_import: vec![pb::OperatorSetIdProto {
            domain: String::new(),
            version: 13,
        }],
        metadata_props: vec![pb::StringStringEntryProto {
            key: LOSS.into(),
            value: loss_name(architecture.loss()).into(),
        }],
        graph: Some(pb::GraphProto {
            name: "model".into(),
            node: nodes,
            initializer: initializers,
            input: vec![value("input", &dims)],
            output: vec![value("output", &[architecture.outputs()])],
            ..Default::default()
        }),
        ..Default::default()
    };
    model.encode_to_vec()
}

/// Reads a model to train further.
///
/// # Errors
/// [`TrainingError::Onnx`] says what is not understood; [`TrainingError::Layer`].
pub fn read(bytes: &[u8]) -> Result<Model, TrainingError> {
    if bytes.len() > MAX_FILE_BYTES {
        return refuse(format!("the file is larger than {MAX_FILE_BYTES} bytes"));
    }
    let proto = pb::ModelProto::decode(bytes).map_err(|e| TrainingError::Onnx(e.to_string()))?;
    let graph = proto
        .graph
        .as_ref()
        .ok_or_else(|| onnx("it holds no graph"))?;
    let tensors: HashMap<&str, &pb::TensorProto> = graph
        .initializer
        .iter()
        .map(|t| (t.name.as_str(), t))
        .collect();
    // 1. One input that is no initializer, one output.
    let inputs = graph
        .input
        .iter()
        .filter(|i| !tensors.contains_key(i.name.as_str()));
    let inputs: Vec<_> = inputs.collect();
    let ([input], [output]) = (&inputs[..], &graph.output[..]) else {
        return refuse("it must have one input and one output".into());
    };
    let shape = input_shape(input).ok_or_else(|| {
        onnx("its input must be floats of shape [N, features] or [N, channels, height, width]")
    })?;
    // 2. A chain of nodes, each reading what the one before it wrote.
    let (mut layers, mut parameters) = (vec![], vec![]);
    let mut last = input.name.as_str();
    let mut nodes = graph.node.iter().peekable();
    while let Some(node) = nodes.next() {
        let wrong = |reason: &str| onnx(&format!("node {} ({}) {reason}", node.name, node.op_type));
        let ([written], Some(read)) = (&node.output[..], node.input.first()) else {
            return Err(wrong("must have one output and an input"));
        };
        if read != last {
            return Err(wrong(
                "does not follow the node before it; only chains can be trained",
            ));
        }
        let constant = |at: usize| {
            let name = node
                .input
                .get(at)
                .ok_or_else(|| wrong("lacks a weight or a bias"))?;
            let tensor = tensors
                .get(name.as_str())
                .ok_or_else(|| wrong("has a weight that is no initializer"))?;
            floats(tensor)
                .ok_or_else(|| wrong("has a weight that is not float32, or not of its shape"))
        };
        last = written;
        match node.op_type.as_str() {
            "Gemm" => {
                let plain = number(node, "alpha", 1.0) == 1.0 && number(node, "beta", 1.0) == 1.0;
                if !plain || whole(node, "transA", 0) != 0 {
                    return Err(wrong("must have alpha = beta = 1 and transA = 0"));
                }
                let ((dims, w), (_, b)) = (constant(1)?, constant(2)?);
                dense(
                    &mut layers,
                    &mut parameters,
                    &dims,
                    w,
                    b,
                    whole(node, "transB", 0) == 0,
                )
                .ok_or_else(|| wrong("must have a matrix and a bias that fit"))?;
            }
            "MatMul" => {
                let (dims, w) = constant(1)?;
                let biased =
                    nodes.next_if(|n| n.op_type == "Add" && n.input.first() == Some(written));
                let add = biased.ok_or_else(|| wrong("must be followed by an Add of its bias"))?;
                let bias = add.input.get(1).and_then(|name| tensors.get(name.as_str()));
                let bias = bias
                    .and_then(|t| floats(t))
                    .ok_or_else(|| wrong("has a bias that is no initializer"))?;
                dense(&mut layers, &mut parameters, &dims, w, bias.1, true)
                    .ok_or_else(|| wrong("must have a matrix and a bias that fit"))?;
                last = add
                    .output
                    .first()
                    .ok_or_else(|| wrong("must have one output"))?;
            }
            "Conv" => {
                let ((dims, w), (_, b)) = (constant(1)?, constant(2)?);
                let [channels, _, kernel, width] = dims[..] else {
                    return Err(wrong("must have a kernel of four dimensions"));
                };
                let pads = list(node, "pads");
                let padding = pads.first().copied().unwrap_or(0);
                let ones = |name| list(node, name).iter().all(|&x| x == 1);
                let plain = ones("strides") && ones("dilations") && whole(node, "group", 1) == 1;
                let equal =
                    pads.iter().all(|&p| p == padding) && (pads.is_empty() || pads.len() == 4);
                let auto = node
                    .attribute
                    .iter()
                    .any(|a| a.name == "auto_pad" && a.s != b"NOTSET");
                if kernel != width || b.len() != channels || !plain || !equal || auto {
                    return Err(wrong(
                        "must have a square kernel, a bias, stride 1, equal pads, one group",
                    ));
                }
                layers.push(Layer::Conv {
                    channels,
                    kernel,
                    padding: usize::try_from(padding).map_err(|_| wrong("has negative pads"))?,
                });
                parameters.extend([w, b].concat());
            }
            "MaxPool" => {
                let (kernel, strides) = (list(node, "kernel_shape"), list(node, "strides"));
                let window = kernel.first().copied().unwrap_or(0);
                let square = kernel == [window; 2] && strides == kernel;
                let plain =
                    list(node, "pads").iter().all(|&p| p == 0) && whole(node, "ceil_mode", 0) == 0;
                let window = usize::try_from(window).ok().filter(|_| square && plain);
                let window = window
                    .ok_or_else(|| wrong("must have square windows side by side, without pads"))?;
                layers.push(Layer::MaxPool { window });
            }
            "Relu" => layers.push(Layer::Relu),
            "Flatten" if whole(node, "axis", 1) == 1 => {}
            _ => {
                return Err(wrong(
                    "is not among Gemm, MatMul, Conv, MaxPool, Relu, Flatten",
                ))
            }
        }
    }
    if last != output.name {
        return refuse("its output is not what the last node writes".into());
    }
    // 3. The loss, and whether all fits.
    let outputs = layers.iter().rev().find_map(|layer| match layer {
        Layer::Dense { outputs } => Some(*outputs),
        _ => None,
    });
    let named = proto.metadata_props.iter().find(|p| p.key == LOSS);
    let loss = match named.map(|p| p.value.as_str()) {
        Some(name) => [Loss::CrossEntropy, Loss::Logistic]
            .into_iter()
            .find(|&loss| loss_name(loss) == name)
            .ok_or_else(|| onnx(&format!("its loss {name} is unknown")))?,
        None if outputs == Some(1) => Loss::Logistic,
        None => Loss::CrossEntropy,
    };
    Model::new(Architecture::new(shape, layers, loss)?, parameters)
}

fn dense(
    layers: &mut Vec<Layer>,
    parameters: &mut Vec<f32>,
    dims: &[usize],
    weights: Vec<f32>,
    biases: Vec<f32>,
    transpose: bool,
) -> Option<()> {
    let &[rows, columns] = dims else { return None };
    let (outputs, inputs) = if transpose {
        (columns, rows)
    } else {
        (rows, columns)
    };
    if biases.len() != outputs {
        return None;
    }
    layers.push(Layer::Dense { outputs });
    match transpose {
        false => parameters.extend(weights),
        true => parameters.extend(
            (0..outputs)
                .flat_map(|o| (0..inputs).map(move |i| (o, i)))
                .map(|(o, i)| weights[i * outputs + o]),
        ),
    }
    parameters.extend(biases);
    Some(())
}

fn is_image(architecture: &Architecture) -> bool {
    let shape = architecture.input();
    let spatial = |layer: &Layer| matches!(layer, Layer::Conv { .. } | Layer::MaxPool { .. });
    (shape.height, shape.width) != (1, 1) || architecture.layers().iter().any(spatial)
}

fn input_shape(input: &pb::ValueInfoProto) -> Option<Shape> {
    let Some(type_proto::Value::TensorType(tensor)) = input.r#type.as_ref()?.value.as_ref() else {
        return None;
    };
    let extent = |d: &pb::tensor_shape_proto::Dimension| match d.value {
        Some(dimension::Value::DimValue(v)) => usize::try_from(v).ok(),
        _ => None,
    };
    let (_rows, dims) = tensor.shape.as_ref()?.dim.split_first()?;
    let dims: Vec<usize> = dims.iter().map(extent).collect::<Option<_>>()?;
    let float = tensor.elem_type == DataType::Float as i32;
    match (float, &dims[..]) {
        (true, &[length]) => Some(Shape::vector(length)),
        (true, &[channels, height, width]) => Some(Shape {
            channels,
            height,
            width,
        }),
        _ => None,
    }
}

/// Extents and values of a float tensor.
fn floats(tensor: &pb::TensorProto) -> Option<(Vec<usize>, Vec<f32>)> {
    let dims: Vec<usize> = tensor
        .dims
        .iter()
        .map(|&d| usize::try_from(d).ok())
        .collect::<Option<_>>()?;
    let count = dims.iter().try_fold(1usize, |p, &d| p.checked_mul(d))?;
    let values = match tensor.float_data.is_empty() {
        false => tensor.float_data.clone(),
        true => {
            let (words, rest) = tensor.raw_data.as_chunks::<4>();
            rest.is_empty()
                .then(|| words.iter().map(|w| f32::from_le_bytes(*w)).collect())?
        }
    };
    let inside = tensor.external_data.is_empty() && tensor.data_type == DataType::Float as i32;
    (inside && values.len() == count).then_some((dims, values))
}

fn attribute<'a>(node: &'a pb::NodeProto, name: &str) -> Option<&'a pb::AttributeProto> {
    node.attribute.iter().find(|a| a.name == name)
}

fn whole(node: &pb::NodeProto, name: &str, default: i64) -> i64 {
    attribute(node, name).map_or(default, |a| a.i)
}

fn number(node: &pb::NodeProto, name: &str, default: f32) -> f32 {
    attribute(node, name).map_or(default, |a| a.f)
}

fn list<'a>(node: &'a pb::NodeProto, name: &str) -> &'a [i64] {
    attribute(node, name).map_or(&[], |a| &a.ints)
}

fn integer(name: &str, value: i64) -> pb::AttributeProto {
    pb::AttributeProto {
        name: name.into(),
        i: value,
        r#type: AttributeType::Int as i32,
        ..Default::default()
    }
}

fn integers(name: &str, values: &[usize]) -> pb::AttributeProto {
    pb::AttributeProto {
        name: name.into(),
        ints: values.iter().map(|&v| v as i64).collect(),
        r#type: AttributeType::Ints as i32,
        ..Default::default()
    }
}

fn tensor(name: String, dims: &[usize], values: &[f32]) -> pb::TensorProto {
    pb::TensorProto {
        name,
        dims: dims.iter().map(|&d| d as i64).collect(),
        data_type: DataType::Float as i32,
        raw_data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ..Default::default()
    }
}

/// Floats `[N, dims]`.
fn value(name: &str, dims: &[usize]) -> pb::ValueInfoProto {
    let rows = dimension::Value::DimParam("N".into());
    let fixed = dims.iter().map(|&d| dimension::Value::DimValue(d as i64));
    let dim = std::iter::once(rows)
        .chain(fixed)
        .map(|value| pb::tensor_shape_proto::Dimension {
            value: Some(value),
            ..Default::default()
        });
    let tensor = type_proto::Tensor {
        elem_type: DataType::Float as i32,
        shape: Some(pb::TensorShapeProto { dim: dim.collect() }),
    };
    pb::ValueInfoProto {
        name: name.into(),
        r#type: Some(pb::TypeProto {
            value: Some(type_proto::Value::TensorType(tensor)),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn loss_name(loss: Loss) -> &'static str {
    match loss {
        Loss::CrossEntropy => "cross-entropy",
        Loss::Logistic => "logistic",
    }
}

fn onnx(reason: &str) -> TrainingError {
    TrainingError::Onnx(reason.into())
}

fn refuse<T>(reason: String) -> Result<T, TrainingError> {
    Err(TrainingError::Onnx(reason))
}

/// Key of the loss in the file's metadata.
const LOSS: &str = "loss";

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    fn models() -> Vec<Model> {
        let mut rng = ChaCha20Rng::seed_from_u64(4);
        let image = Shape {
            channels: 2,
            height: 8,
            width: 8,
        };
        let layers = vec![
            Layer::Conv {
                channels: 3,
                kernel: 3,
                padding: 1,
            },
            Layer::Relu,
            Layer::MaxPool { window: 2 },
            Layer::Dense { outputs: 4 },
        ];
        let cnn = Architecture::new(image, layers, Loss::CrossEntropy).unwrap();
        let mlp = Architecture::mlp(5, &[7], 1, Loss::Logistic).unwrap();
        let two = Architecture::mlp(5, &[], 2, Loss::CrossEntropy).unwrap();
        [cnn, mlp, two]
            .map(|a| Model::initialized(a, &mut rng))
            .into()
    }

    #[test]
    fn reading_what_was_written_gives_the_same_model() {
        for model in models() {
            let bytes = write(&model);
            assert_eq!(read(&bytes).unwrap(), model);
            assert_eq!(write(&read(&bytes).unwrap()), bytes);
        }
    }

    #[test]
    fn the_prover_reads_it_and_computes_the_same() {
        for model in models() {
            let bytes = write(&model);
            let graph = clearproof_prover::onnx::load(&bytes).unwrap();
            let reference = clearproof_prover::onnx::Reference::load(&bytes, &graph).unwrap();
            let width = model.architecture().input().size();
            let row: Vec<f64> = (0..width).map(|i| (i as f64).sin()).collect();
            let floats: Vec<f32> = row.iter().map(|&x| x as f32).collect();
            let theirs = reference.run(&[row]).unwrap()[0].clone().unwrap();
            let ours = model.outputs(&floats).unwrap();
            assert_eq!(theirs.len(), ours.len());
            for (theirs, ours) in theirs.iter().zip(ours) {
                assert!((theirs - f64::from(ours)).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn other_graphs_are_refused_by_name() {
        let change = |edit: &dyn Fn(&mut pb::GraphProto)| {
            let mut proto = pb::ModelProto::decode(&write(&models()[0])[..]).unwrap();
            edit(proto.graph.as_mut().unwrap());
            read(&proto.encode_to_vec())
                .map(|_| ())
                .unwrap_err()
                .to_string()
        };
        let strided = change(&|g| g.node[0].attribute[2].ints = vec![2, 2]);
        assert!(strided.contains("stride 1"), "{strided}");
        let unknown = change(&|g| g.node[1].op_type = "Tanh".into());
        assert!(unknown.contains("Tanh"), "{unknown}");
        let branch = change(&|g| g.node[1].input[0] = "input".into());
        assert!(branch.contains("chains"), "{branch}");
        let short = change(&|g| g.initializer[0].raw_data.truncate(8));
        assert!(short.contains("float32"), "{short}");
        let huge = change(&|g| g.initializer[0].dims = vec![i64::MAX; 4]);
        assert!(huge.contains("float32"), "{huge}");
        let none = change(&|g| g.node.clear());
        assert!(none.contains("output"), "{none}");
        let nan =
            change(&|g| g.initializer[0].raw_data[..4].copy_from_slice(&f32::NAN.to_le_bytes()));
        assert!(nan.contains("finite"), "{nan}");
        for bytes in [&b""[..], b"no model", &[0xff; 100]] {
            assert!(matches!(read(bytes), Err(TrainingError::Onnx(_))));
        }
    }
}
