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

mod forest;
mod interval;
mod lowering;
mod scalars;

use std::collections::HashMap;

use crate::quantize::skeleton::{Op, Positions, ScalarId, Skeleton};

use super::CircuitError;
pub(crate) use forest::{Forest, FOREST_COLUMNS};
use interval::Interval;
use lowering::Lowering;
use scalars::ScalarTable;

/// Index of a slot.
pub(crate) type SlotId = usize;

/// Where a slot's accumulator comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Scalar `index` of the model's input, bound to the input commitment.
    Input { index: usize },
    /// Result `position` of output `output` of linear layer `layer`.
    Linear {
        layer: usize,
        output: usize,
        position: usize,
    },
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
    /// The greatest of window `window`, read from one of its members.
    Greatest { window: usize },
    /// The comparison on step `step` of the walks through the trees.
    Step { step: usize },
    /// Score `output` of the trees.
    Score { output: usize },
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
    /// `y + half = 2^shift a + R`, and E is what `a` lacks to the greatest of its window.
    Below { shift: u32, bits: u32 },
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
            | Form::Below { bits, .. }
            | Form::Sign { bits, .. } => bits,
        }
    }
    /// Bits of R.
    pub(crate) fn shift(self) -> u32 {
        match self {
            Form::Signed { shift, .. } | Form::Relu { shift, .. } | Form::Below { shift, .. } => {
                shift
            }
            _ => 0,
        }
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

/// Slots of which the greatest is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    /// Each of form [`Form::Below`], in no other window, read by nothing else.
    pub(crate) members: Vec<SlotId>,
    pub(crate) greatest: SlotId,
}

/// Which private weights a layer uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum WeightRef {
    /// Entry of `PrivateWeights::linear`, of a `Linear` or a `Convolution`.
    Linear(usize),
    /// Entry of `PrivateWeights::diagonal`, laid out as a dense matrix.
    Diagonal(usize),
}

/// A private linear layer over slots: result p of output o is the coefficient of `g^to[p]` in
/// `sum_c X_c(g) K_oc(g)`, see [`Positions`]. A dense layer has one position and one tap.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    /// Slots read, [channels, positions.at], each read by this layer alone and once.
    pub(crate) inputs: Vec<SlotId>,
    /// Slots made, [outputs, positions.to].
    pub(crate) outputs: Vec<SlotId>,
    /// Where operands, taps and results lie.
    pub(crate) positions: Positions,
    /// Groups of channels: an output reads the channels of its group alone.
    pub(crate) groups: usize,
    /// Where its private weights are.
    pub(crate) weights: WeightRef,
    /// Width of one lane in bits.
    pub(crate) lane_bits: u32,
    /// Outputs packed in one cell.
    pub(crate) lanes: usize,
    /// Rows that hold a bias: digits of `weight_bits` bits.
    pub(crate) bias_digits: usize,
}

impl Layer {
    /// Cells per channel and tap: output channels / lanes, rounded up.
    pub(crate) fn cells(&self) -> usize {
        self.output_channels().div_ceil(self.lanes)
    }

    pub(crate) fn channels(&self) -> usize {
        self.inputs.len() / self.positions.at.len()
    }

    pub(crate) fn output_channels(&self) -> usize {
        self.outputs.len() / self.positions.to.len()
    }

    /// Whether its weights serve several positions.
    pub(crate) fn is_shared(&self) -> bool {
        self.positions.at.len() > 1 || self.positions.taps.len() > 1 || self.positions.to.len() > 1
    }

    /// Whether each result depends on the operands at its own position alone: a dense layer, at each of them.
    pub(crate) fn is_stepwise(&self) -> bool {
        self.positions.taps.len() == 1 && self.positions.at == self.positions.to && self.groups == 1
    }

    /// The operands of one channel.
    pub(crate) fn channel(&self, c: usize) -> &[SlotId] {
        let width = self.positions.at.len();
        &self.inputs[c * width..(c + 1) * width]
    }

    /// The results of one output.
    pub(crate) fn output(&self, o: usize) -> &[SlotId] {
        let width = self.positions.to.len();
        &self.outputs[o * width..(o + 1) * width]
    }

    /// Whether output o reads channel c.
    pub(crate) fn reads(&self, o: usize, c: usize) -> bool {
        o * self.groups / self.output_channels() == c * self.groups / self.channels()
    }
}

/// The lowered program of one row.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) slots: Vec<Slot>,
    pub(crate) layers: Vec<Layer>,
    /// Windows with their greatest members.
    pub(crate) windows: Vec<Window>,
    /// The trees, if there are any.
    pub(crate) forest: Option<Forest>,
    /// Slot of each released scalar.
    pub(crate) released: Vec<SlotId>,
    /// Slot of each input scalar.
    pub(crate) inputs: Vec<SlotId>,
    pub(crate) weight_bits: u32,
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
        let mut lowering = Lowering {
            skeleton,
            limb_bits,
            weight_bits,
            slots: vec![],
            layers: vec![],
            steps: vec![],
            entries: HashMap::new(),
            windows: vec![],
            members: HashMap::new(),
            pooled: lowering::pooled(skeleton, &scalars),
            forests: vec![],
            home: HashMap::new(),
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
        let (mut linear, mut diagonal, mut forests) = (0, 0, 0);
        for (index, op) in skeleton.ops.iter().enumerate() {
            let weights = match op {
                Op::Linear { .. } | Op::Convolution { .. } => {
                    linear += 1;
                    linear - 1
                }
                Op::Diagonal { .. } => {
                    diagonal += 1;
                    diagonal - 1
                }
                Op::Forest { .. } => {
                    forests += 1;
                    forests - 1
                }
                _ => 0,
            };
            if scalars.live[index] {
                lowering.op(index, op, scalars.first[index], &scalars, weights)?;
            }
        }
        lowering.finish_layers()?;
        let released: Vec<SlotId> = skeleton.released.iter().map(|s| lowering.home[s]).collect();
        if lowering.layers.is_empty() && lowering.forests.is_empty() {
            return Err(CircuitError::NothingPrivate);
        }
        let mut program = Program {
            slots: lowering.slots,
            layers: lowering.layers,
            windows: lowering.windows,
            forest: lowering.forests.pop(),
            released,
            inputs,
            weight_bits,
        };
        program.separate_readers();
        Ok(program)
    }

    /// Gives every (layer, position) a slot of its own in the zone that it needs: a slot read twice by
    /// linear layers, or made by a layer that does not directly precede its reader, is copied. The results of one
    /// output of a layer with several positions stay together, and so do the operands of one of its channels.
    fn separate_readers(&mut self) {
        let mut taken = vec![false; self.slots.len()];
        // Released slots lie in zone 0, each once, in the order of release. The powers of a layer's outputs
        // run down the rows, so the last layer's outputs stay in place only as far as they are released in
        // their own order, from the first on; those of several positions if they are released whole, before all
        // others.
        let mut in_place = 0;
        let last_whole = self
            .layers
            .last()
            .is_some_and(|l| !l.is_shared() || self.released.starts_with(&l.outputs));
        for i in 0..self.released.len() {
            let slot = self.released[i];
            let at_the_end = match self.slots[slot].source {
                Source::Linear { layer, .. } => {
                    let last = &self.layers[layer];
                    let next = layer + 1 == self.layers.len()
                        && last.outputs.get(in_place) == Some(&slot)
                        && last_whole;
                    in_place += usize::from(next);
                    next
                }
                Source::Input { .. } => false,
                // Steps and scores stay side by side.
                Source::Step { .. } | Source::Score { .. } => false,
                _ => true,
            };
            if taken[slot] || !at_the_end {
                self.released[i] = self.copy(slot, &mut taken);
            }
            taken[self.released[i]] = true;
        }
        for layer in 0..self.layers.len() {
            let width = self.layers[layer].positions.at.len();
            // A result stays where it is if no rows for taps come between it and the next.
            let alone = width == 1 && self.layers[layer].positions.taps.len() == 1;
            for channel in 0..self.layers[layer].channels() {
                let whole = width > 1 && self.is_whole_output(layer, channel, &taken);
                for position in channel * width..(channel + 1) * width {
                    let slot = self.layers[layer].inputs[position];
                    let adjacent = match self.slots[slot].source {
                        Source::Linear { layer: from, .. } => from + 1 == layer && (alone || whole),
                        Source::Input { .. } => layer == 0,
                        Source::Step { .. } | Source::Score { .. } => false,
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
    }

    /// Whether the operands of a channel are all results of one output, in their order, and nobody else's.
    fn is_whole_output(&self, layer: usize, channel: usize, taken: &[bool]) -> bool {
        let slots = self.layers[layer].channel(channel);
        let Source::Linear {
            layer: from,
            output,
            ..
        } = self.slots[slots[0]].source
        else {
            return false;
        };
        self.layers[from].output(output) == slots && !slots.iter().any(|s| taken[*s])
    }

    /// Whether the weights of any layer serve several positions.
    pub(crate) fn is_shared(&self) -> bool {
        self.layers.iter().any(Layer::is_shared)
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
        let reads = |s: &Slot| {
            matches!(
                s.source,
                Source::Local { .. } | Source::Function { .. } | Source::Greatest { .. }
            )
        };
        self.slots.iter().any(reads)
    }

    /// Whether something is read as often as the witness says.
    pub(crate) fn has_visits(&self) -> bool {
        self.forest.is_some() || !self.windows.is_empty()
    }

    /// The window of each slot that is in one.
    pub(crate) fn window_of(&self) -> Vec<Option<usize>> {
        let mut of = vec![None; self.slots.len()];
        for (w, window) in self.windows.iter().enumerate() {
            for &member in &window.members {
                of[member] = Some(w);
            }
        }
        of
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
