//! ONNX in: a model file becomes a float graph of one row.
//!
//! [`load`] decodes the protobuf itself, refuses by name what it does not understand, and folds
//! constants into neighbouring linear layers by structure alone: two models of one architecture give
//! graphs that differ in their constants only.

mod caught;
mod encodings;
mod error;
mod float;
mod fold;
pub(crate) mod graph;
mod import;
mod impute;
pub mod input;
mod limits;
mod neighbours;
mod ops;
mod qdq;
mod reference;
mod rewrite;
mod scan;
mod tensor;

pub use error::{ImportError, UnsupportedNode};
pub use graph::{Drawing, Graph, Kind, Port};
pub use import::BatchDimension;
pub use limits::{MAX_FILE_BYTES, MAX_TENSOR_ELEMENTS};
pub use ops::supported;
pub use reference::Reference;

pub use float::quantized::Element;

#[cfg(test)]
pub(crate) use float::Scale;
pub(crate) use float::{
    image, AddRule, Affine, Arithmetic, AxisView, Bound, Combination, Convolution, FloatOp,
    IntegerConvolution, IntegerLayer, Linear, Movement, Norm, Pointwise, Quantized, Recurrent,
    Reduction, Relation, Requantize, Rule, SoftmaxRule, Threshold, TreeNode, Trees,
};

/// The float graph of a model file, folded; the leading dimension of its inputs is that of the rows.
///
/// # Errors
/// Everything in [`ImportError`]; no bytes make it panic.
pub fn load(bytes: &[u8]) -> Result<Graph, ImportError> {
    load_with(bytes, BatchDimension::Leading)
}

/// [`load`], with the batch dimension as the caller knows it.
///
/// # Errors
/// Everything in [`ImportError`]; no bytes make it panic.
pub fn load_with(bytes: &[u8], batch: BatchDimension) -> Result<Graph, ImportError> {
    let mut model = import::decode(bytes)?;
    let opset = import::opset(&model, "").unwrap_or(1);
    if let Some(graph) = &mut model.graph {
        neighbours::rewrite(graph, opset);
        scan::unroll(graph, opset);
        qdq::rewrite(graph, opset);
    }
    let mut graph = import::import(&model, batch)?;
    impute::resolve(&mut graph)?;
    rewrite::rewrite(&mut graph);
    fold::fold(&mut graph);
    encodings::assign(&mut graph)?;
    Ok(graph)
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
