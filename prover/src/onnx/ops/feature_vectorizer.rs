//! FeatureVectorizer: feature blocks joined along the last axis. Source: ai.onnx.ml 1.

use super::super::error::OpError;
use super::super::import::{Builder, NodeView, Operand};
use super::concat::joined;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let operands = node.all()?;
    let rank = operands.first().map_or(0, |x| b.shape(x).len());
    let Some(last) = rank.checked_sub(1) else {
        return Err(OpError::invalid("operands without features"));
    };
    let widths = operands.iter().map(|x| b.shape(x).last().copied());
    let declared = node.ints("inputdimensions").unwrap_or_default();
    if !declared.is_empty() && !widths.eq(declared.iter().map(|&d| usize::try_from(d).ok())) {
        return Err(OpError::invalid(
            "inputdimensions differ from the operands'",
        ));
    }
    Ok(vec![joined(b, &operands, last)?])
}
