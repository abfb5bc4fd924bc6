//! One case: a model, its inputs, the outputs that the specification's reference gives.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use prost::Message;
use tract_onnx::pb::{self, tensor_proto::DataType};

use crate::baked;

/// Where the cases are.
#[derive(Debug)]
pub(crate) struct Source {
    folder: PathBuf,
    version: String,
}

/// A case, parameters baked in.
#[derive(Debug)]
pub(crate) struct Case {
    /// Name of its folder.
    pub(crate) name: String,
    /// The operator that it tests; a case whose operator is written out as its definition counts with it.
    pub(crate) operator: String,
    /// The nodes of the model as the file holds it, before anything is written out.
    pub(crate) nodes: Vec<pb::NodeProto>,
    /// The types of its inputs and outputs.
    pub(crate) types: Vec<Option<i32>>,
    /// The model, parameters as initializers.
    pub(crate) model: pb::ModelProto,
    /// One flat vector for each input that is left.
    pub(crate) inputs: Vec<Vec<f64>>,
    /// What the outputs should be; nothing where a file is missing.
    pub(crate) outputs: Vec<Option<Expected>>,
}

/// An output.
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) shape: Vec<u32>,
    pub(crate) values: Elements,
    pub(crate) kind: DataType,
}

/// Elements of a tensor.
#[derive(Debug)]
pub(crate) enum Elements {
    Numbers(Vec<f64>),
    Text(Vec<String>),
}

impl Source {
    /// The folder of the cases, if there is one.
    pub(crate) fn find() -> Option<Self> {
        let folder = std::env::var_os("CLEARPROOF_ONNX_NODE").map(PathBuf::from);
        let question = "import os, onnx; print(onnx.__version__); print(os.path.join(os.path.dirname(onnx.__file__), \
                        'backend', 'test', 'data', 'node'))";
        let answer = Command::new("python3").args(["-c", question]).output();
        let answer = answer.map(|o| String::from_utf8_lossy(&o.stdout).into_owned());
        let answer = answer.unwrap_or_default();
        let mut lines = answer.lines();
        let version = lines.next().unwrap_or_default().to_owned();
        let installed = lines.next().map(PathBuf::from);
        let folder = folder.or(installed).filter(|f| f.is_dir());
        if folder.is_none() {
            println!("no onnx package here: nothing compared");
        }
        Some(Self {
            folder: folder?,
            version,
        })
    }

    /// Version of the package.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// The cases, by name, those whose name holds `only`.
    pub(crate) fn cases(&self, only: Option<&str>) -> impl Iterator<Item = Case> + '_ {
        let entries = fs::read_dir(&self.folder).expect("a folder of cases");
        let mut names: Vec<String> = entries
            .map(|e| {
                e.expect("readable")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .filter(|name| only.is_none_or(|only| name.contains(only)))
            .collect();
        names.sort();
        names.into_iter().map(|name| self.case(name))
    }

    fn case(&self, name: String) -> Case {
        let folder = self.folder.join(&name);
        let mut model = read_model(&folder);
        // What a case whose operator is written out as its definition was before.
        let base = name.split("_expanded").next().unwrap_or(&name).to_owned();
        let base = if base == name {
            model.clone()
        } else {
            let folder = self.folder.join(base);
            if folder.is_dir() {
                read_model(&folder)
            } else {
                model.clone()
            }
        };
        let graph = base.graph.unwrap_or_default();
        let data = folder.join("test_data_set_0");
        let tensor = |side: &str, i: usize| {
            let bytes = fs::read(data.join(format!("{side}_{i}.pb"))).ok()?;
            pb::TensorProto::decode(bytes.as_slice()).ok()
        };
        let this = model.graph.get_or_insert_with(Default::default);
        let slots = baked::slots(&graph.node);
        let infos = std::mem::take(&mut this.input);
        let mut inputs = Vec::new();
        let types = |infos: &[pb::ValueInfoProto]| infos.iter().map(element_type).collect();
        let mut all: Vec<Option<i32>> = types(&infos);
        for (i, info) in infos.into_iter().enumerate() {
            let value = tensor("input", i);
            if slots.contains(&info.name) {
                let mut value = value.expect("an input file");
                value.name = info.name;
                this.initializer.push(value);
            } else {
                inputs.push(match value.as_ref().map(elements) {
                    Some(Elements::Numbers(v)) => v,
                    _ => Vec::new(),
                });
                this.input.push(info);
            }
        }
        all.extend(types(&this.output) as Vec<_>);
        let outputs = (0..this.output.len())
            .map(|i| {
                let value = tensor("output", i)?;
                Some(Expected {
                    shape: value.dims.iter().map(|&d| d as u32).collect(),
                    values: elements(&value),
                    kind: DataType::try_from(value.data_type).ok()?,
                })
            })
            .collect();
        Case {
            operator: baked::operator(&graph.node),
            nodes: graph.node,
            name,
            types: all,
            model,
            inputs,
            outputs,
        }
    }
}

fn read_model(folder: &Path) -> pb::ModelProto {
    let bytes = fs::read(folder.join("model.onnx")).expect("model.onnx");
    pb::ModelProto::decode(bytes.as_slice()).expect("an ONNX model")
}

/// Element type of a tensor; nothing for sequences, optionals and maps.
fn element_type(info: &pb::ValueInfoProto) -> Option<i32> {
    match info.r#type.as_ref()?.value.as_ref()? {
        pb::type_proto::Value::TensorType(t) => Some(t.elem_type),
        #[allow(unreachable_patterns)] // further kinds, where the schema has them
        _ => None,
    }
}

/// The package's data are raw, strings excepted.
fn elements(tensor: &pb::TensorProto) -> Elements {
    fn words<const N: usize>(raw: &[u8], read: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        raw.chunks_exact(N)
            .map(|c| read(c.try_into().expect("N bytes")))
            .collect()
    }
    let raw = tensor.raw_data.as_slice();
    Elements::Numbers(match DataType::try_from(tensor.data_type) {
        Ok(DataType::Float) => words(raw, |b| f32::from_le_bytes(b).into()),
        Ok(DataType::Double) => words(raw, f64::from_le_bytes),
        Ok(DataType::Float16) => words(raw, |b| half(u16::from_le_bytes(b))),
        Ok(DataType::Int64) => words(raw, |b| i64::from_le_bytes(b) as f64),
        Ok(DataType::Uint64) => words(raw, |b| u64::from_le_bytes(b) as f64),
        Ok(DataType::Int32) => words(raw, |b| i32::from_le_bytes(b).into()),
        Ok(DataType::Uint32) => words(raw, |b| u32::from_le_bytes(b).into()),
        Ok(DataType::Int16) => words(raw, |b| i16::from_le_bytes(b).into()),
        Ok(DataType::Uint16) => words(raw, |b| u16::from_le_bytes(b).into()),
        Ok(DataType::Int8) => words(raw, |b| i8::from_le_bytes(b).into()),
        Ok(DataType::Uint8 | DataType::Bool) => words(raw, |b: [u8; 1]| b[0].into()),
        Ok(DataType::String) => {
            let text = tensor.string_data.iter();
            return Elements::Text(
                text.map(|s| String::from_utf8_lossy(s).into_owned())
                    .collect(),
            );
        }
        _ => Vec::new(),
    })
}

/// IEEE 754 binary16.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let fraction = f64::from(bits & 1023);
    sign * match bits >> 10 & 31 {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        e => (1024.0 + fraction) * 2f64.powi(i32::from(e) - 25),
    }
}
