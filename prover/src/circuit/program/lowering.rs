//! One operation of the skeleton at a time: its slots, their forms and what is proven of them.

use std::collections::HashMap;

use crate::quantize::ranges::convolution_bounds;
use crate::quantize::skeleton::{Activation, Op, Positions, ScalarId, Skeleton};

use super::super::CircuitError;
use super::interval::{bits_of, checked, local_interval, Interval, MAX_BITS};
use super::scalars::ScalarTable;
use super::{Forest, Form, Layer, Slot, SlotId, Source, WeightRef, Window};

/// One place where a layer's weights are used.
pub(super) struct Step {
    inputs: Vec<SlotId>,
    outputs: Vec<SlotId>,
    /// Greatest accumulator that is true, and that the slots' cells can claim.
    bound: i128,
    claimed: i128,
}

/// A member of a window under construction.
pub(super) struct Member {
    slot: SlotId,
    /// What the layer that makes it, and all others of the window, asks for.
    activation: Activation,
    /// Whether it needs the window's greatest range-checked.
    checked: bool,
}

/// A program under construction.
pub(super) struct Lowering<'a> {
    pub(super) skeleton: &'a Skeleton,
    pub(super) limb_bits: u32,
    pub(super) weight_bits: u32,
    pub(super) slots: Vec<Slot>,
    pub(super) layers: Vec<Layer>,
    /// For each layer what each of its steps reads and makes, and how far its accumulators reach.
    pub(super) steps: Vec<Vec<Step>>,
    /// The layer of each entry of the weights that is dense.
    pub(super) entries: HashMap<WeightRef, usize>,
    pub(super) windows: Vec<Window>,
    /// By operation and number of the window.
    pub(super) members: HashMap<(usize, usize), Vec<Member>>,
    /// For each scalar that a layer makes for a window alone, the operation that pools it and the window's number there.
    pub(super) pooled: HashMap<ScalarId, (usize, usize)>,
    /// The trees, one ensemble at most.
    pub(super) forests: Vec<Forest>,
    /// Slot that holds a scalar.
    pub(super) home: HashMap<ScalarId, SlotId>,
}

impl Lowering<'_> {
    pub(super) fn push(&mut self, source: Source, form: Form, proven: Interval) -> SlotId {
        self.slots.push(Slot {
            source,
            form,
            proven,
        });
        self.slots.len() - 1
    }

    /// Rounds a width up to whole limbs.
    pub(super) fn whole_limbs(&self, bits: u32) -> u32 {
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

    pub(super) fn op(
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
            } => {
                let finish = (*shift, *activation);
                let layer = WeightRef::Linear(weights);
                self.dense(index, inputs, *outputs, finish, first, scalars, layer)
            }
            Op::Again {
                inputs,
                outputs,
                layer,
                shift,
                activation,
            } => {
                let finish = (*shift, *activation);
                let layer = WeightRef::Linear(*layer as usize);
                self.dense(index, inputs, *outputs, finish, first, scalars, layer)
            }
            Op::Convolution { .. } => self.convolution(index, op, first, scalars, weights),
            Op::Forest { .. } => self.forest(op, first, weights),
            Op::Diagonal {
                inputs,
                shift,
                activation,
            } => {
                let finish = (*shift, *activation);
                let (outputs, layer) = (inputs.len() as u32, WeightRef::Diagonal(weights));
                self.dense(index, inputs, outputs, finish, first, scalars, layer)
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
            Op::Max { inputs, width } => self.max(index, inputs, *width as usize, first),
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

    /// Digits of a layer's biases, and `Sum_t 2^(w t) W` over them: the greatest bias that the rows can hold.
    fn bias_digits(&self, weights: WeightRef) -> (usize, i128) {
        let bits = match weights {
            WeightRef::Linear(entry) => self.skeleton.bias_bits_of(entry),
            WeightRef::Diagonal(_) => self.skeleton.bias_bits,
        };
        let digits = bits.max(1).div_ceil(self.weight_bits);
        let bound = (0..digits).map(|t| 1i128 << (self.weight_bits * (t + 1)));
        (digits as usize, bound.sum())
    }

    /// The slots of one accumulator's result, which layer `layer` makes.
    fn result(
        &mut self,
        (index, scalar, scalars): (usize, ScalarId, &ScalarTable),
        bound: i128,
        (shift, activation): (u32, Activation),
        source: Source,
        step: &mut Step,
    ) -> Result<(), CircuitError> {
        let truth = Interval {
            lo: -bound,
            hi: bound,
        };
        if let Some(&at) = self.pooled.get(&scalar) {
            return self.pooled_result(at, truth, (shift, activation), source, step);
        }
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
        step.bound = step.bound.max(bound);
        step.claimed = step.claimed.max(reach).max(bound);
        let slot = self.push(source, form, proven);
        step.outputs.push(slot);
        self.home
            .insert(fused.map_or(scalar, |(user, _)| user), slot);
        Ok(())
    }

    /// The slot of an accumulator that serves as a member of a window alone; the window's activation comes after.
    fn pooled_result(
        &mut self,
        (op, number): (usize, usize),
        y: Interval,
        (shift, activation): (u32, Activation),
        source: Source,
        step: &mut Step,
    ) -> Result<(), CircuitError> {
        let (form, proven) = self.form(y, shift, Activation::None)?;
        // The signed form holds the difference of any two values of this interval, which all members share.
        let form = Form::Below {
            shift,
            bits: form.bits(),
        };
        // a = greatest - E, and the greatest is range-checked where it stands.
        let reach = (1i128 << (form.bits() + shift + 1)) + (1i128 << shift);
        if bits_of(reach) > MAX_BITS {
            return Err(CircuitError::TooWide {
                bits: bits_of(reach),
            });
        }
        step.bound = step.bound.max(y.hi);
        step.claimed = step.claimed.max(reach);
        let slot = self.push(source, form, proven);
        step.outputs.push(slot);
        let member = Member {
            slot,
            activation,
            checked: true,
        };
        self.members.entry((op, number)).or_default().push(member);
        Ok(())
    }

    fn max(
        &mut self,
        index: usize,
        inputs: &[ScalarId],
        width: usize,
        first: ScalarId,
    ) -> Result<(), CircuitError> {
        for (number, scalars) in inputs.chunks_exact(width).enumerate() {
            let id = first + number as ScalarId;
            let members = match self.members.remove(&(index, number)) {
                Some(members) => members,
                None => {
                    let mut slots: Vec<SlotId> = scalars.iter().map(|s| self.home[s]).collect();
                    slots.sort_unstable();
                    slots.dedup();
                    if let [only] = slots[..] {
                        self.home.insert(id, only);
                        continue;
                    }
                    self.copied_members(&slots)?
                }
            };
            let window = self.windows.len();
            let of = |m: &Member| self.slots[m.slot].proven;
            let y = Interval {
                lo: members.iter().map(|m| of(m).lo).max().unwrap_or(0),
                hi: members.iter().map(|m| of(m).hi).max().unwrap_or(0),
            };
            // A member that a layer makes is bounded by the greatest alone: that is range-checked. A copy is bounded by
            // what it copies.
            let (form, proven) = match members[0] {
                Member { checked: false, .. } => (Form::Plain, y),
                Member { activation, .. } => self.form(y, 0, activation)?,
            };
            let greatest = self.push(Source::Greatest { window }, form, proven);
            self.home.insert(id, greatest);
            self.windows.push(Window {
                members: members.into_iter().map(|m| m.slot).collect(),
                greatest,
            });
        }
        Ok(())
    }

    /// Copies of slots that stand in a window.
    fn copied_members(&mut self, slots: &[SlotId]) -> Result<Vec<Member>, CircuitError> {
        let proven = |s: &SlotId| self.slots[*s].proven;
        let most = slots.iter().map(|s| proven(s).hi).max().unwrap_or(0);
        let least = slots.iter().map(|s| proven(s).lo).min().unwrap_or(0);
        let bits = self.whole_limbs(bits_of(checked(most.checked_sub(least))?));
        if bits > MAX_BITS {
            return Err(CircuitError::TooWide { bits });
        }
        let member = |&slot: &SlotId| {
            let source = Source::Local {
                left: slot,
                right: slot,
                product: 0,
                left_factor: 1,
                right_factor: 0,
                constant: 0,
            };
            let form = Form::Below { shift: 0, bits };
            let slot = self.push(source, form, self.slots[slot].proven);
            Member {
                slot,
                activation: Activation::None,
                checked: false,
            }
        };
        Ok(slots.iter().map(member).collect())
    }

    #[allow(clippy::too_many_arguments)] // one linear operation, spelled out
    fn dense(
        &mut self,
        index: usize,
        inputs: &[ScalarId],
        outputs: u32,
        finish: (u32, Activation),
        first: ScalarId,
        scalars: &ScalarTable,
        weights: WeightRef,
    ) -> Result<(), CircuitError> {
        let w = 1i128 << self.weight_bits;
        let slots: Vec<SlotId> = inputs.iter().map(|s| self.home[s]).collect();
        let (bias_digits, mut bound) = self.bias_digits(weights);
        for &slot in &slots {
            bound = checked(
                bound.checked_add(checked(w.checked_mul(self.slots[slot].proven.magnitude()))?),
            )?;
        }
        let layer = *self.entries.entry(weights).or_insert_with(|| {
            self.layers.push(Layer {
                inputs: vec![],
                outputs: vec![],
                positions: Positions::dense(1),
                groups: 1,
                weights,
                lane_bits: 0,
                lanes: 1,
                bias_digits,
            });
            self.steps.push(vec![]);
            self.layers.len() - 1
        });
        let position = self.steps[layer].len();
        let mut step = Step {
            inputs: slots,
            outputs: vec![],
            bound,
            claimed: bound,
        };
        for output in 0..outputs as usize {
            let scalar = first + output as ScalarId;
            let source = Source::Linear {
                layer,
                output,
                position,
            };
            self.result((index, scalar, scalars), bound, finish, source, &mut step)?;
        }
        self.steps[layer].push(step);
        Ok(())
    }

    fn convolution(
        &mut self,
        index: usize,
        op: &Op,
        first: ScalarId,
        scalars: &ScalarTable,
        weights: usize,
    ) -> Result<(), CircuitError> {
        let Op::Convolution {
            inputs,
            outputs,
            groups,
            positions,
            shift,
            activation,
        } = op
        else {
            unreachable!("only called with convolutions")
        };
        let slots: Vec<SlotId> = inputs.iter().map(|s| self.home[s]).collect();
        let magnitudes: Vec<i128> = slots
            .iter()
            .map(|s| self.slots[*s].proven.magnitude())
            .collect();
        let (groups, weight) = (*groups as usize, 1i128 << self.weight_bits);
        let (bias_digits, bias) = self.bias_digits(WeightRef::Linear(weights));
        let bounds = convolution_bounds(&magnitudes, groups, positions, weight, bias);
        let layer = self.layers.len();
        let mut step = Step {
            inputs: slots,
            outputs: vec![],
            bound: 0,
            claimed: 0,
        };
        let width = positions.to.len();
        let widest = bounds.iter().flatten().map(|b| checked(*b));
        let widest = widest.collect::<Result<Vec<_>, _>>()?.into_iter().max();
        for output in 0..*outputs as usize {
            let group = &bounds[output * groups / *outputs as usize];
            for (position, bound) in group.iter().enumerate() {
                let scalar = first + (output * width + position) as ScalarId;
                let source = Source::Linear {
                    layer,
                    output,
                    position,
                };
                let finish = (*shift, *activation);
                let at = (index, scalar, scalars);
                let bound = match (self.pooled.contains_key(&scalar), widest) {
                    (true, Some(widest)) => widest,
                    _ => checked(*bound)?,
                };
                self.result(at, bound, finish, source, &mut step)?;
            }
        }
        self.layers.push(Layer {
            inputs: vec![],
            outputs: vec![],
            positions: positions.clone(),
            groups,
            weights: WeightRef::Linear(weights),
            lane_bits: 0,
            lanes: 1,
            bias_digits,
        });
        self.steps.push(vec![step]);
        Ok(())
    }

    /// Puts the steps of each layer side by side and sizes its lanes.
    pub(super) fn finish_layers(&mut self) -> Result<(), CircuitError> {
        for (layer, steps) in self.layers.iter_mut().zip(std::mem::take(&mut self.steps)) {
            if let [step] = &steps[..] {
                (layer.inputs, layer.outputs) = (step.inputs.clone(), step.outputs.clone());
            } else {
                layer.positions = Positions::dense(steps.len());
                let turned = |of: fn(&Step) -> &Vec<SlotId>| -> Vec<SlotId> {
                    let channels = 0..of(&steps[0]).len();
                    channels
                        .flat_map(|c| steps.iter().map(move |s| of(s)[c]))
                        .collect()
                };
                layer.inputs = turned(|s| &s.inputs);
                layer.outputs = turned(|s| &s.outputs);
            }
            // |claimed y - true y| < 2^lane_bits, so lanes cannot borrow from one another.
            let bound = steps.iter().map(|s| s.bound).max().unwrap_or(0);
            let claimed = steps.iter().map(|s| s.claimed).max().unwrap_or(0);
            layer.lane_bits = bits_of(checked(claimed.checked_add(bound))?) + 1;
            let lanes = (PACKED_BITS / layer.lane_bits) as usize;
            layer.lanes = lanes.clamp(1, layer.output_channels());
        }
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

/// The scalars whose windows a layer may fill as it makes them: all of the window's members are made by one layer, with
/// one activation that the greatest commutes with, and read by the window alone, once.
pub(super) fn pooled(
    skeleton: &Skeleton,
    scalars: &ScalarTable,
) -> HashMap<ScalarId, (usize, usize)> {
    let mut made_by = HashMap::new();
    for (index, op) in skeleton.ops.iter().enumerate() {
        let (Op::Linear { activation, .. }
        | Op::Again { activation, .. }
        | Op::Convolution { activation, .. }) = op
        else {
            continue;
        };
        if *activation != Activation::Sign {
            let first = scalars.first[index];
            made_by.extend((first..first + op.made() as ScalarId).map(|s| (s, index)));
        }
    }
    let mut pooled = HashMap::new();
    for (index, op) in skeleton.ops.iter().enumerate() {
        let Op::Max { inputs, width } = op else {
            continue;
        };
        for (number, window) in inputs.chunks_exact(*width as usize).enumerate() {
            let by = made_by.get(&window[0]);
            let alone = |s: &ScalarId| scalars.uses[*s as usize] == 1 && made_by.get(s) == by;
            if scalars.live[index] && by.is_some() && window.len() > 1 && window.iter().all(alone) {
                pooled.extend(window.iter().map(|s| (*s, (index, number))));
            }
        }
    }
    pooled
}

/// Largest field capacity used by packed lanes: sums of lanes stay below the modulus.
pub(super) const PACKED_BITS: u32 = 252;
