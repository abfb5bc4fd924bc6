//! AffineGrid: places `theta (x, y, 1)` of a constant grid of coordinates in [-1, 1], a public linear map of theta.
//! Source: ONNX AffineGrid, opset 20.

use super::super::error::OpError;
use super::super::float::Combination;
use super::super::import::{checked_len, Builder, NodeView, Operand};
use super::index::each;
use super::linear_map::combined;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let theta = node.need(0)?.clone();
    let size = node
        .integers(1, "the size")?
        .ok_or_else(|| OpError::invalid("the size is missing"))?;
    let size: Option<Vec<usize>> = size.iter().map(|&d| usize::try_from(d).ok()).collect();
    let no_fit = || OpError::invalid("a size that does not fit theta");
    let size = size.filter(|s| s.len() > 2).ok_or_else(no_fit)?;
    let (rows, image) = (size[0], &size[2..]);
    let rank = image.len();
    if b.shape(&theta) != [rows, rank, rank + 1] {
        return Err(no_fit());
    }
    let row_axis = b.row_axis(&theta);
    if row_axis.is_some_and(|row| row != 0) {
        return Err(OpError::mixes_rows("a grid over the batch dimension"));
    }
    let aligned = node.int("align_corners", 0) != 0;
    let coordinate = |i: usize, n: usize| match (aligned, n) {
        (true, 1) => 0.0,
        (true, _) => 2.0 * i as f64 / (n - 1) as f64 - 1.0,
        (false, _) => (2 * i + 1) as f64 / n as f64 - 1.0,
    };
    let mut shape = vec![rows];
    shape.extend(image);
    shape.push(rank);
    checked_len(&shape)?;
    let mut map = Combination::default();
    for row in 0..rows {
        for place in each(image) {
            // Coordinates come last axis first.
            let mut point: Vec<f64> = (0..rank)
                .rev()
                .map(|axis| coordinate(place[axis], image[axis]))
                .collect();
            point.push(1.0);
            for axis in 0..rank {
                let first = (row * rank + axis) * (rank + 1);
                map.row(point.iter().enumerate().map(|(k, &c)| (first + k, c)));
            }
        }
    }
    Ok(vec![combined(b, &theta, map, shape, row_axis)?])
}
