//! Columns of phase 0: values, accumulators, limbs and what lookups read.

use ff::{Field, PrimeField};
use halo2curves::bn256::Fr;
use rand_core::RngCore;

use super::super::fixed::{int, pow2};
use super::super::layout::{Layout, LimbUse};
use super::super::program::{Form, Source};
use super::eval::{locate, trees};
use super::{round_shift, Cell, PackedWeights};

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
    /// How often each node of the further blocks is read.
    pub(crate) block_visits: Vec<Vec<u64>>,
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
            block_visits: vec![vec![0; n]; layout.nodes.blocks],
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
                        let place = layout.nodes.place(node);
                        match place.block {
                            None => p.visits[place.row] += 1,
                            Some(block) => p.block_visits[block][place.row] += 1,
                        }
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
                let mut put = |limbs: Vec<LimbUse>, mut value: u128| {
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
        columns.extend(self.block_visits.iter().map(|v| small(v)));
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
