//! Every cell of a proof: integers first, then the columns of both phases.
//!
//! Phase 0 is exact integer arithmetic over the slots, the same that the interpreter does; phase 1 is
//! field arithmetic with the challenges. The circuit's columns are produced here once and
//! assigned as they are.

use ff::{BatchInvert, Field, PrimeField};
use halo2curves::bn256::Fr;
use rand_core::RngCore;
use rayon::prelude::*;

use super::fixed::{int, pow2, read_counts, FixedPlan, Role};
use super::layout::{Layout, WeightCell};
use super::program::{Forest, Form, Layer, Program, Source, WeightRef, FOREST_COLUMNS};
use super::CircuitError;
use crate::quantize::skeleton::{ForestNode, PrivateWeights};
use crate::quantize::{convolution, walk};

/// Value and accumulator of one slot in one row of the batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) a: i128,
    pub(crate) y: i128,
    /// The node of a step.
    pub(crate) node: usize,
}

/// Private weights packed for the circuit.
#[derive(Clone)]
pub(crate) struct PackedWeights {
    /// For each weight column its non-zero cells.
    pub(crate) columns: Vec<Vec<(usize, Fr)>>,
}

impl PackedWeights {
    /// Packs `sum_lane 2^(s lane) w_lane` into each cell.
    pub(crate) fn new(layout: &Layout, weights: &PrivateWeights) -> Self {
        let columns = layout
            .weight_cells(weights)
            .into_par_iter()
            .map(|c| c.iter().map(|cell| (cell.row, pack(cell))).collect())
            .collect();
        PackedWeights { columns }
    }

    /// The four cells of each node of the trees.
    fn nodes(&self, layout: &Layout) -> Vec<[Fr; FOREST_COLUMNS]> {
        let Some(forest) = &layout.program.forest else {
            return vec![];
        };
        let mut nodes = vec![[Fr::ZERO; FOREST_COLUMNS]; forest.nodes];
        for (c, column) in self.columns.iter().enumerate().take(FOREST_COLUMNS) {
            for (row, w) in column.iter().filter(|(row, _)| *row >= layout.node_start) {
                nodes[row - layout.node_start][c] = *w;
            }
        }
        nodes
    }

    /// `V = sum_k beta^k w_k` on each row.
    fn combine(&self, beta: Fr, n: usize) -> Vec<Fr> {
        let mut v = vec![Fr::ZERO; n];
        let mut power = Fr::ONE;
        for column in &self.columns {
            for (row, w) in column {
                v[*row] += power * w;
            }
            power *= beta;
        }
        v
    }
}

fn pack(cell: &WeightCell) -> Fr {
    let base = pow2(cell.lane_bits.into());
    cell.lanes
        .iter()
        .rev()
        .fold(Fr::ZERO, |sum, w| sum * base + int(i128::from(*w)))
}

/// `floor((y + 2^(s-1)) / 2^s)`, or y for s = 0.
fn round_shift(y: i128, shift: u32) -> i128 {
    if shift == 0 {
        y
    } else {
        (y + (1 << (shift - 1))) >> shift
    }
}

/// Evaluates every slot on one input row.
///
/// # Errors
/// When the row has another length or a value outside the declared range.
pub(crate) fn eval_slots(
    layout: &Layout,
    weights: &PrivateWeights,
    input: &[i64],
) -> Result<Vec<Cell>, CircuitError> {
    let program = &layout.program;
    if input.len() != program.inputs.len() {
        return Err(CircuitError::Input {
            reason: format!(
                "{} values where the model takes {}",
                input.len(),
                program.inputs.len()
            ),
        });
    }
    let mut cells = vec![Cell::default(); program.slots.len()];
    let mut done = vec![false; program.slots.len()];
    for s in 0..program.slots.len() {
        eval_slot(layout, weights, input, s, &mut cells, &mut done)?;
    }
    Ok(cells)
}

/// Evaluates slot `s` and what it needs. Copies made for a layer come after their readers in slot
/// order, so the walk follows the dependencies; its depth is bounded by an explicit stack.
fn eval_slot(
    layout: &Layout,
    weights: &PrivateWeights,
    input: &[i64],
    s: usize,
    cells: &mut [Cell],
    done: &mut [bool],
) -> Result<(), CircuitError> {
    let program = &layout.program;
    let mut stack = vec![s];
    while let Some(&s) = stack.last() {
        if done[s] {
            stack.pop();
            continue;
        }
        let needs: Vec<usize> = match &program.slots[s].source {
            Source::Input { .. } => vec![],
            Source::Linear {
                layer, position, ..
            } => operands(&program.layers[*layer], *position),
            Source::Local { left, right, .. } => vec![*left, *right],
            Source::Function { operand, .. } => vec![*operand],
            Source::Quotient {
                numerator,
                denominator,
                ..
            } => vec![*numerator, *denominator],
            Source::Greatest { window } => program.windows[*window].members.clone(),
            Source::Step { .. } | Source::Score { .. } => trees(program).features.clone(),
        };
        let missing: Vec<usize> = needs.into_iter().filter(|n| !done[*n]).collect();
        if !missing.is_empty() {
            stack.extend(missing);
            continue;
        }
        stack.pop();
        match &program.slots[s].source {
            Source::Input { index } => {
                let x = i128::from(input[*index]);
                let range = program.slots[s].proven;
                if x < range.lo || x > range.hi {
                    return Err(CircuitError::Input {
                        reason: format!("value {index} lies outside the declared range"),
                    });
                }
                cells[s] = Cell {
                    a: x,
                    ..Cell::default()
                };
                done[s] = true;
            }
            Source::Linear {
                layer, position, ..
            } => {
                for o in eval_layer(layout, weights, *layer, *position, cells) {
                    done[o] = true;
                }
            }
            Source::Step { .. } | Source::Score { .. } => {
                let forest = trees(program);
                eval_forest(forest, weights, cells);
                let steps = forest.trees * forest.depth + forest.scores.len();
                done[forest.first_step..forest.first_step + steps].fill(true);
            }
            source => {
                let y = match source {
                    Source::Local {
                        left,
                        right,
                        product,
                        left_factor,
                        right_factor,
                        constant,
                    } => {
                        let (l, r) = (cells[*left].a, cells[*right].a);
                        *product as i128 * l * r
                            + *left_factor as i128 * l
                            + *right_factor as i128 * r
                            + *constant as i128
                    }
                    Source::Function { function, operand } => {
                        let (segment, t) = locate(layout, *function, cells[*operand].a);
                        let (c0, c1) = layout.functions[*function].segments[segment];
                        c0 as i128 + c1 as i128 * t as i128
                    }
                    Source::Quotient {
                        numerator,
                        denominator,
                        scale_bits,
                    } => {
                        let (n, d) = (cells[*numerator].a, cells[*denominator].a);
                        if d <= 0 || n < 0 {
                            return Err(CircuitError::Input {
                                reason: "a division by a value that is not positive".into(),
                            });
                        }
                        (2 * (n << scale_bits) + d).div_euclid(2 * d)
                    }
                    Source::Greatest { window } => {
                        let members = &program.windows[*window].members;
                        let values = members.iter().map(|m| cells[*m].a);
                        values.max().expect("a window has members")
                    }
                    Source::Input { .. }
                    | Source::Linear { .. }
                    | Source::Step { .. }
                    | Source::Score { .. } => unreachable!("handled above"),
                };
                cells[s] = Cell {
                    a: activate(program.slots[s].form, y),
                    y,
                    node: 0,
                };
                done[s] = true;
            }
        }
    }
    Ok(())
}

fn activate(form: Form, y: i128) -> i128 {
    match form {
        Form::Plain | Form::Unsigned { .. } => y,
        Form::Signed { shift, .. } | Form::Below { shift, .. } => round_shift(y, shift),
        Form::Relu { shift, .. } => round_shift(y, shift).max(0),
        Form::Sign { offset, .. } => i128::from(y + offset >= 0),
    }
}

/// Segment and offset of a function's operand.
fn locate(layout: &Layout, function: usize, x: i128) -> (usize, i64) {
    let table = &layout.functions[function];
    let offset = (x - table.lo as i128) as i64;
    (
        (offset >> table.segment_bits) as usize,
        offset & ((1 << table.segment_bits) - 1),
    )
}

/// The operands that a result at `position` waits for: those at its own position where no other counts, whose
/// further positions may depend on it; all of them elsewhere.
fn operands(layer: &Layer, position: usize) -> Vec<usize> {
    if !layer.is_stepwise() {
        return layer.inputs.clone();
    }
    (0..layer.channels())
        .map(|c| layer.channel(c)[position])
        .collect()
}

/// Evaluates a layer at one position, or wholly where it has several taps; the slots made.
fn eval_layer(
    layout: &Layout,
    weights: &PrivateWeights,
    l: usize,
    position: usize,
    cells: &mut [Cell],
) -> Vec<usize> {
    let layer = &layout.program.layers[l];
    let x: Vec<i128> = operands(layer, position)
        .iter()
        .map(|s| cells[*s].a)
        .collect();
    let (ys, made): (Vec<i128>, Vec<usize>) = match layer.weights {
        WeightRef::Linear(i) if !layer.is_stepwise() => {
            let x: Vec<i64> = x.iter().map(|v| *v as i64).collect();
            let ys = convolution(&weights.linear[i], &x, layer.groups, &layer.positions);
            (ys, layer.outputs.clone())
        }
        _ => {
            let made = (0..layer.output_channels()).map(|o| layer.output(o)[position]);
            (dense(layout, weights, layer, &x), made.collect())
        }
    };
    for (y, &o) in ys.into_iter().zip(&made) {
        cells[o] = Cell {
            a: activate(layout.program.slots[o].form, y),
            y,
            node: 0,
        };
    }
    made
}

/// The accumulators of a dense layer at one position.
fn dense(layout: &Layout, weights: &PrivateWeights, layer: &Layer, x: &[i128]) -> Vec<i128> {
    // 64-bit sums where they cannot overflow: |w| < 2^31 fits, so bound n * max|x| * 2^weight_bits.
    let reach = x.iter().map(|v| v.abs()).max().unwrap_or(0);
    let narrow = (reach << layout.program.weight_bits) < (1i128 << 62) / (x.len().max(1) as i128);
    let x64: Vec<i64> = if narrow {
        x.iter().map(|v| *v as i64).collect()
    } else {
        vec![]
    };
    (0..layer.output_channels())
        .map(|j| match layer.weights {
            WeightRef::Linear(i) => {
                let w = &weights.linear[i];
                let row = &w.weights[j * x.len()..(j + 1) * x.len()];
                let dot = if narrow {
                    row.iter()
                        .zip(&x64)
                        .map(|(w, x)| i64::from(*w) * x)
                        .sum::<i64>() as i128
                } else {
                    row.iter().zip(x).map(|(w, x)| *w as i128 * x).sum::<i128>()
                };
                dot + w.biases[j] as i128
            }
            WeightRef::Diagonal(i) => {
                weights.diagonal[i].weights[j] as i128 * x[j]
                    + weights.diagonal[i].biases[j] as i128
            }
        })
        .collect()
}

fn trees(program: &Program) -> &Forest {
    let forest = program.forest.as_ref();
    forest.expect("a program with steps has trees")
}

/// All walks, and the scores they end with.
fn eval_forest(forest: &Forest, weights: &PrivateWeights, cells: &mut [Cell]) {
    let table = &weights.forests[forest.weights];
    let x: Vec<i64> = forest.features.iter().map(|s| cells[*s].a as i64).collect();
    for tree in 0..forest.trees {
        for (level, (node, bit)) in walk(table, &x, tree, forest.depth).enumerate() {
            let ForestNode {
                feature, threshold, ..
            } = &table[node];
            cells[forest.first_step + tree * forest.depth + level] = Cell {
                a: i128::from(bit),
                y: i128::from(*threshold) - i128::from(x[*feature as usize]),
                node,
            };
            if level + 1 == forest.depth {
                let values = if bit {
                    &table[node].yes
                } else {
                    &table[node].no
                };
                for (score, v) in forest.scores.iter().zip(values) {
                    cells[*score].a += i128::from(*v);
                }
            }
        }
    }
}

/// Columns of phase 0, over the usable rows.
#[derive(Clone, Debug)]
pub(crate) struct PhaseZero {
    pub(crate) a: Vec<Fr>,
    pub(crate) y: Vec<Fr>,
    pub(crate) limbs: Vec<Vec<u32>>,
    /// Rows of the table are counted here.
    pub(crate) multiplicity: Vec<u64>,
    pub(crate) mask: Vec<Fr>,
    pub(crate) left: Vec<Fr>,
    pub(crate) right: Vec<Fr>,
    pub(crate) yl: Vec<Fr>,
    pub(crate) c0: Vec<Fr>,
    pub(crate) c1: Vec<Fr>,
    pub(crate) function_multiplicity: Vec<u64>,
    /// What the nodes of the steps hold, and the running sum of the leaves.
    pub(crate) yes: Vec<Fr>,
    pub(crate) no: Vec<Fr>,
    pub(crate) score: Vec<Fr>,
    /// How often each node and each feature is read.
    pub(crate) visits: Vec<u64>,
}

impl PhaseZero {
    /// Fills the columns from the slots of every row of the batch.
    pub(crate) fn new(
        layout: &Layout,
        weights: &PackedWeights,
        batch: &[Vec<Cell>],
        masked: bool,
        rng: &mut impl RngCore,
    ) -> PhaseZero {
        let n = layout.usable;
        let zeros = || vec![Fr::ZERO; n];
        let program = &layout.program;
        let (reads, functions) = (program.has_reads(), !program.functions().is_empty());
        let some = |on: bool| if on { zeros() } else { vec![] };
        let mut p = PhaseZero {
            a: zeros(),
            y: zeros(),
            limbs: vec![vec![0; n]; layout.limb_columns],
            multiplicity: vec![0; n],
            mask: some(masked),
            left: some(reads),
            right: some(reads),
            yl: some(reads),
            c0: some(functions),
            c1: some(functions),
            function_multiplicity: if functions { vec![0; n] } else { vec![] },
            yes: some(program.forest.is_some()),
            no: some(program.forest.is_some()),
            score: some(program.forest.is_some()),
            visits: if program.has_visits() {
                vec![0; n]
            } else {
                vec![]
            },
        };
        let table_start = function_rows(layout);
        let window_of = program.window_of();
        let node_cells = weights.nodes(layout);
        for (s, slot) in program.slots.iter().enumerate() {
            let looked = layout.looked_up(s);
            for (b, cells) in batch.iter().enumerate() {
                let Cell { a, y, node } = cells[s];
                let row = layout.main_row(s, b);
                p.a[row] = int(a);
                let mut r = 0;
                match &slot.source {
                    Source::Input { .. } | Source::Quotient { .. } => {}
                    Source::Step { step } => {
                        let forest = trees(program);
                        let [feature, threshold, yes, no] = node_cells[node];
                        p.yl[row] = int(y);
                        p.left[row] = threshold - int(y);
                        p.right[row] = feature;
                        (p.yes[row], p.no[row]) = (yes, no);
                        p.score[row] = match *step {
                            0 => Fr::ZERO,
                            _ => p.score[row - layout.batch()],
                        };
                        if (step + 1) % forest.depth == 0 {
                            p.score[row] += if a == 1 { yes } else { no };
                        }
                        p.visits[layout.node_start + node] += 1;
                        let number = feature.to_repr();
                        let slot = forest.features[usize::from(number[0])
                            | usize::from(number[1]) << 8
                            | usize::from(number[2]) << 16];
                        p.visits[layout.main_row(slot, b)] += 1;
                    }
                    Source::Score { output } => {
                        let factor = layout.score_factor(*output);
                        p.score[row] = p.score[row - layout.batch()] - factor * int(a);
                    }
                    Source::Linear { .. } => p.y[row] = int(y),
                    Source::Local { left, right, .. } => {
                        p.yl[row] = int(y);
                        p.left[row] = int(cells[*left].a);
                        p.right[row] = int(cells[*right].a);
                    }
                    Source::Greatest { window } => {
                        p.yl[row] = int(y);
                        (p.left[row], p.right[row]) = (int(y), int(y));
                        // Both reads are of the first member with this value.
                        let members = &program.windows[*window].members;
                        let first = members.iter().find(|m| cells[**m].a == y);
                        let first = *first.expect("the greatest is a member's value");
                        p.visits[layout.main_row(first, b)] += 2;
                    }
                    Source::Function { function, operand } => {
                        let (segment, t) = locate(layout, *function, cells[*operand].a);
                        let (c0, c1) = layout.functions[*function].segments[segment];
                        p.yl[row] = int(y);
                        p.left[row] = int(cells[*operand].a);
                        p.right[row] = Fr::from(segment as u64);
                        p.c0[row] = int(c0 as i128);
                        p.c1[row] = int(c1 as i128);
                        p.function_multiplicity[table_start[*function] + segment] += 1;
                        r = t as u128;
                    }
                }
                let mut above = 0;
                if let Some(window) = window_of[s] {
                    above = cells[program.windows[window].greatest].a;
                    p.right[row] = int(above);
                    if !matches!(slot.source, Source::Local { .. }) {
                        p.left[row] = int(above);
                    }
                }
                // E and R as numbers, then as limbs.
                let half = |shift: u32| if shift > 0 { 1i128 << (shift - 1) } else { 0 };
                let mut e = 0u128;
                match slot.form {
                    Form::Plain => {}
                    Form::Signed { shift, bits } => {
                        e = (a + (1i128 << (bits - 1))) as u128;
                        if shift > 0 {
                            r = (y + half(shift) - (a << shift)) as u128;
                        }
                    }
                    Form::Unsigned { .. } => e = a as u128,
                    Form::Below { shift, .. } => {
                        e = (above - a) as u128;
                        r = (y + half(shift) - (a << shift)) as u128;
                    }
                    Form::Relu { shift, .. } => {
                        let q = round_shift(y, shift);
                        e = q.unsigned_abs();
                        r = (y + half(shift) - (q << shift)) as u128;
                    }
                    Form::Sign { offset, .. } => {
                        let v = y + offset;
                        e = if v >= 0 { v } else { -1 - v } as u128;
                    }
                }
                let mut put = |limbs: Vec<super::layout::LimbUse>, mut value: u128| {
                    for limb in limbs {
                        let x = (value & ((1 << limb.bits) - 1)) as u32;
                        value >>= limb.bits;
                        let (column, row) = layout.limb_cell(s, b, limb.cell);
                        p.limbs[column][row] = x;
                        if limb.bits < layout.params.limb_bits {
                            let (column, row) = layout.limb_cell(s, b, layout.shadow_cell());
                            p.limbs[column][row] = x << (layout.params.limb_bits - limb.bits);
                        }
                    }
                };
                put(layout.e_limbs(slot.form), e);
                put(layout.r_limbs(s), r);
                for &cell in &looked {
                    let (column, row) = layout.limb_cell(s, b, cell);
                    let x = p.limbs[column][row] as usize;
                    p.multiplicity[if x == 0 {
                        1 << layout.params.limb_bits
                    } else {
                        x
                    }] += 1;
                }
            }
        }
        for l in 0..program.layers.len() {
            remainder(layout, weights, l, batch, &mut p.y);
        }
        // Bias rows hold constants; where there are folds the folded column does.
        let folded = layout.batch() > 1 || program.is_shared();
        for rows in &layout.bias_rows {
            for (t, &row) in rows.iter().enumerate() {
                p.a[row] = if !folded {
                    pow2(program.weight_bits as u64 * t as u64)
                } else {
                    Fr::ZERO
                };
            }
        }
        if masked {
            for cell in p
                .mask
                .iter_mut()
                .skip(1)
                .step_by(2)
                .take(layout.mask_cells())
            {
                *cell = Fr::random(&mut *rng);
            }
        }
        p
    }
}

/// The coefficients of a layer's product that are no results, packed as the weights are.
fn remainder(
    layout: &Layout,
    weights: &PackedWeights,
    l: usize,
    batch: &[Vec<Cell>],
    y: &mut [Fr],
) {
    let layer = &layout.program.layers[l];
    let rest = layer.positions.rest();
    if rest.is_empty() {
        return;
    }
    let (width, taps) = (layer.positions.at.len(), layer.positions.taps.len());
    let pairs = layer.positions.sums(rest.iter().copied());
    let bits = u64::from(layout.program.weight_bits);
    for cell in 0..layer.cells() {
        let mut w = vec![Fr::ZERO; layout.usable];
        for (row, x) in &weights.columns[cell] {
            w[*row] = *x;
        }
        let kernel: Vec<Fr> = layout
            .channel_rows(layer)
            .flat_map(|row| w[row..row + taps].to_vec())
            .collect();
        let digits = layout.bias_rows[l].iter().enumerate();
        let bias: Fr = digits.map(|(t, row)| w[*row] * pow2(bits * t as u64)).sum();
        for (b, cells) in batch.iter().enumerate() {
            let x: Vec<Fr> = layer.inputs.iter().map(|s| int(cells[*s].a)).collect();
            for (i, pairs) in pairs.iter().enumerate() {
                let mut sum = bias;
                for (kernel, x) in kernel.chunks(taps).zip(x.chunks(width)) {
                    for &(t, q) in pairs {
                        sum += kernel[t] * x[q];
                    }
                }
                y[layout.rest_rows[l] + (cell * rest.len() + i) * batch.len() + b] = sum;
            }
        }
    }
}

impl PhaseZero {
    /// The columns in the order of their declaration (see `Config::phase_zero`).
    pub(crate) fn columns(&self) -> Vec<Vec<Fr>> {
        let small = |values: &[u64]| values.iter().map(|v| Fr::from(*v)).collect::<Vec<_>>();
        let limbs = |values: &Vec<u32>| {
            let field = |v: &u32| match *v {
                0 => Fr::ZERO,
                v => Fr::from(u64::from(v)),
            };
            values.iter().map(field).collect()
        };
        let mut columns = vec![self.a.clone(), self.y.clone()];
        columns.extend(self.limbs.iter().map(limbs));
        columns.push(small(&self.multiplicity));
        let optional = [
            &self.mask,
            &self.left,
            &self.right,
            &self.yl,
            &self.c0,
            &self.c1,
        ];
        columns.extend(optional.into_iter().filter(|c| !c.is_empty()).cloned());
        if !self.function_multiplicity.is_empty() {
            columns.push(small(&self.function_multiplicity));
        }
        let trees = [&self.yes, &self.no, &self.score];
        columns.extend(trees.into_iter().filter(|c| !c.is_empty()).cloned());
        if !self.visits.is_empty() {
            columns.push(small(&self.visits));
        }
        columns
    }
}

/// First table row of each function.
fn function_rows(layout: &Layout) -> Vec<usize> {
    let mut start = vec![0; layout.functions.len()];
    let mut row = 1;
    for f in layout.program.functions() {
        start[f] = row;
        row += layout.functions[f].segments.len();
    }
    start
}

/// The challenges drawn after phase 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Challenges {
    pub(crate) beta: Fr,
    pub(crate) eps: Fr,
    pub(crate) gamma: Fr,
    pub(crate) alpha: Fr,
    pub(crate) theta: Fr,
}

/// Columns of phase 1, over the usable rows.
#[derive(Clone, Debug)]
pub(crate) struct PhaseOne {
    pub(crate) v: Vec<Fr>,
    pub(crate) z: Vec<Fr>,
    pub(crate) acc: Vec<Fr>,
    pub(crate) pw: Vec<Fr>,
    pub(crate) sum: Vec<Fr>,
    pub(crate) h: Vec<Vec<Fr>>,
    pub(crate) sa: Vec<Fr>,
    pub(crate) sy: Vec<Fr>,
    /// V folded over the taps, inputs folded over the batch alone.
    pub(crate) taps: Vec<Fr>,
    pub(crate) inputs: Vec<Fr>,
    pub(crate) h_left: Vec<Fr>,
    pub(crate) h_right: Vec<Fr>,
    pub(crate) h_provider: Vec<Fr>,
    pub(crate) h_table: Vec<Fr>,
}

impl PhaseOne {
    /// Fills the columns.
    pub(crate) fn new(
        layout: &Layout,
        plan: &FixedPlan,
        weights: &PackedWeights,
        p: &PhaseZero,
        c: Challenges,
    ) -> PhaseOne {
        let n = layout.usable;
        let zeros = || vec![Fr::ZERO; n];
        let program = &layout.program;
        let batch = layout.batch();
        let rho = layout.rho();

        // 1. V and the folds.
        let v = weights.combine(c.beta, n);
        let shared = program.is_shared();
        let folded = batch > 1 || shared;
        let (mut sa, mut sy, mut taps, mut inputs) = (vec![], vec![], vec![], vec![]);
        let fold_batch = |column: &mut Vec<Fr>| {
            for s in 0..program.slots.len() {
                for b in (0..batch - 1).rev() {
                    let row = layout.main_row(s, b);
                    let next = column[row + rho];
                    column[row] += c.gamma * next;
                }
            }
        };
        if folded {
            (sa, sy) = (p.a.clone(), p.y.clone());
            for layer in 0..program.layers.len() {
                let spread = (program.layers[layer].positions.extent() * batch) as u64;
                let sum = (c.gamma.pow([spread]) - Fr::ONE)
                    * (c.gamma - Fr::ONE).invert().unwrap_or(Fr::ZERO);
                for (t, &row) in layout.bias_rows[layer].iter().enumerate() {
                    sa[row] = sum * pow2(program.weight_bits as u64 * t as u64);
                }
            }
        }
        if shared {
            taps = v.clone();
            let fold = |column: &mut Vec<Fr>, of: &dyn Fn(Role) -> Option<u64>| {
                let mut by = zeros();
                for (role, index) in &plan.roles {
                    if let Some(d) = of(*role) {
                        let power = c.gamma.pow([d]);
                        plan.columns[*index]
                            .iter()
                            .for_each(|(r, _)| by[*r] = power);
                    }
                }
                for row in (0..n - 1)
                    .rev()
                    .filter(|r| by[*r] != Fr::ZERO)
                    .collect::<Vec<_>>()
                {
                    let next = column[row + 1];
                    column[row] += by[row] * next;
                }
            };
            fold(&mut sa, &|r| match r {
                Role::NextOperand(d) => Some(d),
                _ => None,
            });
            fold(&mut sy, &|r| match r {
                Role::NextResult(d) => Some(d),
                _ => None,
            });
            fold(&mut taps, &|r| match r {
                Role::NextTap(d) => Some(d),
                _ => None,
            });
            if batch > 1 {
                inputs = p.a.clone();
                fold_batch(&mut inputs);
            }
        } else if batch > 1 {
            fold_batch(&mut sa);
            fold_batch(&mut sy);
        }
        let (big_a, big_y) = if folded { (&sa, &sy) } else { (&p.a, &p.y) };
        let kernel = if shared { &taps } else { &v };

        // 2. Inputs.
        let mut z = zeros();
        let committed = match (shared, batch) {
            (true, 1) => &p.a,
            (true, _) => &inputs,
            (false, _) => big_a,
        };
        for row in layout.input_rows() {
            z[row] = committed[row];
        }

        // 3. Output powers and the accumulator.
        let mut pw = zeros();
        let mut acc = zeros();
        let column = |role: Role| {
            plan.roles
                .get(&role)
                .map(|i| &plan.columns[*i][..])
                .unwrap_or(&[])
        };
        let mut step = zeros();
        for (row, f) in column(Role::PowerStep) {
            step[*row] += f;
        }
        for (row, f) in column(Role::PowerBeta) {
            step[*row] += c.beta * f;
        }
        let mut start = zeros();
        for (role, index) in &plan.roles {
            if let Role::PowerStart(d) = role {
                let power = c.gamma.pow([*d]);
                plan.columns[*index]
                    .iter()
                    .for_each(|(r, _)| start[*r] = power);
            }
        }
        let mut boundary = vec![false; n];
        for row in layout.zone_start.iter().skip(1) {
            boundary[*row] = true;
        }
        let mut contributes = vec![!folded; n];
        let mut head = vec![!shared; n];
        for (row, _) in column(Role::OutputEnd) {
            contributes[*row] = true;
        }
        for (row, _) in column(Role::Head) {
            head[*row] = true;
        }
        for row in 1..n {
            pw[row] = start[row];
            if step[row] != Fr::ZERO {
                let before = pw[row - 1];
                pw[row] += step[row] * before;
            }
            let mut x = acc[row - 1];
            if boundary[row] {
                x *= c.eps;
            }
            if head[row] && kernel[row] != Fr::ZERO {
                x += c.eps * kernel[row] * big_a[row];
            }
            if contributes[row] && big_y[row] != Fr::ZERO {
                x -= pw[row] * big_y[row];
            }
            acc[row] = x;
        }

        // 4. Lookup helpers: inverses of alpha + table once, of the rest in one batch.
        let entries = 1usize << layout.params.limb_bits;
        let mut inverse: Vec<Fr> = (0..entries).map(|v| c.alpha + Fr::from(v as u64)).collect();
        inverse.iter_mut().batch_invert();
        let mut looked = vec![vec![]; layout.limb_columns];
        for slot in 0..program.slots.len() {
            for cell in layout.looked_up(slot) {
                for b in 0..batch {
                    let (column, row) = layout.limb_cell(slot, b, cell);
                    looked[column].push(row);
                }
            }
        }
        let h: Vec<Vec<Fr>> = looked
            .par_iter()
            .zip(&p.limbs)
            .map(|(rows, limbs)| {
                let mut h = zeros();
                for &row in rows {
                    h[row] = inverse[limbs[row] as usize];
                }
                h
            })
            .collect();

        // 5. Reads and functions.
        let (mut h_left, mut h_right, mut h_provider, mut h_table) =
            (vec![], vec![], vec![], vec![]);
        if program.has_reads() {
            (h_left, h_right, h_provider) = (zeros(), zeros(), zeros());
            let theta2 = c.theta.square();
            let (theta3, theta4) = (theta2 * c.theta, theta2.square());
            let address = |role: Role| {
                let mut dense = zeros();
                for (row, f) in column(role) {
                    dense[*row] = *f;
                }
                dense
            };
            let (la, ra, tag) = (
                address(Role::LeftAddress),
                address(Role::RightAddress),
                address(Role::FunctionTag),
            );
            let functions = !p.c0.is_empty();
            for (row, _) in column(Role::Reads) {
                h_left[*row] = c.alpha + c.theta * la[*row] + p.left[*row];
                h_right[*row] = c.alpha + c.theta * ra[*row] + p.right[*row];
                if functions {
                    h_right[*row] += theta2 * tag[*row] + theta3 * p.c0[*row] + theta4 * p.c1[*row];
                }
            }
            if program.forest.is_some() {
                let key = theta2.square() * c.theta;
                let (beta2, beta3) = (c.beta.square(), c.beta.square() * c.beta);
                let roots = address(Role::RootKey);
                for (row, _) in column(Role::Step) {
                    let row = *row;
                    h_left[row] += key * p.right[row];
                    let mut node = roots[row];
                    if node == Fr::ZERO {
                        let before = row - batch;
                        node = p.yes[before] - p.a[before] + Fr::from(2);
                    }
                    h_right[row] += key * node
                        + c.beta * (p.yl[row] + p.left[row])
                        + beta2 * p.yes[row]
                        + beta3 * p.no[row];
                }
            }
            let counts = read_counts(layout);
            let mut provided = zeros();
            for (s, count) in counts.iter().enumerate().filter(|(_, c)| **c > 0) {
                for b in 0..batch {
                    let row = layout.main_row(s, b);
                    h_provider[row] = c.alpha + c.theta * Fr::from(row as u64) + p.a[row];
                    provided[row] = Fr::from(*count);
                }
            }
            let (own, keys) = (address(Role::Address), address(Role::Key));
            let key = theta2.square() * c.theta;
            for (row, _) in column(Role::Visited) {
                h_provider[*row] = c.alpha + c.theta * own[*row] + key * keys[*row] + p.a[*row];
                if *row >= layout.node_start {
                    h_provider[*row] += v[*row];
                }
                provided[*row] = Fr::from(p.visits[*row]);
            }
            // Zeros stay zeros in a batch inversion.
            h_left.iter_mut().batch_invert();
            h_right.iter_mut().batch_invert();
            h_provider.iter_mut().batch_invert();
            for (h, count) in h_provider.iter_mut().zip(&provided) {
                *h *= count;
            }
            if functions {
                h_table = zeros();
                let (seg, t, c0, c1) = (
                    address(Role::TableSegment),
                    address(Role::TableTag),
                    address(Role::TableC0),
                    address(Role::TableC1),
                );
                for (row, m) in p
                    .function_multiplicity
                    .iter()
                    .enumerate()
                    .filter(|(_, m)| **m > 0)
                {
                    let tuple =
                        c.alpha + seg[row] + theta2 * t[row] + theta3 * c0[row] + theta4 * c1[row];
                    h_table[row] = Fr::from(*m) * tuple.invert().unwrap_or(Fr::ZERO);
                }
            }
        }

        // 6. The running sum.
        let mut sum = zeros();
        for row in 1..n {
            let mut x = sum[row - 1];
            for h in &h {
                x += h[row];
            }
            if !h_left.is_empty() {
                x += h_left[row] + h_right[row] - h_provider[row];
            }
            if !h_table.is_empty() {
                x -= h_table[row];
            }
            let m = p.multiplicity[row];
            if m > 0 {
                x -= Fr::from(m) * inverse[if row < entries { row } else { 0 }];
            }
            sum[row] = x;
        }
        PhaseOne {
            v,
            z,
            acc,
            pw,
            sum,
            h,
            sa,
            sy,
            taps,
            inputs,
            h_left,
            h_right,
            h_provider,
            h_table,
        }
    }
}

impl PhaseOne {
    /// The columns in the order of their declaration (see `Config::phase_one`).
    pub(crate) fn into_columns(self) -> Vec<Vec<Fr>> {
        let mut columns = vec![self.v, self.z, self.acc, self.pw, self.sum];
        columns.extend(self.h);
        let optional = [
            self.sa,
            self.sy,
            self.taps,
            self.inputs,
            self.h_left,
            self.h_right,
            self.h_provider,
            self.h_table,
        ];
        columns.extend(optional.into_iter().filter(|c| !c.is_empty()));
        columns
    }
}
