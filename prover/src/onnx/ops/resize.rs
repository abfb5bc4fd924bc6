//! Resize and Upsample: each axis interpolated by constant scales or sizes, a public linear map.
//!
//! An output coordinate x stands at u in the operand, by the coordinate transformation. With base = ceil(u) - 1 and
//! ratio = u - base in (0, 1], the elements base - m + 1 .. base + m count, m 1 (nearest, linear) or 2 (cubic), more
//! where downsampling is antialiased; beyond the ends the end element repeats. The axes' weights multiply. Source:
//! ONNX Resize, opsets 10 to 19, and its reference evaluator; Upsample, opsets 7 and 9.

use super::super::error::OpError;
use super::super::float::{cubic, Combination};
use super::super::import::{axis_of, checked_len, Builder, NodeView, Operand};
use super::index::{each, moved_or, strides};
use super::linear_map::combined;

/// Position and coefficient along one axis; nothing where the coordinate lies outside the region.
type Weights = Option<Vec<(usize, f64)>>;

/// What applies to all axes.
struct Manner<'a> {
    mode: &'a str,
    transformation: &'a str,
    nearest: &'a str,
    cubic: f64,
    exclude_outside: bool,
    antialias: bool,
}

/// One axis.
struct Axis {
    old: usize,
    new: usize,
    scale: f64,
    region: (f64, f64),
}

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let manner = Manner {
        mode: node.text("mode")?.unwrap_or("nearest"),
        transformation: node.text("coordinate_transformation_mode")?.unwrap_or(
            if node.opset < 11 {
                "asymmetric"
            } else {
                "half_pixel"
            },
        ),
        nearest: node.text("nearest_mode")?.unwrap_or(if node.opset < 11 {
            "floor"
        } else {
            "round_prefer_floor"
        }),
        cubic: node.float("cubic_coeff_a", -0.75),
        exclude_outside: node.int("exclude_outside", 0) != 0,
        antialias: node.int("antialias", 0) != 0,
    };
    let axes = axes(b, node, &x, &manner)?;
    let fill = node.float("extrapolation_value", 0.0);
    Ok(vec![resized(b, &x, &axes, &manner, fill)?])
}

pub(super) fn upsample(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let x = node.need(0)?.clone();
    let scales = match node.floats("scales") {
        Some(scales) => Some(scales),
        None => node.constant(1, "the scales")?.numbers(),
    };
    let shape = b.shape(&x).to_vec();
    let scales = scales.filter(|s| s.len() == shape.len());
    let scales = scales.ok_or_else(|| OpError::invalid("one scale for each axis is needed"))?;
    let manner = Manner {
        mode: node.text("mode")?.unwrap_or("nearest"),
        transformation: "asymmetric",
        nearest: "floor",
        cubic: -0.75,
        exclude_outside: false,
        antialias: false,
    };
    let axes: Result<Vec<Axis>, OpError> = shape
        .iter()
        .zip(scales)
        .map(|(&old, scale)| by_scale(old, scale))
        .collect();
    Ok(vec![resized(b, &x, &axes?, &manner, 0.0)?])
}

fn by_scale(old: usize, scale: f64) -> Result<Axis, OpError> {
    // A float32 scale such as 0.6 falls short of its decimal by less than this.
    let new = (old as f64 * scale).floor();
    if !(scale > 0.0 && (1.0..2f64.powi(25)).contains(&new)) {
        return Err(OpError::invalid(format!(
            "scale {scale} of an extent of {old}"
        )));
    }
    Ok(Axis {
        old,
        new: new as usize,
        scale,
        region: (0.0, 1.0),
    })
}

fn axes(
    b: &Builder,
    node: &NodeView<'_>,
    x: &Operand,
    manner: &Manner<'_>,
) -> Result<Vec<Axis>, OpError> {
    let shape = b.shape(x).to_vec();
    let rank = shape.len();
    let named: Vec<usize> = match node.ints("axes") {
        None => (0..rank).collect(),
        Some(axes) => axes
            .iter()
            .map(|&a| axis_of(a, rank))
            .collect::<Result<_, _>>()?,
    };
    let list = |i: usize, what: &str| -> Result<Option<Vec<f64>>, OpError> {
        if node.input(i).is_none() {
            return Ok(None);
        }
        let numbers = node.constant(i, what)?.numbers().unwrap_or_default();
        Ok(Some(numbers).filter(|v| !v.is_empty()))
    };
    let (roi, scales, sizes) = if node.opset < 11 {
        (None, list(1, "the scales")?, None)
    } else {
        let scales = list(2, "the scales")?;
        (list(1, "the region")?, scales, list(3, "the sizes")?)
    };
    let fits = |v: &Vec<f64>| v.len() == named.len();
    let mut made: Vec<Axis> = shape
        .iter()
        .map(|&old| Axis {
            old,
            new: old,
            scale: 1.0,
            region: (0.0, 1.0),
        })
        .collect();
    match (scales, sizes) {
        (Some(scales), None) if fits(&scales) => {
            for (&axis, scale) in named.iter().zip(scales) {
                made[axis] = by_scale(shape[axis], scale)?;
            }
        }
        (None, Some(sizes)) if fits(&sizes) => {
            let ratio = |(&axis, &size): (&usize, &f64)| size / shape[axis] as f64;
            let ratios: Vec<f64> = named.iter().zip(&sizes).map(ratio).collect();
            let policy = node.text("keep_aspect_ratio_policy")?.unwrap_or("stretch");
            let common = match policy {
                "stretch" => None,
                "not_larger" => Some(ratios.iter().copied().fold(f64::INFINITY, f64::min)),
                "not_smaller" => Some(ratios.iter().copied().fold(0.0, f64::max)),
                other => return Err(OpError::invalid(format!("policy {other}"))),
            };
            for ((&axis, &size), ratio) in named.iter().zip(&sizes).zip(ratios) {
                let scale = common.unwrap_or(ratio);
                let size = common.map_or(size, |c| (c * shape[axis] as f64 + 0.5).floor());
                if !(1.0..2f64.powi(25)).contains(&size) {
                    return Err(OpError::invalid(format!("an extent of {size}")));
                }
                made[axis].new = size as usize;
                made[axis].scale = scale;
            }
        }
        _ => {
            return Err(OpError::invalid(
                "either scales or sizes, one for each axis, are needed",
            ))
        }
    }
    if manner.transformation == "tf_crop_and_resize" {
        let roi = roi.filter(|r| r.len() == 2 * named.len());
        let roi = roi.ok_or_else(|| OpError::invalid("a region for each axis is needed"))?;
        for (i, &axis) in named.iter().enumerate() {
            made[axis].region = (roi[i], roi[i + named.len()]);
        }
    }
    Ok(made)
}

fn resized(
    b: &mut Builder,
    x: &Operand,
    axes: &[Axis],
    manner: &Manner<'_>,
    fill: f64,
) -> Result<Operand, OpError> {
    let row_axis = b.row_axis(x);
    if row_axis.is_some_and(|row| axes[row].new != axes[row].old) {
        return Err(OpError::mixes_rows("resizing the batch dimension"));
    }
    let shape: Vec<usize> = axes.iter().map(|a| a.new).collect();
    checked_len(&shape)?;
    let old: Vec<usize> = axes.iter().map(|a| a.old).collect();
    if old.contains(&0) {
        return Err(OpError::unsupported(
            "resizing nothing",
            "one element or more",
        ));
    }
    let mut along: Vec<Vec<Weights>> = Vec::with_capacity(axes.len());
    let mut widest = 1usize;
    for axis in axes {
        let weights: Result<Vec<Weights>, OpError> =
            (0..axis.new).map(|at| manner.weights(axis, at)).collect();
        let weights = weights?;
        let most = weights.iter().flatten().map(Vec::len).max();
        widest = widest.saturating_mul(most.unwrap_or(1));
        along.push(weights);
    }
    // All products of weights are written down.
    let mut all = shape.clone();
    all.push(widest);
    checked_len(&all)?;

    let steps = strides(&old);
    let mut map = Combination::default();
    let mut single: Vec<Option<usize>> = Vec::new();
    let (mut moves, mut outside) = (true, Vec::new());
    for index in each(&shape) {
        let weights: Option<Vec<&Vec<(usize, f64)>>> = index
            .iter()
            .zip(&along)
            .map(|(&i, along)| along[i].as_ref())
            .collect();
        let mut terms = vec![(0, 1.0)];
        outside.push(weights.is_none());
        for (weights, step) in weights.iter().flatten().zip(&steps) {
            terms = terms
                .iter()
                .flat_map(|&(at, c)| weights.iter().map(move |&(i, w)| (at + i * step, c * w)))
                .collect();
        }
        moves &= weights.is_none() || (terms.len() == 1 && terms[0].1 == 1.0);
        single.push(weights.is_some().then_some(terms[0].0));
        map.row(terms);
    }
    if moves {
        return moved_or(b, x, &single, fill, shape, row_axis);
    }
    let made = combined(b, x, map, shape.clone(), row_axis)?;
    let kept: Vec<Option<usize>> = outside
        .iter()
        .enumerate()
        .map(|(i, outside)| (!outside).then_some(i))
        .collect();
    if kept.iter().all(Option::is_some) {
        return Ok(made);
    }
    moved_or(b, &made, &kept, fill, shape, row_axis)
}

impl Manner<'_> {
    /// The weights of one output coordinate.
    fn weights(&self, axis: &Axis, at: usize) -> Result<Weights, OpError> {
        let Some(u) = self.place(axis, at as f64)? else {
            return Ok(None);
        };
        if axis.new == axis.old && u == at as f64 {
            return Ok(Some(vec![(at, 1.0)]));
        }
        let base = u.ceil() - 1.0;
        let ratio = u - base;
        let mut coefficients = self.coefficients(ratio, axis.scale)?;
        let first = base as i64 - coefficients.len() as i64 / 2 + 1;
        let position = |i: usize| first + i as i64;
        if self.exclude_outside {
            for (i, c) in coefficients.iter_mut().enumerate() {
                if !(0..axis.old as i64).contains(&position(i)) {
                    *c = 0.0;
                }
            }
            let sum: f64 = coefficients.iter().sum();
            coefficients.iter_mut().for_each(|c| *c /= sum);
        }
        let mut weights: Vec<(usize, f64)> = Vec::with_capacity(coefficients.len());
        for (i, c) in coefficients.into_iter().enumerate() {
            let p = position(i).clamp(0, axis.old as i64 - 1) as usize;
            match weights.iter_mut().find(|(q, _)| *q == p) {
                Some((_, sum)) => *sum += c,
                None => weights.push((p, c)),
            }
        }
        weights.retain(|(_, c)| *c != 0.0);
        Ok(Some(weights))
    }

    /// Where an output coordinate stands in the operand.
    fn place(&self, axis: &Axis, x: f64) -> Result<Option<f64>, OpError> {
        let (old, scale) = (axis.old as f64, axis.scale);
        let new = scale * old;
        Ok(Some(match self.transformation {
            "half_pixel" => (x + 0.5) / scale - 0.5,
            "pytorch_half_pixel" if new == 1.0 => -0.5,
            "pytorch_half_pixel" => (x + 0.5) / scale - 0.5,
            "half_pixel_symmetric" => {
                let offset = old / 2.0 * (1.0 - axis.new as f64 / new);
                offset + (x + 0.5) / scale - 0.5
            }
            "align_corners" if new == 1.0 => 0.0,
            "align_corners" => x * (old - 1.0) / (new - 1.0),
            "asymmetric" => x / scale,
            "tf_half_pixel_for_nn" => (x + 0.5) / scale,
            "tf_crop_and_resize" => {
                let (start, end) = axis.region;
                let u = if new == 1.0 {
                    (start + end) * (old - 1.0) / 2.0
                } else {
                    start * (old - 1.0) + x * (end - start) * (old - 1.0) / (new - 1.0)
                };
                return Ok((0.0..=old - 1.0).contains(&u).then_some(u));
            }
            other => return Err(OpError::invalid(format!("transformation {other}"))),
        }))
    }

    /// Coefficients of the elements around a place, an even number of them; ratio in (0, 1].
    fn coefficients(&self, ratio: f64, scale: f64) -> Result<Vec<f64>, OpError> {
        let shrink = if self.antialias { scale.min(1.0) } else { 1.0 };
        let (reach, kernel): (f64, Box<dyn Fn(f64) -> f64 + '_>) = match self.mode {
            "nearest" => {
                let left = match self.nearest {
                    _ if ratio == 1.0 => false,
                    "round_prefer_floor" => ratio <= 0.5,
                    "round_prefer_ceil" => ratio < 0.5,
                    "floor" => true,
                    "ceil" => false,
                    other => return Err(OpError::invalid(format!("nearest_mode {other}"))),
                };
                return Ok(if left { vec![1.0, 0.0] } else { vec![0.0, 1.0] });
            }
            "linear" | "bilinear" => (1.0, Box::new(|t: f64| (1.0 - t.abs()).max(0.0))),
            "cubic" => (2.0, Box::new(|t: f64| cubic(self.cubic, t.abs()))),
            other => return Err(OpError::invalid(format!("mode {other}"))),
        };
        let half = (reach / shrink).ceil();
        if half > f64::from(1 << 16) {
            return Err(OpError::unsupported("a scale that small", "several steps"));
        }
        let half = half as i64;
        let mut all: Vec<f64> = (1 - half..=half)
            .map(|i| kernel((i as f64 - ratio) * shrink))
            .collect();
        if self.antialias {
            let sum: f64 = all.iter().sum();
            all.iter_mut().for_each(|c| *c /= sum);
        }
        Ok(all)
    }
}
