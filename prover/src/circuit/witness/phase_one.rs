//! Columns of phase 1: folds, powers and running sums under the challenges.

use ff::{BatchInvert, Field};
use halo2curves::bn256::Fr;
use rayon::prelude::*;

use super::super::fixed::{pow2, read_counts, FixedPlan, Role};
use super::super::layout::Layout;
use super::{PackedWeights, PhaseZero};

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
    /// The combinations of the further blocks of nodes, and their helpers.
    pub(crate) block_v: Vec<Vec<Fr>>,
    pub(crate) block_h: Vec<Vec<Fr>>,
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
        let mut combined = layout.linked().map(|of| weights.combine(of, c.beta, n));
        let v = combined.next().expect("the first is always there");
        let block_v: Vec<Vec<Fr>> = combined.collect();
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
        let block_h = block_helpers(layout, p, &block_v, c);
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
                if layout.nodes.rows().contains(row) {
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
            for h in &block_h {
                x -= h[row];
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
            block_v,
            block_h,
        }
    }
}

/// `h = visits / (alpha + theta address + theta^5 key + V)`, where a node of a block is visited.
fn block_helpers(
    layout: &Layout,
    p: &PhaseZero,
    block_v: &[Vec<Fr>],
    c: Challenges,
) -> Vec<Vec<Fr>> {
    let theta5 = c.theta.square().square() * c.theta;
    let base = c.alpha + c.theta * Fr::from(layout.node_address());
    let helpers = p.block_visits.iter().zip(block_v).enumerate();
    helpers
        .map(|(block, (visits, v))| {
            let mut h = vec![Fr::ZERO; layout.usable];
            let before = layout.nodes.keys_before(block);
            for (row, count) in visits.iter().enumerate().filter(|(_, c)| **c > 0) {
                let tuple = base + theta5 * Fr::from(before + row as u64) + v[row];
                h[row] = Fr::from(*count) * tuple.invert().unwrap_or(Fr::ZERO);
            }
            h
        })
        .collect()
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
        columns.extend(self.block_v);
        columns.extend(self.block_h);
        columns
    }
}
