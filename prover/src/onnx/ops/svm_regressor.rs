//! SVMRegressor: `sum_j c_j k(x, v_j) + rho`; without support vectors `c x + rho`. Source: ai.onnx.ml 1.

use super::super::error::OpError;
use super::super::import::{Builder, NodeView, Operand};
use super::svm::{features, kernels, layer};

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let refuse = |what: &str| {
        Err(OpError::unsupported(
            what,
            "a regression, post_transform NONE",
        ))
    };
    if node.int("one_class", 0) != 0 {
        return refuse("one_class");
    }
    if node.text("post_transform")?.unwrap_or("NONE") != "NONE" {
        return refuse("a post_transform");
    }
    let (x, _) = features(b, node)?;
    let coefficients = node.floats("coefficients").unwrap_or_default();
    let rho = node.floats("rho").unwrap_or_default();
    let &[rho] = rho.as_slice() else {
        return Err(OpError::invalid("one rho is needed"));
    };
    let vectors = node.floats("support_vectors").unwrap_or_default();
    let inner = if node.int("n_supports", 0) > 0 {
        kernels(b, node, x, &vectors)?.activation()?
    } else {
        x
    };
    Ok(vec![layer(b, inner, coefficients, vec![rho])?])
}
