//! Forward error analysis: a bound of the distance between the integer program and the float graph in exact arithmetic.
//!
//! Each scalar q has a bound e of `|q - 2^f x|`, x its value in the float graph and f its fractional bits. Operations
//! carry the bounds of their operands on and add their own:
//! - a layer: `sum |w| e + sum |dw| (r + e) + |sum dw m + db|`, dw and db what its integers differ from the exact weights
//!   by, m and r middle and radius of the operands;
//! - a product: `|l| e_r + |r| e_l + e_l e_r`; a quotient: `(e_n + n/d e_d) / (d - e_d)`; each shift: half a unit;
//! - a table: its distance from the function at the operand, and the lesser of slope times e and of what it varies by
//!   within e; clamps, Relu and greatest elements keep the bound of what they choose from;
//! - a comparison: nothing where the operand is farther from its threshold than e, else one.
//!
//! A bound of every operation by itself adds up magnitudes that cancel in truth, step by step. To first order the
//! errors of all operations reach an output by its derivatives at the row, `sum |dy/dq| e`, e the error that the
//! operation of q adds: what [`first_order`] gives. It leaves out products of errors, and branches (Relu, clamps,
//! comparisons) that the errors might change.
//!
//! Over a row the scalars are the row's own, so the bound is of that row alone. Over a range they are intervals that
//! follow from the actual weights, and the bound holds for every input of the range. Infinite where nothing is known:
//! beyond a table's domain, and at divisors that may be zero. Source: Higham, "Accuracy and Stability of Numerical
//! Algorithms", section 1.5, with running bounds as in section 3.3.

use std::collections::HashMap;

use super::deviations::{ConstantErrors, Deviations, Saturation, TableError, WeightErrors};
use super::sensitivity;
use super::skeleton::{
    Activation, FunctionTable, IntegerModel, LinearWeights, Op, OutputKind, Positions, ScalarId,
};
use crate::onnx::{Arithmetic, FloatOp, Graph, Pointwise};

/// Where an integer lies, and how far it may be from the float graph's value, all in units of its scale.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounded {
    pub(crate) lo: f64,
    pub(crate) hi: f64,
    pub(crate) error: f64,
}

impl Bounded {
    fn magnitude(self) -> f64 {
        self.lo.abs().max(self.hi.abs())
    }

    fn middle(self) -> f64 {
        (self.lo + self.hi) / 2.0
    }

    fn radius(self) -> f64 {
        (self.hi - self.lo) / 2.0
    }
}

/// Why a graph's integer program is no rounded copy of it whose distance could be bounded.
pub(crate) fn obstacle(graph: &Graph) -> Option<String> {
    let steps = |op: &FloatOp| match op {
        FloatOp::Pointwise(f) => matches!(
            f,
            Pointwise::Floor
                | Pointwise::Ceil
                | Pointwise::Round
                | Pointwise::Trunc
                | Pointwise::Sin
        ),
        FloatOp::Arithmetic(f) => matches!(
            f,
            Arithmetic::DivWhole
                | Arithmetic::Mod
                | Arithmetic::Fmod
                | Arithmetic::BitAnd
                | Arithmetic::BitOr
                | Arithmetic::BitXor
        ),
        FloatOp::Order { .. } | FloatOp::Quantized(_) => true,
        _ => false,
    };
    let node = graph.nodes.iter().find(|node| steps(&node.op))?;
    Some(format!("{} jumps from step to step", node.op.name()))
}

/// Error bounds of each output's numbers, in units of its values: the greatest; nothing for outputs of another kind,
/// and where nothing is known.
pub(crate) fn of_outputs(model: &IntegerModel, scalars: &[Bounded]) -> Vec<Option<f64>> {
    let outputs = model.skeleton.outputs.iter().map(|output| {
        let OutputKind::Fixed { scale_bits } = output.kind else {
            return None;
        };
        let errors = output.scalars.iter().map(|&id| scalars[id as usize].error);
        let greatest = errors.fold(0.0, |m: f64, e| if e.is_nan() { e } else { m.max(e) });
        let bound = greatest * 2f64.powi(-(scale_bits as i32)) * ROUNDING;
        bound.is_finite().then_some(bound)
    });
    outputs.collect()
}

/// What the analysis itself rounds, in f64 and f32, relative to its result.
const ROUNDING: f64 = 1.0 + 1e-5;

/// The bounds of every scalar. `known`: the row's integers; without them intervals are followed.
pub(crate) fn propagate(
    model: &IntegerModel,
    deviations: &Deviations,
    inputs: Vec<Bounded>,
    known: Option<&[i64]>,
) -> Vec<Bounded> {
    analysed(model, deviations, inputs, known, Errors::CarriedOn)
}

/// Multiplications of one pass, about.
pub(crate) fn work(model: &IntegerModel) -> usize {
    let each = model.skeleton.ops.iter().map(|op| match op {
        Op::Linear { inputs, .. } | Op::Again { inputs, .. } => inputs.len() * op.made(),
        Op::Convolution {
            inputs,
            groups,
            positions,
            ..
        } => {
            let channels = inputs.len() / positions.at.len() / (*groups).max(1) as usize;
            channels * positions.taps.len() * op.made()
        }
        _ => op.made(),
    });
    each.fold(0, usize::saturating_add)
}

/// To first order, the greatest error of each output's numbers over one row, in units of its values; nothing for outputs
/// of another kind.
pub(crate) fn first_order(
    model: &IntegerModel,
    deviations: &Deviations,
    inputs: Vec<Bounded>,
    known: &[i64],
) -> Vec<Option<f64>> {
    let added = analysed(model, deviations, inputs, Some(known), Errors::Own);
    let outputs = model.skeleton.outputs.iter().map(|output| {
        let OutputKind::Fixed { scale_bits } = output.kind else {
            return None;
        };
        let error = |&id: &ScalarId| -> f64 {
            let derivatives = sensitivity::of_scalar(model, known, id);
            let reached = derivatives.iter().zip(&added);
            reached.map(|(d, x)| times(d.abs(), x.error)).sum()
        };
        let greatest = output.scalars.iter().map(error).fold(0.0, f64::max);
        let bound = greatest * 2f64.powi(-(scale_bits as i32)) * ROUNDING;
        bound.is_finite().then_some(bound)
    });
    outputs.collect()
}

/// Which errors of its operands an operation sees.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Errors {
    /// All.
    CarriedOn,
    /// None: what is left is its own.
    Own,
}

fn analysed(
    model: &IntegerModel,
    deviations: &Deviations,
    inputs: Vec<Bounded>,
    known: Option<&[i64]>,
    errors: Errors,
) -> Vec<Bounded> {
    let mut analysis = Analysis {
        errors,
        deviations,
        all: inputs,
        excesses: HashMap::new(),
        relus: HashMap::new(),
    };
    let mut linear = model.weights.linear.iter();
    let mut diagonal = model.weights.diagonal.iter();
    // The operation of each entry of the linear weights.
    let mut layers: Vec<usize> = Vec::new();
    for (number, op) in model.skeleton.ops.iter().enumerate() {
        let made: Vec<Bounded> = match op {
            Op::Linear {
                inputs,
                shift,
                activation,
                ..
            } => {
                layers.push(number);
                let weights = linear.next().expect("weights for each linear layer");
                analysis.dense(weights, number, inputs, (*shift, *activation))
            }
            Op::Again {
                inputs,
                layer,
                shift,
                activation,
                ..
            } => {
                let weights = &model.weights.linear[*layer as usize];
                let first = layers[*layer as usize];
                analysis.dense(weights, first, inputs, (*shift, *activation))
            }
            Op::Convolution {
                inputs,
                groups,
                positions,
                shift,
                activation,
                ..
            } => {
                layers.push(number);
                let weights = linear.next().expect("weights for each convolution");
                let groups = *groups as usize;
                let end = (*shift, *activation);
                analysis.convolution(weights, number, inputs, groups, positions, end)
            }
            Op::Diagonal {
                inputs,
                shift,
                activation,
            } => {
                let weights = diagonal.next().expect("weights for each diagonal map");
                analysis.diagonal(weights, number, inputs, (*shift, *activation))
            }
            Op::Local { .. } => analysis.local(number, op),
            Op::Clamp { inputs, lo, hi } => {
                let bounds = (*lo as f64, *hi as f64);
                let each = inputs.iter().map(|&id| analysis.clamp(number, id, bounds));
                each.collect()
            }
            Op::Max { inputs, width } => inputs
                .chunks_exact(*width as usize)
                .map(|window| {
                    let of = window.iter().map(|&id| analysis.of(id));
                    let greatest = of.reduce(|a, b| Bounded {
                        lo: a.lo.max(b.lo),
                        hi: a.hi.max(b.hi),
                        error: a.error.max(b.error),
                    });
                    greatest.expect("a window is not empty")
                })
                .collect(),
            Op::Function { inputs, function } => {
                let table = &model.skeleton.functions[*function as usize];
                let error = &deviations.tables[*function as usize];
                let each = inputs
                    .iter()
                    .map(|&id| tabled(table, error, analysis.of(id)));
                each.collect()
            }
            Op::Divide {
                numerators,
                denominators,
                scale_bits,
            } => numerators
                .iter()
                .zip(denominators)
                .map(|(&n, &d)| {
                    let mut made = quotient(analysis.of(n), analysis.of(d), *scale_bits);
                    if deviations.fractions.contains(&number) {
                        // Neither is below 0 nor, but for rounding, above 1.
                        made.hi = made.hi.min(2f64.powi(*scale_bits as i32) + 0.5);
                        made.error = made.error.min(2f64.powi(*scale_bits as i32) + 1.0);
                    }
                    made
                })
                .collect(),
            Op::Forest {
                trees,
                outputs,
                leaf_bits,
                ..
            } => {
                let leaf = deviations.leaves.get(&number).copied().unwrap_or(0.0);
                let bound = f64::from(*trees) * 2f64.powi(*leaf_bits as i32);
                let score = Bounded {
                    lo: -bound,
                    hi: bound,
                    error: f64::from(*trees) * leaf,
                };
                vec![score; *outputs as usize]
            }
        };
        analysis.all.extend(made);
        if let Some(known) = known {
            for (i, bounded) in analysis.all.iter_mut().enumerate().rev().take(op.made()) {
                (bounded.lo, bounded.hi) = (known[i] as f64, known[i] as f64);
            }
        }
    }
    analysis.all
}

struct Analysis<'a> {
    deviations: &'a Deviations,
    errors: Errors,
    all: Vec<Bounded>,
    /// Scalars `relu(l - r)` by their operands.
    excesses: HashMap<ScalarId, (ScalarId, ScalarId)>,
    /// Scalars `relu(x)` and `relu(-x)`, with the sign.
    relus: HashMap<ScalarId, (ScalarId, i64)>,
}

impl Analysis<'_> {
    fn of(&self, id: ScalarId) -> Bounded {
        let mut of = self.all[id as usize];
        if self.errors == Errors::Own {
            of.error = 0.0;
        }
        of
    }

    fn weight_errors(&self, number: usize) -> &WeightErrors {
        let errors = self.deviations.weights.get(&number);
        errors.expect("lowering notes what it rounds weights by")
    }

    fn dense(
        &self,
        LinearWeights { weights, biases }: &LinearWeights,
        number: usize,
        inputs: &[ScalarId],
        end: (u32, Activation),
    ) -> Vec<Bounded> {
        let errors = self.weight_errors(number);
        let x: Vec<Bounded> = inputs.iter().map(|&id| self.of(id)).collect();
        let rows = weights.chunks_exact(x.len()).zip(biases);
        let errors = errors.weights.chunks_exact(x.len()).zip(&errors.biases);
        let each = rows.zip(errors).map(|((row, &bias), (dw, &db))| {
            let mut sum = Sum::new(bias as f64, db);
            for ((&w, &dw), &x) in row.iter().zip(dw).zip(&x) {
                sum.add(f64::from(w), f64::from(dw), x);
            }
            finish(sum.end(), end)
        });
        each.collect()
    }

    fn convolution(
        &self,
        LinearWeights { weights, biases }: &LinearWeights,
        number: usize,
        inputs: &[ScalarId],
        groups: usize,
        positions: &Positions,
        end: (u32, Activation),
    ) -> Vec<Bounded> {
        let errors = self.weight_errors(number);
        let x: Vec<Bounded> = inputs.iter().map(|&id| self.of(id)).collect();
        let (width, taps) = (positions.at.len(), positions.taps.len());
        let channels = x.len() / width / groups;
        let outputs = biases.len() / groups;
        let pairs = positions.pairs();
        let mut made = Vec::with_capacity(biases.len() * pairs.len());
        for (o, &bias) in biases.iter().enumerate() {
            let first = o / outputs * channels;
            for pairs in &pairs {
                let mut sum = Sum::new(bias as f64, errors.biases[o]);
                for c in 0..channels {
                    let kernel = (o * channels + c) * taps;
                    for &(t, q) in pairs {
                        let (w, dw) = (weights[kernel + t], errors.weights[kernel + t]);
                        sum.add(f64::from(w), f64::from(dw), x[(first + c) * width + q]);
                    }
                }
                made.push(finish(sum.end(), end));
            }
        }
        made
    }

    fn diagonal(
        &self,
        LinearWeights { weights, biases }: &LinearWeights,
        number: usize,
        inputs: &[ScalarId],
        end: (u32, Activation),
    ) -> Vec<Bounded> {
        let errors = self.weight_errors(number);
        let each = inputs.iter().enumerate().map(|(i, &id)| {
            let mut sum = Sum::new(biases[i] as f64, errors.biases[i]);
            let dw = f64::from(errors.weights[i]);
            sum.add(f64::from(weights[i]), dw, self.of(id));
            finish(sum.end(), end)
        });
        each.collect()
    }

    fn local(&mut self, number: usize, op: &Op) -> Vec<Bounded> {
        let Op::Local {
            left,
            right,
            product,
            left_factor,
            right_factor,
            constant,
            shift,
            activation,
        } = op
        else {
            unreachable!("the caller matched it")
        };
        let rounded = self.deviations.constants.get(&number).copied();
        let plain = *product == 0 && *constant == 0 && *shift == 0 && rounded.is_none();
        let rounded = rounded.unwrap_or_default();
        let first = self.all.len();
        let mut made = Vec::with_capacity(left.len());
        for (i, (&l_id, &r_id)) in left.iter().zip(right).enumerate() {
            let id = (first + i) as ScalarId;
            let (l, r) = (self.of(l_id), self.of(r_id));
            let same = l_id == r_id;
            let (p, a, b) = (*product as f64, *left_factor as f64, *right_factor as f64);
            let (a, b) = if same { (a + b, 0.0) } else { (a, b) };
            let mut error = p.abs()
                * (l.magnitude() * r.error + r.magnitude() * l.error + l.error * r.error)
                + times(a.abs(), l.error)
                + times(b.abs(), r.error)
                + rounded.factor * (l.magnitude() + l.error)
                + rounded.constant;
            if b != 0.0 {
                error += rounded.factor * (r.magnitude() + r.error);
            }
            let (mut lo, mut hi) = (*constant as f64, *constant as f64);
            let mut add = |x: f64, y: f64| {
                lo += x.min(y);
                hi += x.max(y);
            };
            add(a * l.lo, a * l.hi);
            add(b * r.lo, b * r.hi);
            if p != 0.0 {
                let corners = [l.lo * r.lo, l.lo * r.hi, l.hi * r.lo, l.hi * r.hi];
                let greatest = corners.iter().fold(f64::MIN, |m, &c| m.max(c));
                let least = corners.iter().fold(f64::MAX, |m, &c| m.min(c));
                let least = if same { least.max(0.0) } else { least };
                add(p * least, p * greatest);
            }
            if plain {
                match (activation, *left_factor, *right_factor) {
                    (Activation::Relu, 1, -1) if !same => {
                        self.excesses.insert(id, (l_id, r_id));
                    }
                    (Activation::Relu, factor @ (1 | -1), 0) => {
                        self.relus.insert(id, (l_id, factor));
                    }
                    (Activation::None, 1, sign @ (1 | -1)) if !same => {
                        if let Some(chosen) = self.chosen(l_id, r_id, sign) {
                            error = error.min(chosen);
                        }
                    }
                    _ => {}
                }
            }
            made.push(finish(Bounded { lo, hi, error }, (*shift, *activation)));
        }
        made
    }

    /// The error of `l + sign r` where it is the greater or the lesser of two scalars, or a magnitude.
    fn chosen(&self, l: ScalarId, r: ScalarId, sign: i64) -> Option<f64> {
        let greater = |a, b| Some(self.of(a).error.max(self.of(b).error));
        match (self.excesses.get(&l), self.excesses.get(&r)) {
            // m + relu(x - m), relu(x - m) + m; x - relu(x - m).
            (_, Some(&(x, m))) if sign == 1 && m == l => return greater(x, m),
            (Some(&(x, m)), _) if sign == 1 && m == r => return greater(x, m),
            (_, Some(&(x, m))) if sign == -1 && x == l => return greater(x, m),
            _ => {}
        }
        match (self.relus.get(&l)?, self.relus.get(&r)?) {
            (&(x, 1), &(y, -1)) if x == y => Some(self.of(x).error),
            _ => None,
        }
    }

    fn clamp(&self, number: usize, id: ScalarId, (lo, hi): (f64, f64)) -> Bounded {
        let x = self.of(id);
        let (least, greatest) = (x.lo - x.error, x.hi + x.error);
        let (below, above) = (least < lo, greatest > hi);
        let mut error = x.error;
        match self.deviations.saturations.get(&number) {
            Some(Saturation::Excess) => {
                error += (x.hi - hi).max(lo - x.lo).max(0.0);
            }
            Some(Saturation::Domain {
                below: end_below,
                above: end_above,
            }) if below && *end_below || above && *end_above => error = f64::INFINITY,
            // All of it is one bound.
            None if least >= hi || greatest <= lo => error = 0.0,
            // Both lie within the bounds.
            _ => error = error.min(hi - lo),
        }
        if below || above {
            let constants = self.deviations.constants.get(&number);
            error += constants.map_or(0.0, |c: &ConstantErrors| c.constant);
        }
        Bounded {
            lo: x.lo.max(lo).min(hi),
            hi: x.hi.max(lo).min(hi),
            error,
        }
    }
}

/// A layer's accumulator.
struct Sum {
    middle: f64,
    radius: f64,
    error: f64,
    /// What the weights' errors add at the operands' middles.
    shifted: f64,
}

impl Sum {
    fn new(bias: f64, db: f64) -> Self {
        Self {
            middle: bias,
            radius: 0.0,
            error: 0.0,
            shifted: db,
        }
    }

    fn add(&mut self, w: f64, dw: f64, x: Bounded) {
        let (m, r) = (x.middle(), x.radius());
        self.middle += w * m;
        self.radius += w.abs() * r;
        self.error += times(w.abs(), x.error) + times(dw.abs(), r + x.error);
        self.shifted += dw * m;
    }

    fn end(self) -> Bounded {
        Bounded {
            lo: self.middle - self.radius,
            hi: self.middle + self.radius,
            error: self.error + self.shifted.abs(),
        }
    }
}

/// A product in which 0 makes an unbounded factor vanish.
fn times(factor: f64, error: f64) -> f64 {
    if factor == 0.0 {
        0.0
    } else {
        factor * error
    }
}

/// An accumulator shifted and activated.
fn finish(y: Bounded, (shift, activation): (u32, Activation)) -> Bounded {
    let unit = 2f64.powi(-(shift as i32));
    let half = if shift > 0 { 0.5 } else { 0.0 };
    let y = Bounded {
        lo: y.lo * unit - half,
        hi: y.hi * unit + half,
        error: y.error * unit + half,
    };
    match activation {
        Activation::None => y,
        Activation::Relu => Bounded {
            lo: y.lo.max(0.0),
            hi: y.hi.max(0.0),
            error: if y.hi + y.error <= 0.0 { 0.0 } else { y.error },
        },
        // Strict comparisons and thresholds between integers lie within a unit.
        Activation::Sign => {
            let reach = y.error + 1.5;
            let told = y.error == 0.0 || y.lo + 0.5 > reach || y.hi + 0.5 < -reach;
            Bounded {
                lo: if y.lo >= 0.0 { 1.0 } else { 0.0 },
                hi: if y.hi >= 0.0 { 1.0 } else { 0.0 },
                error: if told { 0.0 } else { 1.0 },
            }
        }
    }
}

fn tabled(table: &FunctionTable, error: &TableError, x: Bounded) -> Bounded {
    let (first, last) = table.domain();
    let (first, last) = (first as f64, last as f64);
    let inside = |v: f64| v.max(first).min(last);
    let segment = |v: f64| ((inside(v) - first) as i64 >> table.segment_bits) as usize;
    // Least and greatest of the table over [a, b]: at the ends, and where segments meet.
    let range = |a: f64, b: f64| {
        let (a, b) = (inside(a.floor()), inside(b.ceil()));
        let width = 2f64.powi(table.segment_bits as i32);
        let mut range = (f64::MAX, f64::MIN);
        let mut see = |v: f64| {
            let y = table.at(v as i64) as f64;
            range = (range.0.min(y), range.1.max(y));
        };
        see(a);
        see(b);
        for s in segment(a)..=segment(b) {
            let start = first + s as f64 * width;
            if start > a {
                see(start);
                see(start - 1.0);
            }
        }
        range
    };
    let (lo, hi) = range(x.lo, x.hi);
    let (least, greatest) = range(x.lo - x.error, x.hi + x.error);
    let anywhere = error.max_abs * 2f64.powi(error.out_bits as i32);
    // What is within e of the operand varies by no more than the range; and by no more than slope times e.
    let varied = (greatest - least) + anywhere;
    let segments = segment(x.lo - x.error)..=segment(x.hi + x.error);
    let slope = segments.fold(0f64, |m, s| m.max(error.slope(table, s)));
    let here = if x.lo == x.hi {
        error.at(table, x.lo)
    } else {
        anywhere
    };
    let bounded = Bounded {
        lo,
        hi,
        error: varied.min(here + times(x.error, slope)),
    };
    let outside = error.below && x.lo - x.error < first || error.above && x.hi + x.error > last;
    if outside || x.error.is_infinite() {
        return Bounded {
            error: f64::INFINITY,
            ..bounded
        };
    }
    bounded
}

fn quotient(n: Bounded, d: Bounded, scale_bits: u32) -> Bounded {
    let one = 2f64.powi(scale_bits as i32);
    let least = d.lo - d.error;
    let greatest = n.hi / d.lo.max(1.0);
    // A divisor below one unit counts as one.
    let error = if least < 1.0 {
        f64::INFINITY
    } else {
        one * (n.error + greatest * d.error) / least + 0.5
    };
    Bounded {
        lo: one * n.lo / d.hi.max(1.0) - 0.5,
        hi: one * greatest + 0.5,
        error,
    }
}
