//! Lowers the integer skeleton to slots: one slot for each committed integer of one row.
//!
//! A slot holds a value `a` and says where it comes from ([`Source`]) and how it is bound and
//! range-checked ([`Form`]). Linear layers with private weights read slots where they lie (their
//! weights sit in the outside columns on the slot's row); local operations read other slots
//! through the copy lookup. Every slot carries the interval that its constraints *prove*; lane widths
//! are computed from these intervals alone (SOUNDNESS condition 10).
//!
//! Rewrites, all exact:
//! * clamp: `u = relu(x - lo)`, `v = relu(hi - lo - u)`, `out = hi - v`;
//! * divide: quotient p as a witness with `0 <= 2^(s+1) num + den - 2 den p <= 2 den - 1`;
//! * function: `x - lo = 2^t seg + offset`, `(seg, c0, c1)` in the table, `y = c0 + c1 offset`;
//! * a sign over a linear accumulator that nothing else reads skips the requantisation:
//!   `floor((y + half) / 2^s) + c >= 0  <=>  y + half + c 2^s >= 0`.

use std::collections::HashMap;

use crate::quantize::skeleton::{Activation, Op, ScalarId, Skeleton};

use super::CircuitError;

/// Index of a slot.
pub(crate) type SlotId = usize;

/// Where a slot's accumulator comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Scalar `index` of the model's input, bound to the input commitment.
    Input { index: usize },
    /// Output `output` of linear layer `layer`.
    Linear { layer: usize, output: usize },
    /// `product l r + left_factor l + right_factor r + constant`.
    Local {
        left: SlotId,
        right: SlotId,
        product: i64,
        left_factor: i64,
        right_factor: i64,
        constant: i64,
    },
    /// Tabled function `function` of an operand, before its shift.
    Function { function: usize, operand: SlotId },
    /// The rounded quotient of two slots, a witness.
    Quotient {
        numerator: SlotId,
        denominator: SlotId,
        scale_bits: u32,
    },
}

/// How a slot's value follows from its accumulator y, and what is range-checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Form {
    /// `a = y`, no range check (the interval follows from the operands').
    Plain,
    /// `y + half = 2^shift a + R`, `a + 2^(bits-1) = E`. Inputs have no y.
    Signed { shift: u32, bits: u32 },
    /// `a = y = E`, or a witness `a = E`.
    Unsigned { bits: u32 },
    /// `y + half = 2^shift (2a - E) + R`, `a (E - a) = 0`: `a = relu(q)`, `E = |q|`.
    Relu { shift: u32, bits: u32 },
    /// `a` a bit, `(2a - 1)(y + offset) + a - 1 = E' >= 0`: `a = [y + offset >= 0]`.
    Sign { offset: i128, bits: u32 },
}

impl Form {
    /// Bits of E (for `Sign`, of E and R together).
    pub(crate) fn bits(self) -> u32 {
        match self {
            Form::Plain => 0,
            Form::Signed { bits, .. }
            | Form::Unsigned { bits }
            | Form::Relu { bits, .. }
            | Form::Sign { bits, .. } => bits,
        }
    }
    /// Bits of R.
    pub(crate) fn shift(self) -> u32 {
        match self {
            Form::Signed { shift, .. } | Form::Relu { shift, .. } => shift,
            _ => 0,
        }
    }
}

/// An inclusive interval of integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) lo: i128,
    pub(crate) hi: i128,
}

impl Interval {
    fn magnitude(self) -> i128 {
        self.lo.abs().max(self.hi.abs())
    }
}

/// One integer of one row.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) source: Source,
    pub(crate) form: Form,
    /// What the constraints prove of `a`.
    pub(crate) proven: Interval,
}

/// Which private weights a layer uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WeightRef {
    /// Entry of `PrivateWeights::linear`.
    Linear(usize),
    /// Entry of `PrivateWeights::diagonal`, laid out as a dense matrix.
    Diagonal(usize),
}

/// A private linear layer over slots.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    /// Slots read, each read by this layer alone and once.
    pub(crate) inputs: Vec<SlotId>,
    /// Slots made.
    pub(crate) outputs: Vec<SlotId>,
    /// Where its private weights are.
    pub(crate) weights: WeightRef,
    /// Width of one lane in bits.
    pub(crate) lane_bits: u32,
    /// Outputs packed in one cell.
    pub(crate) lanes: usize,
}

impl Layer {
    /// Cells per input: outputs / lanes, rounded up.
    pub(crate) fn groups(&self) -> usize {
        self.outputs.len().div_ceil(self.lanes)
    }
}

/// The lowered program of one row.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) slots: Vec<Slot>,
    pub(crate) layers: Vec<Layer>,
    /// Slot of each released scalar.
    pub(crate) released: Vec<SlotId>,
    /// Slot of each input scalar.
    pub(crate) inputs: Vec<SlotId>,
    /// Number of weight rows that hold a bias: digits of `weight_bits` bits.
    pub(crate) bias_digits: usize,
    pub(crate) weight_bits: u32,
}

/// Largest field capacity used by packed lanes: sums of lanes stay below the modulus.
const PACKED_BITS: u32 = 252;
/// Accumulators must fit comfortably in i128.
const MAX_BITS: u32 = 120;

/// Bits needed to hold values 0..=max.
fn bits_of(max: i128) -> u32 {
    128 - max.leading_zeros()
}

struct Lowering<'a> {
    skeleton: &'a Skeleton,
    limb_bits: u32,
    weight_bits: u32,
    slots: Vec<Slot>,
    layers: Vec<Layer>,
    /// Slot that holds a scalar.
    home: HashMap<ScalarId, SlotId>,
    bias_digits: usize,
}

impl Program {
    /// Lowers `skeleton` for limbs of `limb_bits` bits and weights proven to lie in `[-2^weight_bits,
    /// 2^weight_bits)`. Deterministic: a function of its arguments alone.
    pub(crate) fn lower(
        skeleton: &Skeleton,
        limb_bits: u32,
        weight_bits: u32,
    ) -> Result<Program, CircuitError> {
        if weight_bits < skeleton.weight_bits {
            return Err(CircuitError::Params {
                reason: "the weight digits hold fewer bits than the skeleton declares".into(),
            });
        }
        let scalars = ScalarTable::new(skeleton);
        let bias_digits = (skeleton.bias_bits.max(1)).div_ceil(weight_bits) as usize;
        let mut lowering = Lowering {
            skeleton,
            limb_bits,
            weight_bits,
            slots: vec![],
            layers: vec![],
            home: HashMap::new(),
            bias_digits,
        };
        let mut inputs = vec![];
        for (index, spec) in scalars.inputs.iter().enumerate() {
            let range_bits = skeleton.inputs[*spec].range_bits;
            // An input's width is exact: a partial limb is checked with its shadow.
            let bits = range_bits + 1;
            let bound = 1i128 << range_bits;
            let slot = lowering.push(
                Source::Input { index },
                Form::Signed { shift: 0, bits },
                Interval {
                    lo: -bound,
                    hi: bound - 1,
                },
            );
            lowering.home.insert(index as ScalarId, slot);
            inputs.push(slot);
        }
        let (mut linear, mut diagonal) = (0, 0);
        for (index, op) in skeleton.ops.iter().enumerate() {
            let weights = match op {
                Op::Linear { .. } => {
                    linear += 1;
                    linear - 1
                }
                Op::Diagonal { .. } => {
                    diagonal += 1;
                    diagonal - 1
                }
                _ => 0,
            };
            if scalars.live[index] {
                lowering.op(index, op, scalars.first[index], &scalars, weights)?;
            }
        }
        let released: Vec<SlotId> = skeleton.released.iter().map(|s| lowering.home[s]).collect();
        if lowering.layers.is_empty() {
            return Err(CircuitError::NothingPrivate);
        }
        let mut program = Program {
            slots: lowering.slots,
            layers: lowering.layers,
            released,
            inputs,
            bias_digits,
            weight_bits,
        };
        program.separate_readers();
        Ok(program)
    }

    /// Gives every (layer, position) a slot of its own in the zone that it needs: a slot read twice by
    /// linear layers, or made by a layer that does not directly precede its reader, is copied.
    fn separate_readers(&mut self) {
        let mut taken = vec![false; self.slots.len()];
        // Released slots lie in zone 0, each once, in the order of release. The powers of a layer's outputs
        // run down the rows, so the last layer's outputs stay in place only as far as they are released in
        // their own order, from the first on.
        let mut in_place = 0;
        for i in 0..self.released.len() {
            let slot = self.released[i];
            let at_the_end = match self.slots[slot].source {
                Source::Linear { layer, output }
                    if layer + 1 == self.layers.len() && output == in_place =>
                {
                    in_place += 1;
                    true
                }
                Source::Linear { .. } => false,
                Source::Input { .. } => false,
                _ => true,
            };
            if taken[slot] || !at_the_end {
                self.released[i] = self.copy(slot, &mut taken);
            }
            taken[self.released[i]] = true;
        }
        for layer in 0..self.layers.len() {
            for position in 0..self.layers[layer].inputs.len() {
                let slot = self.layers[layer].inputs[position];
                let adjacent = match self.slots[slot].source {
                    Source::Linear { layer: from, .. } => from + 1 == layer,
                    Source::Input { .. } => layer == 0,
                    _ => true,
                };
                let slot = if taken[slot] || !adjacent {
                    self.copy(slot, &mut taken)
                } else {
                    slot
                };
                self.layers[layer].inputs[position] = slot;
                taken[slot] = true;
            }
        }
    }

    fn copy(&mut self, slot: SlotId, taken: &mut Vec<bool>) -> SlotId {
        self.slots.push(Slot {
            source: Source::Local {
                left: slot,
                right: slot,
                product: 0,
                left_factor: 1,
                right_factor: 0,
                constant: 0,
            },
            form: Form::Plain,
            proven: self.slots[slot].proven,
        });
        taken.push(false);
        self.slots.len() - 1
    }

    /// Whether any slot reads another through the copy lookup.
    pub(crate) fn has_reads(&self) -> bool {
        self.slots
            .iter()
            .any(|s| matches!(s.source, Source::Local { .. } | Source::Function { .. }))
    }

    /// Functions in use, ascending.
    pub(crate) fn functions(&self) -> Vec<usize> {
        let mut used: Vec<usize> = self
            .slots
            .iter()
            .filter_map(|s| match s.source {
                Source::Function { function, .. } => Some(function),
                _ => None,
            })
            .collect();
        used.sort_unstable();
        used.dedup();
        used
    }
}

/// What the lowering needs to know of the scalars.
struct ScalarTable {
    /// For each input scalar its input spec.
    inputs: Vec<usize>,
    /// First scalar made by each operation.
    first: Vec<ScalarId>,
    /// Whether a released scalar depends on the operation.
    live: Vec<bool>,
    /// How many times live operations (and the release) read each scalar.
    uses: Vec<u32>,
}

impl ScalarTable {
    fn new(skeleton: &Skeleton) -> Self {
        let inputs: Vec<usize> = skeleton
            .inputs
            .iter()
            .enumerate()
            .flat_map(|(i, spec)| {
                std::iter::repeat_n(i, spec.shape.iter().map(|d| *d as usize).product())
            })
            .collect();
        let mut next = inputs.len() as ScalarId;
        let mut first = vec![];
        let mut producer = vec![usize::MAX; inputs.len()];
        for (index, op) in skeleton.ops.iter().enumerate() {
            first.push(next);
            let made = op.made() as ScalarId;
            next += made;
            producer.extend(std::iter::repeat_n(index, op.made()));
        }
        let mut live = vec![false; skeleton.ops.len()];
        let mut uses = vec![0; next as usize];
        for &s in &skeleton.released {
            uses[s as usize] += 1;
            if producer[s as usize] != usize::MAX {
                live[producer[s as usize]] = true;
            }
        }
        for index in (0..skeleton.ops.len()).rev() {
            if !live[index] {
                continue;
            }
            for &s in skeleton.ops[index].operands().flatten() {
                uses[s as usize] += 1;
                if producer[s as usize] != usize::MAX {
                    live[producer[s as usize]] = true;
                }
            }
        }
        ScalarTable {
            inputs,
            first,
            live,
            uses,
        }
    }
}

impl Lowering<'_> {
    fn push(&mut self, source: Source, form: Form, proven: Interval) -> SlotId {
        self.slots.push(Slot {
            source,
            form,
            proven,
        });
        self.slots.len() - 1
    }

    /// Rounds a width up to whole limbs.
    fn whole_limbs(&self, bits: u32) -> u32 {
        bits.max(1).div_ceil(self.limb_bits) * self.limb_bits
    }

    /// The form and proven interval of `act(round_shift(y, shift))` for y in `y`.
    fn form(
        &self,
        y: Interval,
        shift: u32,
        activation: Activation,
    ) -> Result<(Form, Interval), CircuitError> {
        let half = if shift > 0 { 1i128 << (shift - 1) } else { 0 };
        let q = Interval {
            lo: (y.lo + half) >> shift,
            hi: (y.hi + half) >> shift,
        };
        if shift > 40 || bits_of(q.magnitude()) + self.limb_bits > MAX_BITS {
            return Err(CircuitError::TooWide {
                bits: bits_of(q.magnitude()) + self.limb_bits,
            });
        }
        // Once the cells' ranges keep lanes apart, y is the true accumulator and the slot's value follows from it:
        // what is proven of the value is the interval of the truth, not the wider one of whole limbs.
        let (form, proven) = match activation {
            Activation::Relu => {
                let bits = self.whole_limbs(bits_of(q.magnitude()));
                (
                    Form::Relu { shift, bits },
                    Interval {
                        lo: q.lo.max(0),
                        hi: q.hi.max(0),
                    },
                )
            }
            Activation::None => {
                let bits = self.whole_limbs(bits_of(q.magnitude()) + 1);
                (Form::Signed { shift, bits }, q)
            }
            Activation::Sign => {
                let bits = self.whole_limbs(bits_of((y.lo + half).abs().max((y.hi + half).abs())));
                (Form::Sign { offset: half, bits }, Interval { lo: 0, hi: 1 })
            }
        };
        if form.bits() + shift > MAX_BITS {
            return Err(CircuitError::TooWide {
                bits: form.bits() + shift,
            });
        }
        Ok((form, proven))
    }

    fn local(
        &mut self,
        source: Source,
        shift: u32,
        activation: Activation,
        ranged: bool,
    ) -> Result<SlotId, CircuitError> {
        let Source::Local {
            left,
            right,
            product,
            left_factor,
            right_factor,
            constant,
        } = source
        else {
            unreachable!("only called with local sources")
        };
        let (l, r) = (self.slots[left].proven, self.slots[right].proven);
        let y = local_interval(
            l,
            r,
            left == right,
            product,
            left_factor,
            right_factor,
            constant,
        )?;
        if !ranged {
            return Ok(self.push(source, Form::Plain, y));
        }
        let (form, proven) = self.form(y, shift, activation)?;
        Ok(self.push(source, form, proven))
    }

    fn op(
        &mut self,
        index: usize,
        op: &Op,
        first: ScalarId,
        scalars: &ScalarTable,
        weights: usize,
    ) -> Result<(), CircuitError> {
        match op {
            Op::Linear {
                inputs,
                outputs,
                shift,
                activation,
            } => self.linear(
                index,
                inputs,
                *outputs,
                *shift,
                *activation,
                first,
                scalars,
                WeightRef::Linear(weights),
            ),
            Op::Diagonal {
                inputs,
                shift,
                activation,
            } => {
                let outputs = inputs.len() as u32;
                self.linear(
                    index,
                    inputs,
                    outputs,
                    *shift,
                    *activation,
                    first,
                    scalars,
                    WeightRef::Diagonal(weights),
                )
            }
            Op::Local {
                left,
                right,
                product,
                left_factor,
                right_factor,
                constant,
                shift,
                activation,
            } => {
                for (i, (l, r)) in left.iter().zip(right).enumerate() {
                    let id = first + i as ScalarId;
                    if self.home.contains_key(&id) {
                        continue; // fused into its linear operand
                    }
                    let source = Source::Local {
                        left: self.home[l],
                        right: self.home[r],
                        product: *product,
                        left_factor: *left_factor,
                        right_factor: *right_factor,
                        constant: *constant,
                    };
                    let ranged = *shift > 0 || *activation != Activation::None;
                    let slot = self.local(source, *shift, *activation, ranged)?;
                    self.home.insert(id, slot);
                }
                Ok(())
            }
            Op::Clamp { inputs, lo, hi } => {
                // Differences of the bounds must not wrap.
                let limit = 1i64 << 61;
                if !(-limit..=limit).contains(lo) || !(*lo..=limit).contains(hi) {
                    return Err(CircuitError::TooWide { bits: 64 });
                }
                for (i, s) in inputs.iter().enumerate() {
                    let x = self.home[s];
                    let affine = |left, left_factor, constant| Source::Local {
                        left,
                        right: left,
                        product: 0,
                        left_factor,
                        right_factor: 0,
                        constant,
                    };
                    let u = self.local(affine(x, 1, -lo), 0, Activation::Relu, true)?;
                    let v = self.local(affine(u, -1, hi - lo), 0, Activation::Relu, true)?;
                    // v <= hi - lo holds for the true value, u >= 0 being proven.
                    self.slots[v].proven.hi = self.slots[v].proven.hi.min((*hi - *lo) as i128);
                    let out = self.local(affine(v, -1, *hi), 0, Activation::None, false)?;
                    self.home.insert(first + i as ScalarId, out);
                }
                Ok(())
            }
            Op::Function { inputs, function } => {
                let table = &self.skeleton.functions[*function as usize];
                let width = (table.segments.len() as i128) << table.segment_bits;
                let (lo, hi) = (table.lo as i128, table.lo as i128 + width - 1);
                let t_max = (1i128 << table.segment_bits) - 1;
                let mut y = Interval {
                    lo: i128::MAX,
                    hi: i128::MIN,
                };
                for (c0, c1) in &table.segments {
                    for v in [*c0 as i128, *c0 as i128 + *c1 as i128 * t_max] {
                        y = Interval {
                            lo: y.lo.min(v),
                            hi: y.hi.max(v),
                        };
                    }
                }
                let shift = table.shift;
                for (i, s) in inputs.iter().enumerate() {
                    let operand = self.home[s];
                    let x = self.slots[operand].proven;
                    if x.lo < lo || x.hi > hi {
                        return Err(CircuitError::FunctionDomain {
                            function: table.name.clone(),
                        });
                    }
                    let raw = self.push(
                        Source::Function {
                            function: *function as usize,
                            operand,
                        },
                        Form::Plain,
                        y,
                    );
                    let source = Source::Local {
                        left: raw,
                        right: raw,
                        product: 0,
                        left_factor: 1,
                        right_factor: 0,
                        constant: 0,
                    };
                    let half = if shift > 0 { 1i128 << (shift - 1) } else { 0 };
                    let slot = if shift > 0 {
                        self.local(source, shift, Activation::None, true)?
                    } else {
                        raw
                    };
                    // The table bounds the result more closely than whole limbs do.
                    self.slots[slot].proven = Interval {
                        lo: (y.lo + half) >> shift,
                        hi: (y.hi + half) >> shift,
                    };
                    self.home.insert(first + i as ScalarId, slot);
                }
                Ok(())
            }
            Op::Divide {
                numerators,
                denominators,
                scale_bits,
            } => {
                for (i, (n, d)) in numerators.iter().zip(denominators).enumerate() {
                    let slot = self.divide(self.home[n], self.home[d], *scale_bits)?;
                    self.home.insert(first + i as ScalarId, slot);
                }
                Ok(())
            }
        }
    }

    /// `Sum_t 2^(w t) W` over the bias digits: the greatest bias that the rows can hold.
    fn bias_bound(&self) -> i128 {
        (0..self.bias_digits as u32)
            .map(|t| 1i128 << (self.weight_bits * (t + 1)))
            .sum()
    }

    #[allow(clippy::too_many_arguments)] // one linear operation, spelled out
    fn linear(
        &mut self,
        index: usize,
        inputs: &[ScalarId],
        outputs: u32,
        shift: u32,
        activation: Activation,
        first: ScalarId,
        scalars: &ScalarTable,
        weights: WeightRef,
    ) -> Result<(), CircuitError> {
        let w = 1i128 << self.weight_bits;
        let slots: Vec<SlotId> = inputs.iter().map(|s| self.home[s]).collect();
        let mut bound = self.bias_bound();
        for &slot in &slots {
            bound = checked(
                bound.checked_add(checked(w.checked_mul(self.slots[slot].proven.magnitude()))?),
            )?;
        }
        let truth = Interval {
            lo: -bound,
            hi: bound,
        };
        let layer = self.layers.len();
        let mut made = vec![];
        let mut claimed = bound;
        for j in 0..outputs as usize {
            let scalar = first + j as ScalarId;
            let fused = if activation == Activation::None {
                self.fused_sign(index, scalar, scalars)
            } else {
                None
            };
            let (form, proven) = match fused {
                Some((_, constant)) => {
                    let half = if shift > 0 { 1i128 << (shift - 1) } else { 0 };
                    let offset = half + checked((constant as i128).checked_mul(1i128 << shift))?;
                    let bits = self.whole_limbs(bits_of(checked(bound.checked_add(offset.abs()))?));
                    if bits > MAX_BITS {
                        return Err(CircuitError::TooWide { bits });
                    }
                    (Form::Sign { offset, bits }, Interval { lo: 0, hi: 1 })
                }
                None => self.form(truth, shift, activation)?,
            };
            // Greatest |y| that the slot's cells can claim.
            let reach = match form {
                Form::Sign { offset, bits } => (1i128 << bits) + offset.abs() + 1,
                _ => (1i128 << (form.bits() + shift)) + (1i128 << shift),
            };
            if bits_of(reach) > MAX_BITS {
                return Err(CircuitError::TooWide {
                    bits: bits_of(reach),
                });
            }
            claimed = claimed.max(reach);
            let slot = self.push(Source::Linear { layer, output: j }, form, proven);
            made.push(slot);
            self.home
                .insert(fused.map_or(scalar, |(user, _)| user), slot);
        }
        // |claimed y - true y| < 2^lane_bits, so lanes cannot borrow from one another.
        let lane_bits = bits_of(claimed + bound) + 1;
        let lanes = ((PACKED_BITS / lane_bits) as usize).clamp(1, made.len());
        self.layers.push(Layer {
            inputs: slots,
            outputs: made,
            weights,
            lane_bits,
            lanes,
        });
        Ok(())
    }

    /// The sign operation that alone reads `scalar`, if there is one: its scalar and its constant.
    fn fused_sign(
        &self,
        index: usize,
        scalar: ScalarId,
        scalars: &ScalarTable,
    ) -> Option<(ScalarId, i64)> {
        for later in index + 1..self.skeleton.ops.len() {
            let Op::Local {
                left,
                right,
                product: 0,
                left_factor: 1,
                right_factor: 0,
                constant,
                shift: 0,
                activation: Activation::Sign,
            } = &self.skeleton.ops[later]
            else {
                continue;
            };
            for (i, l) in left.iter().enumerate() {
                let reads = 1 + u32::from(right[i] == scalar);
                if *l == scalar && scalars.live[later] && scalars.uses[scalar as usize] == reads {
                    return Some((scalars.first[later] + i as ScalarId, *constant));
                }
            }
        }
        None
    }

    fn divide(
        &mut self,
        num: SlotId,
        den: SlotId,
        scale_bits: u32,
    ) -> Result<SlotId, CircuitError> {
        let (n, d) = (self.slots[num].proven, self.slots[den].proven);
        // p <= num 2^s / den + 1/2, den >= 1
        let d_min = d.lo.max(1);
        let p_max = checked(n.hi.max(0).checked_mul(1i128 << scale_bits))? / d_min + 1;
        let bits = self.whole_limbs(bits_of(p_max));
        let p = self.push(
            Source::Quotient {
                numerator: num,
                denominator: den,
                scale_bits,
            },
            Form::Unsigned { bits },
            Interval {
                lo: 0,
                hi: (1i128 << bits) - 1,
            },
        );
        let pair = |left, right, product, left_factor, right_factor, constant| Source::Local {
            left,
            right,
            product,
            left_factor,
            right_factor,
            constant,
        };
        let scaled = self.local(
            pair(num, den, 0, 1i64 << (scale_bits + 1), 1, 0),
            0,
            Activation::None,
            false,
        )?;
        let taken = self.local(pair(p, den, 2, 0, 0, 0), 0, Activation::None, false)?;
        let bits = self.whole_limbs(bits_of(checked(d.hi.max(1).checked_mul(2))?));
        let ranged = Interval {
            lo: 0,
            hi: (1i128 << bits) - 1,
        };
        let rem = self.push(
            pair(scaled, taken, 0, 1, -1, 0),
            Form::Unsigned { bits },
            ranged,
        );
        self.push(
            pair(den, rem, 0, 2, -1, -1),
            Form::Unsigned { bits },
            ranged,
        );
        Ok(p)
    }
}

fn checked(value: Option<i128>) -> Result<i128, CircuitError> {
    value
        .filter(|v| bits_of(v.abs()) <= MAX_BITS)
        .ok_or(CircuitError::TooWide { bits: MAX_BITS + 1 })
}

/// Interval of `product l r + left_factor l + right_factor r + constant`.
fn local_interval(
    l: Interval,
    r: Interval,
    same: bool,
    product: i64,
    lf: i64,
    rf: i64,
    c: i64,
) -> Result<Interval, CircuitError> {
    let scale = |i: Interval, f: i64| -> Result<Interval, CircuitError> {
        let (a, b) = (
            checked(i.lo.checked_mul(f as i128))?,
            checked(i.hi.checked_mul(f as i128))?,
        );
        Ok(Interval {
            lo: a.min(b),
            hi: a.max(b),
        })
    };
    let corners = [
        checked(l.lo.checked_mul(r.lo))?,
        checked(l.lo.checked_mul(r.hi))?,
        checked(l.hi.checked_mul(r.lo))?,
        checked(l.hi.checked_mul(r.hi))?,
    ];
    let p = if product == 0 {
        Interval { lo: 0, hi: 0 }
    } else {
        scale(
            Interval {
                lo: *corners.iter().min().expect("four corners"),
                hi: *corners.iter().max().expect("four corners"),
            },
            product,
        )?
    };
    let (a, b) = if same {
        (
            scale(l, checked_factor(lf, rf)?)?,
            Interval { lo: 0, hi: 0 },
        )
    } else {
        (scale(l, lf)?, scale(r, rf)?)
    };
    Ok(Interval {
        lo: checked(Some(p.lo + a.lo + b.lo + c as i128))?,
        hi: checked(Some(p.hi + a.hi + b.hi + c as i128))?,
    })
}

fn checked_factor(a: i64, b: i64) -> Result<i64, CircuitError> {
    a.checked_add(b).ok_or(CircuitError::TooWide { bits: 64 })
}
