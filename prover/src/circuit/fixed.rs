//! Fixed columns: what each is for, and its content.
//!
//! Roles with equal content share a column.

use std::collections::BTreeMap;

use ff::{Field, PrimeField};
use halo2curves::bn256::Fr;

use super::layout::{Class, Layout};
use super::program::{Forest, Source};

/// What a fixed column is for. Roles with equal content share one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Role {
    /// 1 on rows 1..u: every gate's switch.
    Use,
    /// 1 on rows 0 and u-1: running columns vanish there.
    Ends,
    /// The range table.
    Table,
    /// 1 on main rows of the class.
    Class(Class),
    /// 1 where limb columns of this pattern are looked up. Where all limbs of a slot lie on its main row, the
    /// classes say it.
    Limb(usize),
    /// Multiplier of the previous output power.
    PowerStep,
    /// Multiplier of beta times the previous output power.
    PowerBeta,
    /// 1 where a run of output powers starts, with this power of gamma.
    PowerStart(u64),
    /// 1 on the first row of each zone but the first.
    Boundary,
    /// The constant 2^(w t) on the bias row of digit t, of layers that add a bias to so many places.
    Bias(u64),
    /// 1 on bias rows (folds only).
    BiasOn,
    /// 1 on the first row of each linear output, and of a layer's remainder (folds only).
    OutputEnd,
    /// 1 on main rows of all instances but the last (batches only).
    Continue,
    /// 1 on the first main row of each input.
    InputEnd,
    /// 1 on released main rows.
    Released,
    /// 1 on main rows that read two operands.
    Reads,
    /// Address (main row) of the first operand.
    LeftAddress,
    /// Address of the second operand.
    RightAddress,
    /// Own address where a slot is read.
    Address,
    /// How often it is read.
    ReadCount,
    /// Coefficient of the product of both operands.
    Product,
    /// Coefficient of the first operand.
    LeftFactor,
    /// Coefficient of the second operand.
    RightFactor,
    /// Constant term.
    Constant,
    /// Function number plus one on main rows of function slots.
    FunctionTag,
    /// Function tables: number plus one, segment, coefficients.
    TableTag,
    /// Segment.
    TableSegment,
    /// Coefficient c0.
    TableC0,
    /// Coefficient c1.
    TableC1,
    /// 1 on the steps of the walks through the trees.
    Step,
    /// Key of a tree's root, on its first step.
    RootKey,
    /// 1 on the other steps, whose node the step before names.
    Next,
    /// 1 on a walk's last step, which ends in a leaf.
    Leaf,
    /// 1 on all steps and scores but the first: the sum of the leaves goes on.
    Carry,
    /// 1 on steps and scores.
    Walk,
    /// Factor of each score in the sum of the leaves.
    ScoreFactor,
    /// 1 on the last score, where nothing of the sum is left.
    ScoreEnd,
    /// 1 on the rows of the trees' nodes.
    Node,
    /// Number of a feature, key of a node.
    Key,
    /// 1 where features and nodes are provided.
    Visited,
    /// 1 on the rows of the further blocks of nodes.
    Block,
    /// Row number there: keys count up with it.
    BlockKey,
    /// 1 on rows with a remainder of a layer (shared layers only, like all below).
    Rest,
    /// 1 on the first row of each channel and on bias rows: where weights meet operands.
    Head,
    /// 1 where the next row holds a channel's next operand, so many powers of gamma on.
    NextOperand(u64),
    /// The same for a channel's taps.
    NextTap(u64),
    /// The same for an output's results.
    NextResult(u64),
}

/// Content of the fixed columns, shared between roles of equal content.
#[derive(Clone, Debug)]
pub(crate) struct FixedPlan {
    /// Distinct contents: (row, value), ascending, non-zero.
    pub(crate) columns: Vec<Vec<(usize, Fr)>>,
    /// Column of each role in use; a role without any non-zero cell is absent.
    pub(crate) roles: BTreeMap<Role, usize>,
}

/// `2^e` in the field.
pub(crate) fn pow2(e: u64) -> Fr {
    // A power takes hundreds of multiplications; below the modulus it is a bit.
    if e >= u64::from(Fr::CAPACITY) {
        return Fr::from(2).pow([e]);
    }
    let mut limbs = [0u64; 4];
    limbs[(e / 64) as usize] = 1 << (e % 64);
    Fr::from_raw(limbs)
}

/// An integer in the field.
pub(crate) fn int(x: i128) -> Fr {
    let x128 = x.unsigned_abs();
    let magnitude = Fr::from_raw([x128 as u64, (x128 >> 64) as u64, 0, 0]);
    if x < 0 {
        -magnitude
    } else {
        magnitude
    }
}

impl FixedPlan {
    /// The fixed columns of a layout.
    pub(crate) fn new(layout: &Layout) -> FixedPlan {
        let mut cells: BTreeMap<Role, BTreeMap<usize, Fr>> = BTreeMap::new();
        let mut set = |role: Role, row: usize, value: Fr| {
            if value != Fr::ZERO {
                cells.entry(role).or_default().insert(row, value);
            }
        };
        let batch = layout.batch();
        let program = &layout.program;
        for row in 1..layout.usable {
            set(Role::Use, row, Fr::ONE);
        }
        set(Role::Ends, 0, Fr::ONE);
        set(Role::Ends, layout.usable - 1, Fr::ONE);
        // Value v on row v; rows without an entry hold zero, and the first of them counts for zero.
        for v in 1..1usize << layout.params.limb_bits {
            set(Role::Table, v, Fr::from(v as u64));
        }
        // Slots.
        for (s, slot) in program.slots.iter().enumerate() {
            let class = layout.class(s);
            let looked_up = layout.looked_up(s);
            for b in 0..batch {
                let row = layout.main_row(s, b);
                set(Role::Class(class), row, Fr::ONE);
                if layout.rotations > 1 {
                    for &cell in &looked_up {
                        let (column, cell_row) = layout.limb_cell(s, b, cell);
                        set(Role::Limb(layout.limb_selector[column]), cell_row, Fr::ONE);
                    }
                }
                if b + 1 < batch {
                    set(Role::Continue, row, Fr::ONE);
                }
                if let Source::Local {
                    left,
                    right,
                    product,
                    left_factor,
                    right_factor,
                    constant,
                } = slot.source
                {
                    set(Role::Reads, row, Fr::ONE);
                    set(
                        Role::LeftAddress,
                        row,
                        Fr::from(layout.main_row(left, b) as u64),
                    );
                    set(
                        Role::RightAddress,
                        row,
                        Fr::from(layout.main_row(right, b) as u64),
                    );
                    set(Role::Product, row, int(product as i128));
                    set(Role::LeftFactor, row, int(left_factor as i128));
                    set(Role::RightFactor, row, int(right_factor as i128));
                    set(Role::Constant, row, int(constant as i128));
                }
                if let Source::Function { function, operand } = slot.source {
                    set(Role::Reads, row, Fr::ONE);
                    set(
                        Role::LeftAddress,
                        row,
                        Fr::from(layout.main_row(operand, b) as u64),
                    );
                    set(Role::FunctionTag, row, Fr::from(function as u64 + 1));
                }
            }
        }
        for (w, window) in program.windows.iter().enumerate() {
            for b in 0..batch {
                let address = Fr::from(layout.window_address(w, b));
                let row = layout.main_row(window.greatest, b);
                set(Role::Reads, row, Fr::ONE);
                set(Role::LeftAddress, row, address);
                set(Role::RightAddress, row, address);
                set(Role::LeftFactor, row, Fr::ONE);
                let greatest = Fr::from(row as u64);
                for &member in &window.members {
                    let row = layout.main_row(member, b);
                    set(Role::Reads, row, Fr::ONE);
                    set(Role::RightAddress, row, greatest);
                    if !matches!(program.slots[member].source, Source::Local { .. }) {
                        set(Role::LeftAddress, row, greatest);
                    }
                    set(Role::Address, row, address);
                    set(Role::Visited, row, Fr::ONE);
                }
            }
        }
        for (s, count) in read_counts(layout).into_iter().enumerate() {
            if count > 0 {
                for b in 0..batch {
                    let row = layout.main_row(s, b);
                    set(Role::Address, row, Fr::from(row as u64));
                    set(Role::ReadCount, row, Fr::from(count));
                }
            }
        }
        if let Some(forest) = &program.forest {
            forest_roles(layout, forest, &mut set);
        }
        for &s in &program.inputs {
            set(Role::InputEnd, layout.end_row(s), Fr::ONE);
        }
        for row in layout.released_rows() {
            set(Role::Released, row, Fr::ONE);
        }
        for &row in layout.zone_start.iter().skip(1) {
            set(Role::Boundary, row, Fr::ONE);
        }
        // Layers.
        let shared = program.is_shared();
        for (l, layer) in program.layers.iter().enumerate() {
            let spread = (layer.positions.extent() * batch) as u64;
            for (t, &row) in layout.bias_rows[l].iter().enumerate() {
                let digit = pow2(program.weight_bits as u64 * t as u64);
                set(Role::Bias(spread), row, digit);
                set(Role::BiasOn, row, Fr::ONE);
            }
            let back = pow2(layer.lane_bits as u64 * (layer.lanes as u64 - 1))
                .invert()
                .expect("a power of two is invertible");
            let lane = pow2(layer.lane_bits as u64);
            let width = layer.positions.to.len();
            let heads: Vec<usize> = layer
                .outputs
                .iter()
                .step_by(width)
                .map(|s| layout.end_row(*s))
                .collect();
            let factor = |o: usize| {
                (
                    o.is_multiple_of(layer.lanes),
                    if o.is_multiple_of(layer.lanes) {
                        back
                    } else {
                        lane
                    },
                )
            };
            let start = u64::from(layer.positions.to[0]) * batch as u64;
            powers(&heads, start, factor, &mut set);
            if shared {
                shared_roles(layout, l, &mut set);
            }
        }
        // Function tables, one below the other.
        let mut row = 1;
        for f in program.functions() {
            for (segment, (c0, c1)) in layout.functions[f].segments.iter().enumerate() {
                set(Role::TableTag, row, Fr::from(f as u64 + 1));
                set(Role::TableSegment, row, Fr::from(segment as u64));
                set(Role::TableC0, row, int(*c0 as i128));
                set(Role::TableC1, row, int(*c1 as i128));
                row += 1;
            }
        }
        let folded: [Role; 2] = [Role::BiasOn, Role::OutputEnd];
        let mut plan = FixedPlan {
            columns: vec![],
            roles: BTreeMap::new(),
        };
        for (role, content) in cells {
            if batch == 1 && (role == Role::Continue || !shared && folded.contains(&role)) {
                continue;
            }
            let content: Vec<(usize, Fr)> = content.into_iter().collect();
            let index = plan
                .columns
                .iter()
                .position(|c| *c == content)
                .unwrap_or_else(|| {
                    plan.columns.push(content);
                    plan.columns.len() - 1
                });
            plan.roles.insert(role, index);
        }
        plan
    }
}

/// The powers of a run of outputs that start on these rows: the first is `gamma^start`, each further one its
/// `factor` (by beta, if so) times the one before.
fn powers(
    heads: &[usize],
    start: u64,
    factor: impl Fn(usize) -> (bool, Fr),
    set: &mut impl FnMut(Role, usize, Fr),
) {
    for (o, &row) in heads.iter().enumerate() {
        set(Role::OutputEnd, row, Fr::ONE);
        if o == 0 {
            set(Role::PowerStart(start), row, Fr::ONE);
            continue;
        }
        let previous = heads[o - 1];
        assert!(
            row > previous,
            "the powers of a layer's outputs run down the rows"
        );
        for between in previous + 1..row {
            set(Role::PowerStep, between, Fr::ONE);
        }
        match factor(o) {
            (true, by) => set(Role::PowerBeta, row, by),
            (false, by) => set(Role::PowerStep, row, by),
        }
    }
}

/// The fixed cells of a layer in a circuit where weights serve several positions. Operands, taps and results lie
/// on consecutive rows; instance b of the batch stands at b above the exponent times the batch.
fn shared_roles(layout: &Layout, l: usize, set: &mut impl FnMut(Role, usize, Fr)) {
    let layer = &layout.program.layers[l];
    let batch = layout.batch();
    let positions = &layer.positions;
    let spread = |exponents: &[u32]| -> Vec<u64> {
        let at = |e: u64| (0..batch as u64).map(move |b| e * batch as u64 + b);
        exponents.iter().flat_map(|e| at(u64::from(*e))).collect()
    };
    let mut run = |role: fn(u64) -> Role, first: usize, exponents: &[u64]| {
        for (i, pair) in exponents.windows(2).enumerate() {
            set(role(pair[1] - pair[0]), first + i, Fr::ONE);
        }
    };
    let taps: Vec<u64> = positions
        .taps
        .iter()
        .map(|t| u64::from(*t) * batch as u64)
        .collect();
    let (at, to) = (spread(&positions.at), spread(&positions.to));
    for row in layout.channel_rows(layer) {
        run(Role::NextOperand, row, &at);
        run(Role::NextTap, row, &taps);
    }
    for o in 0..layer.output_channels() {
        run(Role::NextResult, layout.end_row(layer.output(o)[0]), &to);
    }
    let rest: Vec<u32> = positions.rest().into_iter().map(|e| e as u32).collect();
    let exponents = spread(&rest);
    let first = |cell: usize| layout.rest_rows[l] + cell * exponents.len();
    for cell in 0..layer.cells() {
        run(Role::NextResult, first(cell), &exponents);
    }
    if let Some(start) = exponents.first() {
        let heads: Vec<usize> = (0..layer.cells()).map(first).collect();
        powers(&heads, *start, |_| (true, Fr::ONE), set);
        for row in first(0)..first(layer.cells()) {
            set(Role::Rest, row, Fr::ONE);
        }
    }
    for row in layout
        .channel_rows(layer)
        .chain(layout.bias_rows[l].iter().copied())
    {
        set(Role::Head, row, Fr::ONE);
    }
}

/// The fixed cells of the trees. Addresses of features and nodes lie above all rows: n + b for the features of
/// instance b, n + B for nodes.
fn forest_roles(layout: &Layout, forest: &Forest, set: &mut impl FnMut(Role, usize, Fr)) {
    let batch = layout.batch();
    let above = 1u64 << layout.params.k;
    let nodes = Fr::from(layout.node_address());
    let features = |b: usize| Fr::from(above + b as u64);
    for b in 0..batch {
        for (j, &s) in forest.features.iter().enumerate() {
            let row = layout.main_row(s, b);
            set(Role::Address, row, features(b));
            set(Role::Key, row, Fr::from(j as u64));
            set(Role::Visited, row, Fr::ONE);
        }
        for step in 0..forest.trees * forest.depth {
            let row = layout.main_row(forest.first_step + step, b);
            set(Role::Reads, row, Fr::ONE);
            set(Role::Step, row, Fr::ONE);
            set(Role::Walk, row, Fr::ONE);
            set(Role::LeftAddress, row, features(b));
            set(Role::RightAddress, row, nodes);
            let (tree, level) = (step / forest.depth, step % forest.depth);
            if level == 0 {
                set(Role::RootKey, row, Fr::from(tree as u64 + 1));
            } else {
                set(Role::Next, row, Fr::ONE);
            }
            if level + 1 == forest.depth {
                set(Role::Leaf, row, Fr::ONE);
            }
            if step > 0 {
                set(Role::Carry, row, Fr::ONE);
            }
        }
        for (j, &s) in forest.scores.iter().enumerate() {
            let row = layout.main_row(s, b);
            set(Role::Walk, row, Fr::ONE);
            set(Role::Carry, row, Fr::ONE);
            set(Role::ScoreFactor, row, layout.score_factor(j));
            if j + 1 == forest.scores.len() {
                set(Role::ScoreEnd, row, Fr::ONE);
            }
        }
    }
    for (i, row) in layout.nodes.rows().enumerate() {
        set(Role::Address, row, nodes);
        set(Role::Key, row, Fr::from(i as u64 + 1));
        set(Role::Visited, row, Fr::ONE);
        set(Role::Node, row, Fr::ONE);
    }
    for row in 1..=layout.nodes.block_rows {
        set(Role::Block, row, Fr::ONE);
        set(Role::BlockKey, row, Fr::from(row as u64));
    }
}

/// How many slots read each slot through the copy lookup.
pub(crate) fn read_counts(layout: &Layout) -> Vec<u64> {
    let mut counts = vec![0; layout.program.slots.len()];
    let windows = layout.program.window_of();
    for (slot, window) in layout.program.slots.iter().zip(windows) {
        let greatest = window.map(|w| layout.program.windows[w].greatest);
        match (&slot.source, greatest) {
            // A member reads the greatest of its window, beside what it is a copy of, or twice.
            (Source::Local { left, .. }, Some(greatest)) => {
                counts[*left] += 1;
                counts[greatest] += 1;
            }
            (_, Some(greatest)) => counts[greatest] += 2,
            (Source::Local { left, right, .. }, None) => {
                counts[*left] += 1;
                counts[*right] += 1;
            }
            (Source::Function { operand, .. }, None) => counts[*operand] += 1,
            _ => {}
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_two_are_what_doubling_gives() {
        let mut power = Fr::ONE;
        for e in 0..300 {
            assert_eq!(pow2(e), power, "2^{e}");
            power = power.double();
        }
    }
}
