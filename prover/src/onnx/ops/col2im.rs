//! Col2Im: columns of blocks added up where they overlap in an image; image and block shapes are constants. Source:
//! ONNX Col2Im, opset 18.

use super::super::error::OpError;
use super::super::float::Combination;
use super::super::import::{checked_len, Builder, NodeView, Operand};
use super::index::{each, flat, strides};
use super::linear_map::combined;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let &[rows, columns, blocks] = b.shape(&x) else {
        return Err(OpError::invalid("an operand of three axes is needed"));
    };
    let row_axis = b.row_axis(&x);
    if row_axis.is_some_and(|row| row != 0) {
        return Err(OpError::mixes_rows("blocks over the batch dimension"));
    }
    let sizes = |values: Option<Vec<i64>>, what: &str| {
        let values = values.ok_or_else(|| OpError::invalid(format!("{what} is missing")))?;
        let all: Option<Vec<usize>> = values
            .iter()
            .map(|&v| usize::try_from(v).ok().filter(|&v| v < 1 << 25))
            .collect();
        all.ok_or_else(|| OpError::invalid(what.to_owned()))
    };
    let image = sizes(node.integers(1, "the image's shape")?, "the image's shape")?;
    let kernel = sizes(node.integers(2, "the block's shape")?, "the block's shape")?;
    let rank = image.len();
    let list = |name: &str, default: i64, count: usize| {
        let given = node.ints(name).map(<[i64]>::to_vec);
        sizes(Some(given.unwrap_or_else(|| vec![default; count])), name)
    };
    let (stride, dilation) = (list("strides", 1, rank)?, list("dilations", 1, rank)?);
    let pads = list("pads", 0, 2 * rank)?;
    let lengths = [kernel.len(), stride.len(), dilation.len(), pads.len() / 2];
    let zero = [&kernel, &stride, &dilation].iter().any(|v| v.contains(&0));
    if rank == 0 || zero || lengths.iter().any(|&l| l != rank) {
        return Err(OpError::invalid("image, block and attributes do not fit"));
    }
    let mut counts = Vec::with_capacity(rank);
    for i in 0..rank {
        let room = image[i] + pads[i] + pads[i + rank];
        let room = room.checked_sub(dilation[i].saturating_mul(kernel[i] - 1) + 1);
        let room = room.ok_or_else(|| OpError::invalid("a block greater than the image"))?;
        counts.push(room / stride[i] + 1);
    }
    let (area, count) = (checked_len(&kernel)?, checked_len(&counts)?);
    if count != blocks || columns % area != 0 {
        return Err(OpError::invalid("columns that do not fit image and blocks"));
    }
    let channels = columns / area;
    let mut shape = vec![rows, channels];
    shape.extend(&image);
    let len = checked_len(&shape)?;
    let steps = strides(&image);
    let plane: usize = image.iter().product();
    let mut terms: Vec<Vec<(usize, f64)>> = vec![Vec::new(); len];
    for (k, offset) in each(&kernel).enumerate() {
        for (block, at) in each(&counts).enumerate() {
            let place: Option<Vec<usize>> = (0..rank)
                .map(|i| {
                    let p = at[i] * stride[i] + offset[i] * dilation[i];
                    p.checked_sub(pads[i]).filter(|&p| p < image[i])
                })
                .collect();
            let Some(place) = place else { continue };
            for row in 0..rows {
                for channel in 0..channels {
                    let column = (row * columns + channel * area + k) * blocks + block;
                    let pixel = (row * channels + channel) * plane + flat(&place, &steps);
                    terms[pixel].push((column, 1.0));
                }
            }
        }
    }
    let mut map = Combination::default();
    for terms in terms {
        map.row(terms);
    }
    Ok(vec![combined(b, &x, map, shape, row_axis)?])
}
