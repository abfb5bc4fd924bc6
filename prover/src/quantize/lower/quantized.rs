//! Quantised networks, bit for bit: sums in integers, then for each factor the formula of steps.rs and a clamp.
//!
//! A scalar holds `q - offset`, in the signed type of the tensor's width (offset 128 for uint8). A layer's zero point
//! joins its bias: `sum w (q - z) + b = sum w x + (b + (offset - z) sum w)`. Formulas are found from factors,
//! zero points and the sums' declared intervals alone, so no weight enters the skeleton.

use std::collections::HashMap;

use super::super::deviations::TableError;
use super::super::error::QuantizeError;
use super::super::function::FunctionError;
use super::super::report::RoundingDifference;
use super::super::skeleton::{Activation, FunctionTable, LinearWeights, Op, Positions, ScalarId};
use super::super::steps::{Fit, PairFit, PairSteps, StepFormula, Steps};
use super::axis::{DIFFERENCE, SUM};
use super::convolution::turned;
use super::{Fixed, Formula, Lowering, MAX_WEIGHTS};
use crate::onnx::{
    AddRule, Element, FloatOp, IntegerConvolution, IntegerLayer, Kind, Quantized, Requantize, Rule,
    SoftmaxRule,
};

/// Integers of a quantised tensor as an output reads them: `(scalar - zero) scale`, in float32.
#[derive(Clone, Debug)]
pub(crate) struct Dequantized {
    pub(crate) scalars: Vec<ScalarId>,
    /// One for each scalar.
    pub(crate) scales: Vec<f32>,
    /// One for each scalar.
    pub(crate) zeros: Vec<i64>,
}

/// Fractional bits of the exponentials under a softmax.
const EXP_BITS: u32 = 26;

impl Lowering<'_> {
    pub(super) fn quantized(
        &mut self,
        op: &Quantized,
        inputs: &[usize],
        output: usize,
    ) -> Result<Fixed, QuantizeError> {
        let x = match inputs {
            [] => return Err(self.refuse("no operand")),
            [x, ..] => self.tensor(*x),
        };
        let offset = self.offset(inputs[0]);
        let scalars = match op {
            // The input's encoding is this very operation.
            Quantized::Quantize(_) => x.scalars,
            Quantized::Dequantize {
                scales,
                zeros,
                inner,
            } => return self.dequantize(&x, scales, zeros, *inner, offset),
            Quantized::Layer(layer) => self.integer_layer(layer, &x, offset)?,
            Quantized::Convolution(layer) => self.integer_convolution(layer, &x, offset)?,
            Quantized::Sum { windows, zero } => self.sums(windows, &x, offset - zero)?,
            Quantized::Product { zeros } => {
                let r = self.tensor(inputs[1]);
                let (a, b) = (offset - zeros.0, self.offset(inputs[1]) - zeros.1);
                let formula = Formula {
                    product: 1,
                    left: b,
                    right: a,
                    constant: a * b,
                    ..Formula::ZERO
                };
                self.local(&x.scalars, &r.scalars, formula)?
            }
            Quantized::Requantize(op) => self.requantize(op, &x, output)?,
            Quantized::Add(rule) => {
                let r = self.tensor(inputs[1]);
                self.add(rule, &x, &r, (offset, self.offset(inputs[1])), output)?
            }
            Quantized::Softmax(rule) => self.quantized_softmax(rule, &x)?,
            Quantized::Table {
                name,
                from,
                values,
                near,
            } => {
                let count = near.len() as u64;
                let operands = near.iter().take(16).map(|&q| vec![q]).collect();
                self.note_rounding(
                    output,
                    count,
                    operands,
                    "are so near a half that the last bit of a float32 function decides",
                );
                let to = self.offset(output);
                let values = values.iter().map(|v| (v - to, 0)).collect();
                let (lo, _) = from.range();
                let lo = lo - from.offset();
                self.table((*name).to_owned(), 0.0, lo, values, &x.scalars)?
            }
            Quantized::Constant(values) => {
                let to = self.offset(output);
                self.weights.diagonal.push(LinearWeights {
                    weights: vec![0; values.len()],
                    biases: values.iter().map(|v| v - to).collect(),
                });
                let private = self.emit(Op::Diagonal {
                    inputs: vec![x.scalars[0]; values.len()],
                    shift: 0,
                    activation: Activation::None,
                })?;
                // Declared widths say less of them than their type.
                match self.graph.values[output].kind {
                    Kind::Quantized(element) => self.held(&private, element)?,
                    _ => private,
                }
            }
        };
        Ok(Fixed { scalars, scale: 0 })
    }

    /// What an integer of a value exceeds its scalar by.
    pub(super) fn offset(&self, value: usize) -> i64 {
        match self.graph.values[value].kind {
            Kind::Quantized(element) => element.offset(),
            _ => 0,
        }
    }

    /// The integers behind a value that is dequantised and rearranged at most.
    pub(super) fn dequantized(&self, value: usize) -> Option<Dequantized> {
        let node = &self.graph.nodes[self.producers[value]?];
        match &node.op {
            FloatOp::Quantized(Quantized::Dequantize {
                scales,
                zeros,
                inner,
            }) => {
                let scalars = self.tensor(node.inputs[0]).scalars;
                let offset = self.offset(node.inputs[0]);
                let scale = |i: usize| scales[(i / inner) % scales.len()];
                let zero = |i: usize| zeros[(i / inner) % zeros.len()] - offset;
                Some(Dequantized {
                    scales: (0..scalars.len()).map(scale).collect(),
                    zeros: (0..scalars.len()).map(zero).collect(),
                    scalars,
                })
            }
            FloatOp::Movement(op) if node.inputs.len() == 1 => {
                let before = self.dequantized(node.inputs[0])?;
                let at = op.indices.iter().map(|&i| i as usize);
                Some(Dequantized {
                    scalars: at.clone().map(|i| before.scalars[i]).collect(),
                    scales: at.clone().map(|i| before.scales[i]).collect(),
                    zeros: at.map(|i| before.zeros[i]).collect(),
                })
            }
            _ => None,
        }
    }

    /// The same with one zero point, 0 where there were several.
    pub(super) fn with_one_zero(&mut self, of: Dequantized) -> Result<Dequantized, QuantizeError> {
        if of.zeros.iter().all(|zero| *zero == of.zeros[0]) {
            return Ok(of);
        }
        let mut made = Vec::with_capacity(of.scalars.len());
        for (zero, positions) in grouped(of.zeros.len(), |i| of.zeros[i]) {
            let operands: Vec<ScalarId> = positions.iter().map(|&i| of.scalars[i]).collect();
            let centred = Formula {
                left: 1,
                constant: -zero,
                ..Formula::ZERO
            };
            let centred = self.local(&operands, &operands, centred)?;
            made.extend(positions.into_iter().zip(centred));
        }
        Ok(Dequantized {
            scalars: in_order(made),
            zeros: vec![0; of.zeros.len()],
            scales: of.scales,
        })
    }

    /// Notes an output of a quantised network that float operators compute from dequantised integers.
    pub(super) fn note_float_tail(&mut self, output: usize) {
        let float = |id: usize| {
            let mut at = vec![id];
            while let Some(id) = at.pop() {
                let Some(maker) = self.producers[id] else {
                    continue;
                };
                let node = &self.graph.nodes[maker];
                match &node.op {
                    FloatOp::Quantized(_) => {}
                    // One positive scale keeps the order.
                    FloatOp::Movement(_) | FloatOp::ArgMax { .. } => at.extend(&node.inputs),
                    _ => return true,
                }
            }
            false
        };
        if self.graph.is_quantized() && float(output) {
            let count = self.tensor(output).scalars.len() as u64;
            self.note_rounding(
                output,
                count,
                Vec::new(),
                "numbers are computed from dequantised integers in fixed point, where onnxruntime computes in float32",
            );
        }
    }

    /// `(x - zero) scale` in fixed point, for float operators behind.
    fn dequantize(
        &mut self,
        x: &Fixed,
        scales: &[f32],
        zeros: &[i64],
        inner: usize,
        offset: i64,
    ) -> Result<Fixed, QuantizeError> {
        let target = self.options.scale_bits + 8;
        let mut made = Vec::with_capacity(x.scalars.len());
        let rule = |i: usize| {
            let channel = i / inner;
            let zero = zeros[channel % zeros.len()] - offset;
            (scales[channel % scales.len()].to_bits(), zero)
        };
        for ((bits, zero), positions) in grouped(x.scalars.len(), rule) {
            // The scale is factor 2^-(target + shift), exactly unless it is very small.
            let value = f64::from(f32::from_bits(bits));
            let exact = |shift: &u32| (value * 2f64.powi((target + shift) as i32)).fract() == 0.0;
            let shift = (0..40).find(exact).unwrap_or(40);
            let factor = (value * 2f64.powi((target + shift) as i32)).round();
            if factor >= 2f64.powi(60) {
                return Err(self.refuse("a scale is too great"));
            }
            let operands: Vec<ScalarId> = positions.iter().map(|&i| x.scalars[i]).collect();
            let centred = self.local(
                &operands,
                &operands,
                Formula {
                    left: 1,
                    constant: -zero,
                    ..Formula::ZERO
                },
            )?;
            let formula = Formula {
                left: factor as i64,
                shift,
                ..Formula::ZERO
            };
            let scaled = self.local(&centred, &centred, formula)?;
            made.extend(positions.into_iter().zip(scaled));
        }
        Ok(Fixed {
            scalars: in_order(made),
            scale: target,
        })
    }

    fn integer_layer(
        &mut self,
        layer: &IntegerLayer,
        x: &Fixed,
        offset: i64,
    ) -> Result<Vec<ScalarId>, QuantizeError> {
        let rows = layer.weights.chunks_exact(layer.inputs).zip(&layer.bias);
        let bias = rows.map(|(row, b)| {
            let sum: i64 = row.iter().map(|&w| i64::from(w)).sum();
            b + (offset - layer.zero) * sum
        });
        let weights = LinearWeights {
            weights: layer.weights.clone(),
            biases: bias.collect(),
        };
        self.count_weights(layer.weights.len())?;
        self.weights.linear.push(weights);
        let positions = x.scalars.len() / layer.inputs;
        if positions == 1 {
            return self.emit(Op::Linear {
                inputs: x.scalars.clone(),
                outputs: layer.outputs as u32,
                shift: 0,
                activation: Activation::None,
            });
        }
        let sums = self.emit(Op::Convolution {
            inputs: turned(&x.scalars, layer.inputs),
            outputs: layer.outputs as u32,
            groups: 1,
            positions: Positions::dense(positions),
            shift: 0,
            activation: Activation::None,
        })?;
        Ok(turned(&sums, positions))
    }

    fn integer_convolution(
        &mut self,
        layer: &IntegerConvolution,
        x: &Fixed,
        offset: i64,
    ) -> Result<Vec<ScalarId>, QuantizeError> {
        let op = &layer.op;
        let weights: Vec<i32> = op.weights.iter().map(|&w| w as i32).collect();
        let mut biases: Vec<i64> = op.bias.iter().map(|&b| b as i64).collect();
        let moved = offset - layer.zero;
        let inputs = if moved == 0 {
            x.scalars.clone()
        } else if op.is_full() {
            for (bias, kernel) in biases.iter_mut().zip(weights.chunks(op.kernel_len())) {
                *bias += moved * kernel.iter().map(|&w| i64::from(w)).sum::<i64>();
            }
            x.scalars.clone()
        } else {
            // Padding is the zero point, which must be 0 here.
            let centred = Formula {
                left: 1,
                constant: moved,
                ..Formula::ZERO
            };
            self.local(&x.scalars, &x.scalars, centred)?
        };
        self.count_weights(weights.len())?;
        self.weights.linear.push(LinearWeights { weights, biases });
        self.emit(Op::Convolution {
            inputs,
            outputs: op.outputs as u32,
            groups: op.groups as u32,
            positions: op.positions.clone(),
            shift: 0,
            activation: Activation::None,
        })
    }

    fn count_weights(&mut self, count: usize) -> Result<(), QuantizeError> {
        self.weight_count = self.weight_count.saturating_add(count);
        if self.weight_count > MAX_WEIGHTS {
            return Err(QuantizeError::Limit {
                what: "weights",
                limit: MAX_WEIGHTS,
            });
        }
        Ok(())
    }

    /// Sums of windows, `each` added to every element.
    fn sums(
        &mut self,
        windows: &[Vec<u32>],
        x: &Fixed,
        each: i64,
    ) -> Result<Vec<ScalarId>, QuantizeError> {
        let mut made = Vec::with_capacity(windows.len());
        for (len, positions) in grouped(windows.len(), |i| windows[i].len()) {
            let term = |k: usize| {
                let of = |&i: &usize| x.scalars[windows[i][k] as usize];
                positions.iter().map(of).collect()
            };
            let total = self.total((0..len).map(term).collect())?;
            let formula = Formula {
                left: 1,
                constant: each * len as i64,
                ..Formula::ZERO
            };
            let total = self.local(&total, &total, formula)?;
            made.extend(positions.into_iter().zip(total));
        }
        Ok(in_order(made))
    }

    fn requantize(
        &mut self,
        op: &Requantize,
        x: &Fixed,
        output: usize,
    ) -> Result<Vec<ScalarId>, QuantizeError> {
        let mut made = Vec::with_capacity(x.scalars.len());
        // Formulas by rule and domain, and the number of each scalar's.
        let mut known: HashMap<([u32; 4], (i64, i64)), usize> = HashMap::new();
        let mut fits: Vec<Fit<i64>> = Vec::new();
        let mut of = Vec::with_capacity(x.scalars.len());
        for (i, &id) in x.scalars.iter().enumerate() {
            let rule = op.rule(i);
            let interval = self.interval(id);
            // Declared ranges keep scalars below 2^61.
            let domain = (interval.lo as i64, interval.hi as i64);
            let number = match known.get(&(rule.key(), domain)) {
                Some(&number) => number,
                None => {
                    let fit = self.steps(op, rule, domain, output);
                    let same = fits
                        .iter()
                        .position(|f| (f.formula, &f.thresholds) == (fit.formula, &fit.thresholds));
                    let number = same.unwrap_or(fits.len());
                    if number == fits.len() {
                        fits.push(fit);
                    }
                    known.insert((rule.key(), domain), number);
                    number
                }
            };
            of.push(number);
        }
        for (number, positions) in grouped(of.len(), |i| of[i]) {
            let operands: Vec<ScalarId> = positions.iter().map(|&i| x.scalars[i]).collect();
            let Fit {
                formula,
                thresholds,
                ..
            } = &fits[number];
            let mut rounded = self.stepped(*formula, &operands, None, (0, 0), op.element)?;
            if let Some(thresholds) = thresholds {
                rounded = self.corrected(&rounded, &operands, thresholds, op.element)?;
            }
            made.extend(positions.into_iter().zip(rounded));
        }
        let rounded = in_order(made);
        self.held(&rounded, op.element)
    }

    /// `h + [a >= t_(h+1)]`, h held to the type's range less its greatest value.
    fn corrected(
        &mut self,
        below: &[ScalarId],
        sums: &[ScalarId],
        thresholds: &[i64],
        element: Element,
    ) -> Result<Vec<ScalarId>, QuantizeError> {
        let (lo, hi) = element.range();
        let (lo, hi) = (lo - element.offset(), hi - element.offset());
        let below = self.clamp_where_needed(below, lo, hi - 1)?;
        let mut entries: Vec<(i64, i64)> = thresholds.iter().map(|t| (*t, 0)).collect();
        let last = entries[entries.len() - 1];
        entries.resize(entries.len().next_power_of_two(), last);
        let next = self.table("thresholds".into(), 0.0, lo, entries, &below)?;
        let reached = Formula {
            activation: Activation::Sign,
            ..DIFFERENCE
        };
        let reached = self.local(sums, &next, reached)?;
        self.local(&below, &reached, SUM)
    }

    /// The formula of one rule; what it does not give is noted for the report.
    fn steps(
        &mut self,
        op: &Requantize,
        rule: Rule,
        domain: (i64, i64),
        output: usize,
    ) -> Fit<i64> {
        let f = |a: i64| rule.at(a, op.zero, op.element);
        let steps = Steps {
            domain,
            bounds: op.element.range(),
            slope: rule.factor(),
            zero: op.zero,
            f: &f,
        };
        let fit = steps.fit();
        let operands = fit.differing.iter().map(|&a| vec![a]).collect();
        self.note_rounding(output, fit.count, operands, "differ by one unit");
        if let Rule::Mean { .. } = rule {
            let near = steps.near(rule.mean_error(op.element));
            let count = near.len() as u64;
            let operands = near.into_iter().take(16).map(|a| vec![a]).collect();
            self.note_rounding(
                output,
                count,
                operands,
                "are so near a half that the order of float32 additions may decide otherwise",
            );
        }
        fit
    }

    fn add(
        &mut self,
        rule: &AddRule,
        l: &Fixed,
        r: &Fixed,
        offsets: (i64, i64),
        output: usize,
    ) -> Result<Vec<ScalarId>, QuantizeError> {
        let PairFit { fit, table } = PairSteps {
            domain: rule.element.range(),
            bounds: rule.element.range(),
            slopes: (rule.left.into(), rule.right.into()),
            fixed: rule.fixed.into(),
            f: &|l, r| rule.at(l, r),
        }
        .fit();
        let operands = fit.differing.iter().map(|&(l, r)| vec![l, r]).collect();
        self.note_rounding(output, fit.count, operands, "differ by one unit");
        let (right, offsets) = match table {
            None => (r.scalars.clone(), offsets),
            Some(table) => {
                let lo = rule.element.range().0 - offsets.1;
                let entries = table.into_iter().map(|v| (v, 0)).collect();
                let share = self.table("QLinearAdd".into(), 0.0, lo, entries, &r.scalars)?;
                (share, (offsets.0, 0))
            }
        };
        let sum = self.stepped(fit.formula, &l.scalars, Some(&right), offsets, rule.element)?;
        self.held(&sum, rule.element)
    }

    fn note_rounding(&mut self, output: usize, count: u64, operands: Vec<Vec<i64>>, what: &str) {
        if count > 0 {
            self.roundings.push(RoundingDifference {
                value: self.graph.values[output].name.clone(),
                count,
                what: what.to_owned(),
                operands,
            });
        }
    }

    /// A formula on integers that exceed their scalars by `offsets`, less the result's offset.
    fn stepped(
        &mut self,
        formula: StepFormula,
        left: &[ScalarId],
        right: Option<&[ScalarId]>,
        offsets: (i64, i64),
        element: Element,
    ) -> Result<Vec<ScalarId>, QuantizeError> {
        let (m, n) = formula.factors;
        let (shift, moved) = (formula.shift, m * offsets.0 + n * offsets.1);
        // round_shift adds a half.
        let half = if shift > 0 { 1i64 << (shift - 1) } else { 0 };
        let result = (element.offset() << shift) + half;
        let weighted = Formula {
            left: m,
            right: n,
            shift,
            ..Formula::ZERO
        };
        let right = right.unwrap_or(left);
        if formula.parity == (0, 0) {
            let floor = Formula {
                constant: formula.constant + moved - result,
                ..weighted
            };
            return self.local(left, right, floor);
        }
        let below = Formula {
            constant: formula.constant_below() + moved - half,
            ..weighted
        };
        let below = self.local(left, right, below)?;
        // floor(x / 2), and from it the last bit.
        let halved = Formula {
            left: 1,
            constant: -1,
            shift: 1,
            ..Formula::ZERO
        };
        let halved = self.local(&below, &below, halved)?;
        let bit = Formula {
            left: 1,
            right: -2,
            ..Formula::ZERO
        };
        let bit = self.local(&below, &halved, bit)?;
        let (slope, added) = formula.parity;
        let constant = formula.constant + moved - result;
        let (operand, factor, constant) = if n == 0 {
            (left.to_vec(), m, constant)
        } else {
            let sum = Formula {
                shift: 0,
                ..weighted
            };
            (self.local(left, right, sum)?, 1, constant)
        };
        // D belongs to formulas of one operand alone, whose offset is 0.
        let with_bit = Formula {
            product: slope,
            left: factor,
            right: added,
            constant,
            shift,
            ..Formula::ZERO
        };
        self.local(&operand, &bit, with_bit)
    }

    /// Held to the type's range.
    fn held(
        &mut self,
        scalars: &[ScalarId],
        element: Element,
    ) -> Result<Vec<ScalarId>, QuantizeError> {
        let (lo, hi) = element.range();
        self.clamp_where_needed(scalars, lo - element.offset(), hi - element.offset())
    }

    /// A table with one entry for each operand from `lo` on, its entries rounded by `max_abs` at most.
    fn table(
        &mut self,
        name: String,
        max_abs: f64,
        lo: i64,
        segments: Vec<(i64, i64)>,
        operands: &[ScalarId],
    ) -> Result<Vec<ScalarId>, QuantizeError> {
        let table = FunctionTable {
            name,
            lo,
            segment_bits: 0,
            segments,
            shift: 0,
        };
        let known = self.functions.iter().position(|known| *known == table);
        let number = known.unwrap_or_else(|| {
            let error = FunctionError {
                name: table.name.clone(),
                segments: table.segments.len(),
                max_abs,
            };
            self.deviations.tables.push(TableError::exact(&error));
            self.function_errors.push(error);
            self.functions.push(table);
            self.functions.len() - 1
        });
        self.emit(Op::Function {
            inputs: operands.to_vec(),
            function: number as u32,
        })
    }

    /// `rint(levels e_i / sum e)`, e with [`EXP_BITS`] fractional bits.
    fn quantized_softmax(
        &mut self,
        rule: &SoftmaxRule,
        x: &Fixed,
    ) -> Result<Vec<ScalarId>, QuantizeError> {
        let len = rule.axis.len;
        let groups: Vec<Vec<usize>> = rule.axis.groups().collect();
        let x = self.along(&rule.axis, x);
        let maxima = self.running_max(&x)?;
        let greatest = maxima.steps.last().cloned().unwrap_or_default();
        let greatest = self.held(&greatest, rule.element)?;
        let all: Vec<ScalarId> = x.iter().flatten().copied().collect();
        let repeated = |scalars: &[ScalarId]| scalars.repeat(len);
        let below = self.local(&all, &repeated(&greatest), DIFFERENCE)?;
        let (lo, hi) = rule.element.range();
        let below = self.clamp_where_needed(&below, lo - hi, 0)?;
        let unit = 2f64.powi(EXP_BITS as i32);
        let e = |d: i64| (unit * (d as f64 * f64::from(rule.scale)).exp()).round() as i64;
        let table = (lo - hi..=0).map(|d| (e(d), 0)).collect();
        let name = format!("exp of {} times", rule.scale);
        let e = self.table(name, 0.5 / unit, lo - hi, table, &below)?;

        let terms = e.chunks_exact(groups.len()).map(<[ScalarId]>::to_vec);
        let total = self.total(terms.collect())?;
        // One summand is the unit; intervals do not see it.
        let total = self.clamp_where_needed(&total, 1 << EXP_BITS, i64::MAX >> 3)?;
        let numerators = self.local(
            &e,
            &e,
            Formula {
                left: rule.levels,
                ..Formula::ZERO
            },
        )?;
        let denominators = repeated(&total);
        let nearest = self.emit(Op::Divide {
            numerators: numerators.clone(),
            denominators: denominators.clone(),
            scale_bits: 0,
        })?;
        let nearest = self.clamp_where_needed(&nearest, 0, rule.levels)?;
        let quotients = self.ties_to_even(&numerators, &denominators, &nearest)?;
        // Intervals do not see that only an odd quotient is lowered.
        let quotients = self.clamp_where_needed(&quotients, 0, rule.levels)?;
        // What is stored for each quotient: a table where signed results may wrap.
        let offset = rule.element.offset();
        let stored: Vec<i64> = (0..=rule.levels).map(|q| rule.stored(q)).collect();
        let wraps = stored.windows(2).any(|pair| pair[1] < pair[0]);
        let results = if wraps {
            let mut table: Vec<(i64, i64)> = stored.iter().map(|s| (s - offset, 0)).collect();
            let last = table[table.len() - 1];
            table.resize(table.len().next_power_of_two(), last);
            self.table("stored softmax".into(), 0.0, 0, table, &quotients)?
        } else {
            let moved = Formula {
                left: 1,
                constant: rule.zero - offset,
                ..Formula::ZERO
            };
            let moved = self.local(&quotients, &quotients, moved)?;
            self.held(&moved, rule.element)?
        };
        let mut scalars = vec![0; results.len()];
        for (k, step) in results.chunks_exact(groups.len()).enumerate() {
            for (group, &q) in groups.iter().zip(step) {
                scalars[group[k]] = q;
            }
        }
        Ok(scalars)
    }

    /// `floor(n / d + 1/2)` less one where n / d lies exactly half a unit below and it is odd.
    fn ties_to_even(
        &mut self,
        numerators: &[ScalarId],
        denominators: &[ScalarId],
        nearest: &[ScalarId],
    ) -> Result<Vec<ScalarId>, QuantizeError> {
        // 2 n + d - 2 q d >= 0, and 0 at a tie.
        let doubled = Formula {
            left: 2,
            right: 1,
            ..Formula::ZERO
        };
        let doubled = self.local(numerators, denominators, doubled)?;
        let taken = Formula {
            product: 2,
            ..Formula::ZERO
        };
        let taken = self.local(nearest, denominators, taken)?;
        let tie = Formula {
            left: -1,
            right: 1,
            activation: Activation::Sign,
            ..Formula::ZERO
        };
        let tie = self.local(&doubled, &taken, tie)?;
        let halved = Formula {
            left: 1,
            constant: -1,
            shift: 1,
            ..Formula::ZERO
        };
        let halved = self.local(nearest, nearest, halved)?;
        let odd = Formula {
            left: 1,
            right: -2,
            ..Formula::ZERO
        };
        let odd = self.local(nearest, &halved, odd)?;
        let both = Formula {
            product: 1,
            ..Formula::ZERO
        };
        let both = self.local(&tie, &odd, both)?;
        self.local(nearest, &both, DIFFERENCE)
    }
}

/// Positions by key, in the order in which the keys appear.
fn grouped<K: Copy + Eq + std::hash::Hash>(
    len: usize,
    key: impl Fn(usize) -> K,
) -> Vec<(K, Vec<usize>)> {
    let mut groups: Vec<(K, Vec<usize>)> = Vec::new();
    let mut number: HashMap<K, usize> = HashMap::new();
    for i in 0..len {
        let at = *number.entry(key(i)).or_insert_with(|| {
            groups.push((key(i), Vec::new()));
            groups.len() - 1
        });
        groups[at].1.push(i);
    }
    groups
}

fn in_order(mut made: Vec<(usize, ScalarId)>) -> Vec<ScalarId> {
    made.sort_unstable();
    made.into_iter().map(|(_, id)| id).collect()
}
