//! Einsum of one or two operands: repeated indices run along diagonals, indices that the result lacks are summed.
//! Source: ONNX Einsum, opset 12.

use std::collections::BTreeMap;

use super::super::error::OpError;
use super::super::import::{Builder, NodeView, Operand};
use super::contraction::{contract, Steps};
use super::index::strides;

/// Letters of one operand, an ellipsis as upper-case numbers of axes counted from the last.
fn letters(term: &str, rank: usize) -> Result<Vec<String>, OpError> {
    let invalid = || OpError::invalid("an equation that does not fit the operands");
    let named: Vec<String> = term
        .replace("...", "")
        .chars()
        .map(|c| c.to_string())
        .collect();
    if !named.iter().all(|c| c.chars().all(char::is_alphabetic)) {
        return Err(invalid());
    }
    let Some((before, _)) = term.split_once("...") else {
        return Ok(named);
    };
    let free = rank.checked_sub(named.len()).ok_or_else(invalid)?;
    let mut all = named[..before.chars().count()].to_vec();
    all.extend((0..free).map(|i| format!(".{}", free - 1 - i)));
    all.extend(named[before.chars().count()..].iter().cloned());
    Ok(all)
}

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let equation: String = node
        .text("equation")?
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_whitespace())
        .collect();
    let operands = node.all()?;
    if operands.is_empty() || operands.len() > 2 {
        let reason = format!("a product of {} operands", operands.len());
        return Err(OpError::unsupported(
            reason,
            "Einsum of one or two operands",
        ));
    }
    if operands.iter().any(|o| b.row_axis(o).is_some()) && b.drop_rows("Einsum").is_err() {
        return Err(OpError::mixes_rows("Einsum"));
    }
    let (left, result) = match equation.split_once("->") {
        Some((left, result)) => (left, Some(result)),
        None => (equation.as_str(), None),
    };
    let terms: Vec<&str> = left.split(',').collect();
    if terms.len() != operands.len() {
        return Err(OpError::invalid(
            "the equation names another number of operands",
        ));
    }
    // 1. Extents of the indices; an axis of one repeats.
    let mut extents: BTreeMap<String, usize> = BTreeMap::new();
    let mut named: Vec<Vec<String>> = Vec::new();
    for (term, operand) in terms.iter().zip(&operands) {
        let shape = b.shape(operand);
        let letters = letters(term, shape.len())?;
        if letters.len() != shape.len() {
            return Err(OpError::invalid(
                "an operand of another rank than its indices",
            ));
        }
        for (letter, &extent) in letters.iter().zip(shape) {
            let known = extents.entry(letter.clone()).or_insert(extent);
            match (*known, extent) {
                (a, b) if a == b || b == 1 => {}
                (1, b) => *known = b,
                _ => return Err(OpError::invalid("an index of two extents")),
            }
        }
        named.push(letters);
    }
    // 2. The result's indices.
    let dots: Vec<String> = extents
        .keys()
        .filter(|k| k.starts_with('.'))
        .cloned()
        .collect();
    let kept: Vec<String> = match result {
        Some(result) => letters(result, result.replace("...", "").len() + dots.len())?,
        None => {
            let count = |k: &String| named.iter().flatten().filter(|l| *l == k).count();
            let once = extents
                .keys()
                .filter(|k| !k.starts_with('.') && count(k) == 1);
            dots.iter().rev().chain(once).cloned().collect()
        }
    };
    if kept.iter().any(|k| !extents.contains_key(k)) {
        return Err(OpError::invalid(
            "the result has an index that no operand has",
        ));
    }
    let summed: Vec<String> = extents
        .keys()
        .filter(|k| !kept.contains(k))
        .cloned()
        .collect();
    let of = |letters: &[String]| -> Vec<usize> { letters.iter().map(|l| extents[l]).collect() };
    // 3. How each operand is walked.
    let steps: Vec<Steps> = named
        .iter()
        .zip(&operands)
        .map(|(letters, operand)| {
            let shape = b.shape(operand);
            let along = strides(shape);
            let step = |letter: &String| {
                let axes = (0..letters.len()).filter(|&i| letters[i] == *letter && shape[i] != 1);
                axes.map(|i| along[i]).sum()
            };
            Steps {
                outer: kept.iter().map(step).collect(),
                summed: summed.iter().map(step).collect(),
            }
        })
        .collect();
    let (shape, terms) = (of(&kept), of(&summed));
    let operands: Vec<(&Operand, &Steps)> = operands.iter().zip(&steps).collect();
    Ok(vec![contract(b, &operands, &shape, &terms)?])
}
