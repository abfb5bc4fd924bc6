//! Where everything lies: rows of slots, zones of layers, limb cells, weight columns.
//!
//! Row 0 is empty (running columns start from zero there). The rest is a sequence of zones: zone 0 holds the
//! outputs, zone z the slots that layer `layers - z` reads, followed by that layer's bias rows. A layer's
//! outputs lie one zone before its inputs, so one accumulator with a factor `eps` at each zone
//! boundary keeps the layers apart (see `docs/design/circuit.md`).
//!
//! A slot takes `batch * rows_per_slot` rows; instance b of it the rows
//! `base + b * rows_per_slot ..`, and its **main row** is the last of these. Limb cell i of an instance is
//! column `i % limb_columns`; the cells fill the rows that end at the main row: first the cells of E, then those of R, then one
//! shadow cell where a partial limb needs it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use halo2curves::bn256::Fr;

use super::fixed::pow2;
use super::nodes::{NodePlace, NodeTable};
use super::params::CircuitParams;
use super::program::{Form, Layer, Program, SlotId, Source, WeightRef, FOREST_COLUMNS};
use super::CircuitError;
use crate::quantize::skeleton::{
    ForestNode, FunctionTable, IntegerModel, PrivateWeights, Skeleton,
};

/// A looked-up limb cell of a slot's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LimbUse {
    /// Cell index within the slot instance.
    pub(crate) cell: usize,
    /// Bits of this limb; fewer than `limb_bits` means that the shadow cell holds it shifted up.
    pub(crate) bits: u32,
}

/// Which gates a slot's main row switches on. One fixed selector per class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Class {
    pub(crate) form: Form,
    pub(crate) target: Target,
}

/// Which column holds the accumulator y that the form refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Target {
    /// Nothing: inputs and witnesses.
    Free,
    /// `y`, bound by the linear accumulator.
    Linear,
    /// `yl`, bound by the slot's local gate.
    Local,
    /// `yl`, bound by the gate of a tabled function.
    Function(usize),
    /// `yl`, which is the node's threshold less its feature.
    Step,
    /// Nothing but the chain of scores.
    Score,
}

/// The layout of a circuit: a function of the skeleton and the parameters.
#[derive(Clone, Debug)]
pub struct Layout {
    pub(crate) params: CircuitParams,
    pub(crate) program: Program,
    pub(crate) functions: Vec<FunctionTable>,
    /// Limb columns.
    pub(crate) limb_columns: usize,
    /// Rotations at which the limb columns are read.
    pub(crate) rotations: usize,
    /// Cells of E and R that a slot may use.
    pub(crate) e_cells: usize,
    pub(crate) r_cells: usize,
    /// First row of each slot.
    pub(crate) base: Vec<usize>,
    /// Slots in row order.
    pub(crate) order: Vec<SlotId>,
    /// First row of each zone.
    pub(crate) zone_start: Vec<usize>,
    /// Rows of each layer's bias digits, least significant first.
    pub(crate) bias_rows: Vec<Vec<usize>>,
    /// First row of the remainder of each layer: of coefficients of its product that are no results, by cells.
    pub(crate) rest_rows: Vec<usize>,
    /// The places of the trees' nodes.
    pub(crate) nodes: NodeTable,
    /// Rows in use.
    pub(crate) rows: usize,
    /// First blinding row u.
    pub(crate) usable: usize,
    /// Weight columns: those of the layers, shared with the first nodes, then those of each further block of nodes.
    pub(crate) weight_columns: usize,
    /// Classes in use, ascending.
    pub(crate) classes: Vec<Class>,
    /// For each limb column the index of its distinct selector pattern.
    pub(crate) limb_selector: Vec<usize>,
}

impl Layout {
    /// Lays a skeleton out.
    ///
    /// # Errors
    /// When the skeleton does not fit the parameters.
    pub fn new(skeleton: &Skeleton, params: &CircuitParams) -> Result<Layout, CircuitError> {
        params.check()?;
        let program = Program::lower(skeleton, params.limb_bits, params.weight_bits())?;
        Layout::of_program(program, skeleton.functions.clone(), params)
    }

    pub(crate) fn of_program(
        program: Program,
        functions: Vec<FunctionTable>,
        params: &CircuitParams,
    ) -> Result<Layout, CircuitError> {
        let b = params.limb_bits;
        let (batch, rho) = (params.batch as usize, params.rows_per_slot as usize);

        // 1. Limb cells.
        let r_cells = r_bits(&program, &functions)
            .map(|s| s.div_ceil(b))
            .max()
            .unwrap_or(0) as usize;
        let mut e_cells = 0;
        let mut shadow = r_bits(&program, &functions).any(|s| s % b != 0);
        for slot in &program.slots {
            let cells = slot.form.bits().div_ceil(b) as usize;
            e_cells = e_cells.max(match slot.form {
                Form::Sign { .. } => cells.saturating_sub(r_cells),
                _ => cells,
            });
            shadow |= slot.form.bits() % b != 0;
        }
        let cells = e_cells + r_cells + usize::from(shadow);
        let limb_columns = cells.div_ceil(rho).max(1);

        // 2. Zones and rows.
        let layers = program.layers.len();
        let mut zone = vec![0; program.slots.len()];
        for (l, layer) in program.layers.iter().enumerate() {
            for &s in &layer.outputs {
                zone[s] = layers - l - 1;
            }
            for &s in &layer.inputs {
                zone[s] = layers - l;
            }
        }
        // Inputs lie together in the last zone, where the first layer may read them.
        for &s in &program.inputs {
            zone[s] = layers;
        }
        let mut release_order = vec![usize::MAX; program.slots.len()];
        for (i, &s) in program.released.iter().enumerate() {
            release_order[s] = i;
        }
        let shared = program.is_shared();
        if shared && rho != 1 {
            return Err(CircuitError::Params {
                reason: "layers with several positions need rows_per_slot = 1".into(),
            });
        }
        let (rank, room) = if shared {
            runs(&program, batch)
        } else {
            (
                (0..program.slots.len()).collect(),
                vec![0; program.slots.len()],
            )
        };
        let mut order: Vec<SlotId> = (0..program.slots.len()).collect();
        order.sort_by_key(|s| (zone[*s], release_order[*s], rank[*s]));
        let mut base = vec![0; program.slots.len()];
        let mut zone_start = vec![1; layers + 1];
        let mut bias_rows = vec![vec![]; layers];
        let mut rest_rows = vec![0; layers];
        let mut row = 1;
        let mut next = 0;
        for z in 0..=layers {
            zone_start[z] = row;
            while next < order.len() && zone[order[next]] == z {
                base[order[next]] = row;
                row += batch * rho + room[order[next]];
                next += 1;
            }
            if z > 0 {
                // Each takes a slot's rows, so that the registration proof finds as much room below it.
                let digits = program.layers[layers - z].bias_digits;
                bias_rows[layers - z] = (0..digits).map(|t| row + (t + 1) * rho - 1).collect();
                row += digits * rho;
            }
            if z < layers {
                let made = &program.layers[layers - z - 1];
                rest_rows[layers - z - 1] = row;
                row += made.cells() * made.positions.rest().len() * batch;
            }
        }

        if program.forest.is_some() && rho != 1 {
            return Err(CircuitError::Params {
                reason: "trees need rows_per_slot = 1".into(),
            });
        }

        // 3. Limits. No column is read at more rotations than the limb columns are, or three.
        let n = 1usize << params.k;
        let rotations = cells.div_ceil(limb_columns);
        let tail = rotations.max(3) + 3;
        if n <= tail + 2 * (tail + 8) + 2 {
            return Err(CircuitError::DoesNotFit {
                rows: row,
                usable: 0,
                k: params.k,
            });
        }
        let usable = n - tail;
        // Row 0 is outside every gate, so the table's zero lies on the row after its last entry.
        let tables = functions_rows(&program, &functions).max((1 << b) + 1);
        let count = program.forest.as_ref().map_or(0, |f| f.nodes);
        let nodes = NodeTable::new(count, row, usable).ok_or(CircuitError::DoesNotFit {
            rows: row + count,
            usable,
            k: params.k,
        })?;
        row += nodes.head;
        if row.max(tables) > usable {
            return Err(CircuitError::DoesNotFit {
                rows: row.max(tables),
                usable,
                k: params.k,
            });
        }

        // 4. Classes and selector patterns.
        let mut classes: BTreeSet<Class> = BTreeSet::new();
        for slot in &program.slots {
            classes.insert(class_of(&slot.source, slot.form));
        }
        let mut layout = Layout {
            weight_columns: program
                .layers
                .iter()
                .map(|l| l.cells())
                .chain(program.forest.iter().map(|_| FOREST_COLUMNS))
                .max()
                .unwrap_or(0)
                + nodes.blocks * FOREST_COLUMNS,
            params: params.clone(),
            program,
            functions,
            limb_columns,
            rotations,
            e_cells,
            r_cells,
            base,
            order,
            zone_start,
            bias_rows,
            rest_rows,
            nodes,
            rows: row,
            usable,
            classes: classes.into_iter().collect(),
            limb_selector: vec![],
        };
        // The shadow cell holds one shifted limb: a second partial one would go unchecked.
        for &s in &layout.order {
            let limbs = layout.e_limbs(layout.program.slots[s].form);
            let all = limbs.into_iter().chain(layout.r_limbs(s));
            if all.filter(|l| l.bits < layout.params.limb_bits).count() > 1 {
                let reason = format!("slot {s} has two limbs narrower than the table");
                return Err(CircuitError::Params { reason });
            }
        }
        let mut patterns: BTreeMap<Vec<bool>, usize> = BTreeMap::new();
        // A pattern is told by which (slot, sub-row) pairs use the column.
        for column in 0..limb_columns {
            let pattern: Vec<bool> = layout
                .order
                .iter()
                .flat_map(|&s| {
                    let used = layout.looked_up(s);
                    (0..rotations)
                        .map(move |sub| used.contains(&(sub * limb_columns + column)))
                        .collect::<Vec<_>>()
                })
                .collect();
            let fresh = patterns.len();
            let index = *patterns.entry(pattern).or_insert(fresh);
            layout.limb_selector.push(index);
        }
        Ok(layout)
    }

    /// Random cells of the mask column: with the tail's own they make the quotient's pieces uniform when they are
    /// at least six more than the tail (`docs/soundness.md`, zero knowledge with KZG).
    pub(crate) fn mask_cells(&self) -> usize {
        (1 << self.params.k) - self.usable + 8
    }

    /// Rows of one slot instance.
    pub(crate) fn rho(&self) -> usize {
        self.params.rows_per_slot as usize
    }

    /// Rows proven at once.
    pub(crate) fn batch(&self) -> usize {
        self.params.batch as usize
    }

    /// Main row of instance `b` of a slot.
    pub(crate) fn main_row(&self, slot: SlotId, b: usize) -> usize {
        self.base[slot] + (b + 1) * self.rho() - 1
    }

    /// Main row of a slot's first instance, where folded values end and weights lie.
    pub(crate) fn end_row(&self, slot: SlotId) -> usize {
        self.main_row(slot, 0)
    }

    /// Address of nodes in the copy lookup, above those of rows and of each instance's features.
    pub(crate) fn node_address(&self) -> u64 {
        (1u64 << self.params.k) + self.batch() as u64
    }

    /// Address of a window's members in the copy lookup, above those of rows, features and nodes.
    pub(crate) fn window_address(&self, window: usize, b: usize) -> u64 {
        let above = self.node_address() + 1;
        above + (window * self.batch() + b) as u64
    }

    /// The row on which each channel of a layer starts, and on which its first tap lies.
    pub(crate) fn channel_rows<'a>(&'a self, layer: &'a Layer) -> impl Iterator<Item = usize> + 'a {
        let width = layer.positions.at.len();
        let firsts = layer.inputs.iter().step_by(width);
        firsts.map(|s| self.end_row(*s))
    }

    /// Column and row of limb cell `cell` of instance `b`.
    pub(crate) fn limb_cell(&self, slot: SlotId, b: usize, cell: usize) -> (usize, usize) {
        (
            cell % self.limb_columns,
            self.main_row(slot, b) + 1 + cell / self.limb_columns - self.rotations,
        )
    }

    /// Limbs of E (for `Sign` of R then E): cells and widths, least significant first.
    pub(crate) fn e_limbs(&self, form: Form) -> Vec<LimbUse> {
        let b = self.params.limb_bits;
        let bits = form.bits();
        let cells = bits.div_ceil(b) as usize;
        (0..cells)
            .map(|i| {
                let cell = match form {
                    Form::Sign { .. } if i < self.r_cells => self.e_cells + i,
                    Form::Sign { .. } => i - self.r_cells,
                    _ => i,
                };
                LimbUse {
                    cell,
                    bits: b.min(bits - i as u32 * b),
                }
            })
            .collect()
    }

    /// Limbs of R, least significant first.
    pub(crate) fn r_limbs(&self, slot: SlotId) -> Vec<LimbUse> {
        let bits = self.r_width(slot);
        let b = self.params.limb_bits;
        (0..bits.div_ceil(b) as usize)
            .map(|i| LimbUse {
                cell: self.e_cells + i,
                bits: b.min(bits - i as u32 * b),
            })
            .collect()
    }

    /// Bits of R of a slot: its shift, or a function's offset in the segment.
    pub(crate) fn r_width(&self, slot: SlotId) -> u32 {
        match self.program.slots[slot].source {
            Source::Function { function, .. } => self.functions[function].segment_bits,
            _ => self.program.slots[slot].form.shift(),
        }
    }

    /// The shadow cell's index.
    pub(crate) fn shadow_cell(&self) -> usize {
        self.e_cells + self.r_cells
    }

    /// All looked-up cells of a slot, shadow included.
    pub(crate) fn looked_up(&self, slot: SlotId) -> BTreeSet<usize> {
        let mut cells = BTreeSet::new();
        for limb in self
            .e_limbs(self.program.slots[slot].form)
            .into_iter()
            .chain(self.r_limbs(slot))
        {
            cells.insert(limb.cell);
            if limb.bits < self.params.limb_bits {
                cells.insert(self.shadow_cell());
            }
        }
        cells
    }

    /// Class of a slot.
    pub(crate) fn class(&self, slot: SlotId) -> Class {
        let s = &self.program.slots[slot];
        class_of(&s.source, s.form)
    }

    /// Rows at which the input commitments hold their values.
    pub(crate) fn input_rows(&self) -> Vec<usize> {
        self.program
            .inputs
            .iter()
            .map(|s| self.end_row(*s))
            .collect()
    }

    /// Rows of the instance column: released value j of batch instance b is entry `j * batch + b`.
    pub(crate) fn released_rows(&self) -> Vec<usize> {
        self.program
            .released
            .iter()
            .flat_map(|&s| (0..self.batch()).map(move |b| self.main_row(s, b)))
            .collect()
    }

    /// Greatest absolute weight plus one: weights lie in `[-W, W)`.
    pub(crate) fn weight_bound(&self) -> i64 {
        1 << self.program.weight_bits
    }

    /// Packed private weights: one vector over the usable rows for each weight column, as signed lanes.
    /// Entry `(row, lanes)`: the lanes of that cell, least significant first.
    pub(crate) fn weight_cells(&self, weights: &PrivateWeights) -> Vec<Vec<WeightCell>> {
        let mut columns = vec![vec![]; self.weight_columns];
        for (l, layer) in self.program.layers.iter().enumerate() {
            let (channels, taps) = (layer.channels() / layer.groups, layer.positions.taps.len());
            let weight = |o: usize, c: usize, t: usize| -> i64 {
                match layer.weights {
                    WeightRef::Linear(_) if !layer.reads(o, c) => 0,
                    WeightRef::Linear(x) => {
                        let at = (o * channels + c % channels) * taps + t;
                        i64::from(weights.linear[x].weights[at])
                    }
                    WeightRef::Diagonal(x) if c == o => i64::from(weights.diagonal[x].weights[c]),
                    WeightRef::Diagonal(_) => 0,
                }
            };
            let bias = |j: usize| match layer.weights {
                WeightRef::Linear(x) => weights.linear[x].biases[j],
                WeightRef::Diagonal(x) => weights.diagonal[x].biases[j],
            };
            for (g, column) in columns.iter_mut().enumerate().take(layer.cells()) {
                let outputs = g * layer.lanes..((g + 1) * layer.lanes).min(layer.output_channels());
                for (c, row) in self.channel_rows(layer).enumerate() {
                    for t in 0..taps {
                        column.push(WeightCell {
                            row: row + t,
                            lane_bits: layer.lane_bits,
                            lanes: outputs.clone().map(|o| weight(o, c, t)).collect(),
                        });
                    }
                }
                for (t, &row) in self.bias_rows[l].iter().enumerate() {
                    let lanes = outputs
                        .clone()
                        .map(|j| self.bias_digit(bias(j), t, layer.bias_digits))
                        .collect();
                    column.push(WeightCell {
                        row,
                        lane_bits: layer.lane_bits,
                        lanes,
                    });
                }
            }
        }
        if let Some(forest) = &self.program.forest {
            let bits = self.program.weight_bits;
            for (i, node) in weights.forests[forest.weights].iter().enumerate() {
                let NodePlace { block, row } = self.nodes.place(i);
                let first = block.map_or(0, |b| self.block_columns(b).start);
                for (c, column) in columns[first..][..FOREST_COLUMNS].iter_mut().enumerate() {
                    column.push(WeightCell {
                        row,
                        lane_bits: bits,
                        lanes: forest.cell(node, c, bits),
                    });
                }
            }
        }
        columns
    }

    /// Weight columns of the layers and of the first nodes.
    pub(crate) fn main_columns(&self) -> Range<usize> {
        0..self.weight_columns - self.nodes.blocks * FOREST_COLUMNS
    }

    /// Weight columns of a further block of nodes.
    pub(crate) fn block_columns(&self, block: usize) -> Range<usize> {
        let first = self.main_columns().end + block * FOREST_COLUMNS;
        first..first + FOREST_COLUMNS
    }

    /// The weight columns that each linked column combines, in the order of the links.
    pub(crate) fn linked(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let blocks = (0..self.nodes.blocks).map(|b| self.block_columns(b));
        std::iter::once(self.main_columns()).chain(blocks)
    }

    /// Digit t of a bias in radix 2^weight_bits: all but the last are non-negative, the last is signed.
    fn bias_digit(&self, bias: i64, t: usize, digits: usize) -> i64 {
        let w = self.program.weight_bits;
        let rest = bias >> (w as usize * t).min(63);
        if t + 1 == digits {
            rest
        } else {
            rest & ((1 << w) - 1)
        }
    }

    /// Factor of a score in the sum of the leaves.
    pub(crate) fn score_factor(&self, output: usize) -> Fr {
        let forest = self.program.forest.as_ref();
        let lanes = forest.map_or(0, |f| f.score_lanes) * output;
        pow2(u64::from(self.program.weight_bits) * lanes as u64)
    }

    /// Refuses private weights of another shape or outside the declared ranges.
    pub(crate) fn check_weights(&self, model: &IntegerModel) -> Result<(), CircuitError> {
        let bad = |reason: String| Err(CircuitError::Weights { reason });
        let bound = self.weight_bound();
        if let Some(forest) = &self.program.forest {
            let table = model.weights.forests.get(forest.weights);
            let fits = |n: &ForestNode| {
                let scores = forest.scores.len();
                n.yes.len() == scores && n.no.len() == scores
            };
            if !table.is_some_and(|t| t.len() == forest.nodes && t.iter().all(fits)) {
                return bad("the trees have another size".into());
            }
            let range = -bound..bound;
            let inside = |n: &ForestNode| {
                (0..FOREST_COLUMNS).all(|c| {
                    let lanes = forest.cell(n, c, self.program.weight_bits);
                    lanes.iter().all(|v| range.contains(v))
                })
            };
            if !table.is_some_and(|t| t.iter().all(inside)) {
                return bad("a node lies outside the declared range".into());
            }
        }
        for (l, layer) in self.program.layers.iter().enumerate() {
            let (w, expected) = match layer.weights {
                WeightRef::Linear(x) => (
                    model.weights.linear.get(x),
                    layer.channels() / layer.groups
                        * layer.positions.taps.len()
                        * layer.output_channels(),
                ),
                WeightRef::Diagonal(x) => (model.weights.diagonal.get(x), layer.outputs.len()),
            };
            let Some(w) = w else {
                return bad(format!("layer {l} has no weights"));
            };
            if w.weights.len() != expected || w.biases.len() != layer.output_channels() {
                return bad(format!(
                    "layer {l} has {} weights and {} biases",
                    w.weights.len(),
                    w.biases.len()
                ));
            }
            if w.weights
                .iter()
                .any(|w| !(-bound..bound).contains(&i64::from(*w)))
            {
                return bad(format!(
                    "a weight of layer {l} lies outside the declared {} bits",
                    self.program.weight_bits
                ));
            }
            let digits = self.program.weight_bits * layer.bias_digits as u32;
            if digits < 63
                && w.biases
                    .iter()
                    .any(|b| !(-(1i64 << digits)..1i64 << digits).contains(b))
            {
                return bad(format!(
                    "a bias of layer {l} lies outside the declared range"
                ));
            }
        }
        Ok(())
    }
}

/// One packed cell of a weight column.
#[derive(Clone)]
pub(crate) struct WeightCell {
    pub(crate) row: usize,
    pub(crate) lane_bits: u32,
    pub(crate) lanes: Vec<i64>,
}

/// The order of the slots inside their zones, and the empty rows that follow each: results of one output stay
/// together, and so do the operands of one channel, whose taps need a row each.
fn runs(program: &Program, batch: usize) -> (Vec<usize>, Vec<usize>) {
    let slots = program.slots.len();
    let (mut rank, mut room) = (vec![usize::MAX; slots], vec![0; slots]);
    let mut next = 0;
    let mut place = |list: &[SlotId], rank: &mut Vec<usize>| {
        for &s in list.iter() {
            if rank[s] == usize::MAX {
                rank[s] = next;
                next += 1;
            }
        }
    };
    for layer in program.layers.iter().rev() {
        place(&layer.outputs, &mut rank);
    }
    for layer in program.layers.iter().rev() {
        let width = layer.positions.at.len();
        place(&layer.inputs, &mut rank);
        if layer.is_shared() {
            for c in 0..layer.channels() {
                let last = layer.channel(c)[width - 1];
                room[last] = layer.positions.taps.len().saturating_sub(width * batch);
            }
        }
    }
    let all: Vec<SlotId> = (0..slots).collect();
    place(&all, &mut rank);
    (rank, room)
}

fn class_of(source: &Source, form: Form) -> Class {
    let target = match source {
        Source::Input { .. } | Source::Quotient { .. } => Target::Free,
        Source::Linear { .. } => Target::Linear,
        Source::Local { .. } | Source::Greatest { .. } => Target::Local,
        Source::Function { function, .. } => Target::Function(*function),
        Source::Step { .. } => Target::Step,
        Source::Score { .. } => Target::Score,
    };
    Class { form, target }
}

fn r_bits<'a>(
    program: &'a Program,
    functions: &'a [FunctionTable],
) -> impl Iterator<Item = u32> + 'a {
    program.slots.iter().map(|s| match s.source {
        Source::Function { function, .. } => functions[function].segment_bits,
        _ => s.form.shift(),
    })
}

fn functions_rows(program: &Program, functions: &[FunctionTable]) -> usize {
    program
        .functions()
        .iter()
        .map(|f| functions[*f].segments.len())
        .sum::<usize>()
        + 1
}
