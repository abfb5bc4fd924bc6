//! GridSample: an image read at computed places. The weight of pixel i for a place u is a function of u - i alone: the
//! tent `max(0, 1 - |u - i|)`, a cubic kernel, or `[u rounds to i]`; the axes' weights multiply, and pixels outside count nothing. With
//! border padding the place is clamped to the image first. Source: ONNX GridSample, opsets 16 and 20.

use super::super::error::OpError;
use super::super::float::{Arithmetic, FloatOp, Pointwise, Reduction, Relation, Threshold};
use super::super::graph::Kind;
use super::super::import::{checked_len, Builder, NodeView, Operand};
use super::broadcast::arithmetic;
use super::index::each;
use super::linear_map::scaled;
use super::reduction::reduce;

/// The weight of a pixel by its distance from a place.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kernel {
    /// `max(0, 1 - d)`
    Tent,
    /// Keys' kernel, tabled.
    Cubic,
    /// 1 for the pixel that the place rounds to.
    Nearest,
}

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let (x, grid) = (node.need(0)?.clone(), node.need(1)?.clone());
    let (x_shape, grid_shape) = (b.shape(&x).to_vec(), b.shape(&grid).to_vec());
    let rank = x_shape.len().saturating_sub(2);
    let fits = rank > 0
        && grid_shape.len() == x_shape.len()
        && grid_shape[0] == x_shape[0]
        && grid_shape.last() == Some(&rank);
    if !fits {
        return Err(OpError::invalid("a grid that does not fit the image"));
    }
    if [&x, &grid]
        .iter()
        .any(|o| b.row_axis(o).is_some_and(|row| row != 0))
    {
        return Err(OpError::mixes_rows("a grid over the batch dimension"));
    }
    let kernel = match node.text("mode")?.unwrap_or("linear") {
        "linear" | "bilinear" => Kernel::Tent,
        "cubic" | "bicubic" => Kernel::Cubic,
        "nearest" => Kernel::Nearest,
        other => return Err(OpError::invalid(format!("mode {other}"))),
    };
    let clamped = match node.text("padding_mode")?.unwrap_or("zeros") {
        "zeros" => false,
        "border" if kernel != Kernel::Cubic => true,
        other => {
            let reason = format!("{other} padding");
            return Err(OpError::unsupported(
                reason,
                "padding by zeros or the border",
            ));
        }
    };
    let aligned = node.int("align_corners", 0) != 0;
    let (rows, channels) = (x_shape[0], x_shape[1]);
    let (image, places) = (&x_shape[2..], &grid_shape[1..=rank]);
    let (pixels, count) = (checked_len(image)?, checked_len(places)?);
    checked_len(&[rows, count, pixels, channels])?;

    // 1. Weights along each axis, [rows, places, extent]; the grid's coordinates come last axis first.
    let mut along = Vec::with_capacity(rank);
    for (axis, &extent) in image.iter().enumerate() {
        let at = rank - 1 - axis;
        let coordinates = (0..rows * count).map(|i| (i * rank + at) as u32).collect();
        let u = b.movement(
            std::slice::from_ref(&grid),
            coordinates,
            vec![rows * count],
            None,
        )?;
        let n = extent as f64;
        let (factor, offset) = if aligned {
            ((n - 1.0) / 2.0, (n - 1.0) / 2.0)
        } else {
            (n / 2.0, (n - 1.0) / 2.0)
        };
        let mut u = scaled(b, &u, factor, offset)?;
        if clamped {
            let inside = Pointwise::Clip {
                lo: Some(0.0),
                hi: Some(n - 1.0),
            };
            u = b.map(FloatOp::Pointwise(inside), &u)?;
        }
        along.push(weights(b, &u, rows * count, extent, kernel)?);
    }
    // 2. Weights of pixels, [rows, places, pixels].
    let spread = vec![rows * count, pixels];
    let mut product: Option<Operand> = None;
    for (axis, weights) in along.iter().enumerate() {
        let mut indices = Vec::with_capacity(rows * count * pixels);
        for place in 0..rows * count {
            indices.extend(each(image).map(|pixel| (place * image[axis] + pixel[axis]) as u32));
        }
        let part = b.movement(std::slice::from_ref(weights), indices, spread.clone(), None)?;
        product = Some(match product {
            None => part,
            Some(other) => arithmetic(b, Arithmetic::Mul, &other, &part)?,
        });
    }
    let weights = product.ok_or_else(|| OpError::invalid("no axis"))?;
    // 3. Weighted sums, [rows, channels, places].
    let all = vec![rows * channels * count, pixels];
    let (mut of_weights, mut of_pixels) = (Vec::new(), Vec::new());
    for row in 0..rows {
        for channel in 0..channels {
            for place in 0..count {
                let (w, p) = (
                    (row * count + place) * pixels,
                    (row * channels + channel) * pixels,
                );
                of_weights.extend((w..w + pixels).map(|i| i as u32));
                of_pixels.extend((p..p + pixels).map(|i| i as u32));
            }
        }
    }
    let weights = b.movement(&[weights], of_weights, all.clone(), None)?;
    let values = b.movement(std::slice::from_ref(&x), of_pixels, all, None)?;
    let products = super::broadcast::apply(b, super::broadcast::Operation::Mul, &weights, &values)?;
    let sums = reduce(b, Reduction::Sum, &products, &[false, true], false)?;
    let mut shape = vec![rows, channels];
    shape.extend(places);
    let row_axis = b.row_axis(&x).or(b.row_axis(&grid));
    Ok(vec![b.reshaped(&sums, shape, row_axis)?])
}

/// The weight of each position 0 .. extent - 1 for each place.
fn weights(
    b: &mut Builder,
    u: &Operand,
    places: usize,
    extent: usize,
    kernel: Kernel,
) -> Result<Operand, OpError> {
    let u = if kernel == Kernel::Nearest {
        b.map(FloatOp::Pointwise(Pointwise::Round), u)?
    } else {
        u.clone()
    };
    let shape = vec![places, extent];
    let mut parts = Vec::with_capacity(extent);
    for i in 0..extent {
        let Operand::Activation(id) = u else {
            return Err(OpError::unsupported("a constant grid", "a computed one"));
        };
        parts.push(if kernel == Kernel::Nearest {
            let op = FloatOp::Threshold(Threshold {
                relation: Relation::Equal,
                thresholds: vec![i as f64],
            });
            b.push(op, &[id], vec![places], None, Kind::Boolean)?
        } else {
            let distance = scaled(b, &u, 1.0, -(i as f64))?;
            if kernel == Kernel::Cubic {
                parts.push(b.map(FloatOp::Pointwise(Pointwise::Cubic), &distance)?);
                continue;
            }
            let distance = b.map(FloatOp::Pointwise(Pointwise::Abs), &distance)?;
            let tent = scaled(b, &distance, -1.0, 1.0)?;
            b.map(FloatOp::Pointwise(Pointwise::Relu), &tent)?
        });
    }
    let indices = (0..places)
        .flat_map(|p| (0..extent).map(move |i| (i * places + p) as u32))
        .collect();
    b.movement(&parts, indices, shape, None)
}
