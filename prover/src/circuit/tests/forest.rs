//! Trees: honest walks are accepted, each changed cell and each other walk is refused.

use super::super::model::TamperSecond;
use super::*;
use crate::quantize::walk;

/// Two trees of depth 3 over two features, one with a leaf above the last level; `scores` numbers a leaf.
pub(crate) fn model(scores: usize, seed: u8) -> IntegerModel {
    let mut rng = ChaCha20Rng::from_seed([seed; 32]);
    let mut values = |_| -> Vec<i64> {
        (0..scores)
            .map(|_| (rng.next_u64() % (1 << 21)) as i64 - (1 << 20))
            .collect()
    };
    let pointer = |to: i64| {
        let mut yes = vec![0; scores];
        yes[0] = to;
        yes
    };
    let branch = |feature, threshold, to| ForestNode {
        feature,
        threshold,
        yes: pointer(to),
        no: vec![0; scores],
    };
    let mut nodes = vec![
        branch(0, 1000, 2),          // 0: children 2, 3
        branch(1, -(1 << 31), 4),    // 1: children 4, 5
        branch(1, 7, 6),             // 2: children 6, 7
        leaf(3, values(())),         // 3
        branch(0, (1 << 31) - 1, 8), // 4: children 8, 9
        branch(0, -5, 10),           // 5: children 10, 11
    ];
    for i in 6..12 {
        nodes.push(match i {
            9 => leaf(9, values(())),
            _ => ForestNode {
                feature: i % 2,
                threshold: i64::from(i) * 100 - 800,
                yes: values(()),
                no: values(()),
            },
        });
    }
    nodes.push(leaf(12, vec![0; scores]));
    let skeleton = Skeleton {
        weight_bits: 14,
        ..skeleton(
            vec![InputSpec {
                encoding: InputEncoding::Float32,
                scale_bits: 0,
                ..input("x", 2, 31)
            }],
            vec![],
            vec![Op::Forest {
                inputs: vec![0, 1],
                trees: 2,
                depth: 3,
                nodes: nodes.len() as u32,
                outputs: scores as u32,
                leaf_bits: 21,
            }],
            (2..2 + scores as u32).collect(),
        )
    };
    IntegerModel {
        skeleton,
        weights: PrivateWeights {
            forests: vec![nodes],
            ..PrivateWeights::default()
        },
    }
}

fn leaf(at: i64, values: Vec<i64>) -> ForestNode {
    let mut yes = vec![0; values.len()];
    yes[0] = at - 1;
    ForestNode {
        feature: 0,
        threshold: ForestNode::NEVER,
        yes,
        no: values,
    }
}

#[test]
fn honest_walks_are_accepted() {
    for (scores, batch, limb_bits) in [(1, 1, 4), (1, 1, 8), (2, 3, 6)] {
        for seed in 0..3 {
            let model = model(scores, 1);
            let case = Case::new(&model, batch, limb_bits, 1, seed);
            assert_eq!(case.verify(case.zero.clone(), &case.instance, None), Ok(()));
            let layout = &case.shape.layout;
            for (row, cells) in rows(&model, batch, seed).iter().zip(&case.cells) {
                let expected = model.released_of(&model.eval(row));
                let found: Vec<i64> = layout
                    .program
                    .released
                    .iter()
                    .map(|s| cells[*s].a as i64)
                    .collect();
                assert_eq!(found, expected);
            }
        }
    }
}

/// Rows exactly on each threshold and beside it.
#[test]
fn thresholds_are_exact() {
    let model = model(1, 1);
    let (_, layout) = params(&model.skeleton, 1, 8, 1);
    let table = &model.weights.forests[0];
    for node in table {
        for x in [-1, 0, 1].map(|d| (node.threshold + d).clamp(-(1 << 31), (1 << 31) - 1)) {
            let cells = eval_slots(&layout, &model.weights, &[x, x]).unwrap();
            let forest = layout.program.forest.as_ref().unwrap();
            for tree in 0..2 {
                for (level, (node, bit)) in walk(table, &[x, x], tree, 3).enumerate() {
                    let cell = cells[forest.first_step + 3 * tree + level];
                    assert_eq!((cell.node, cell.a), (node, i128::from(bit)));
                }
            }
        }
    }
}

fn refused(case: &Case, zero: PhaseZero, gate: &str) {
    refused_with(case, zero, &case.instance, gate);
}

fn refused_with(case: &Case, zero: PhaseZero, instance: &[Fr], gate: &str) {
    let failures = case.verify(zero, instance, None).expect_err(gate);
    let failures: Vec<String> = failures.iter().map(ToString::to_string).collect();
    assert!(
        failures.iter().any(|f| f.contains(gate)),
        "{gate}: {failures:?}"
    );
}

#[test]
fn every_changed_cell_of_a_walk_is_refused() {
    let case = Case::new(&model(1, 1), 1, 8, 1, 1);
    let layout = &case.shape.layout;
    let forest = layout.program.forest.clone().unwrap();
    let sum = "sum = 0 at the ends";
    for step in 0..6 {
        let row = layout.main_row(forest.first_step + step, 0);
        let change = |edit: &dyn Fn(&mut PhaseZero), gate: &str| {
            let mut zero = case.zero.clone();
            edit(&mut zero);
            refused(&case, zero, gate);
        };
        change(&|z| z.a[row] = Fr::ONE - z.a[row], "= E");
        change(&|z| z.a[row] += Fr::from(2), "a (a - 1) = 0");
        change(&|z| z.yl[row] += Fr::ONE, "= E");
        // Another feature's value, another feature, another threshold: no such read, no such node.
        change(&|z| z.left[row] += Fr::ONE, sum);
        change(&|z| z.right[row] = Fr::ONE - z.right[row], sum);
        change(&|z| z.yes[row] += Fr::ONE, sum);
        change(&|z| z.no[row] += Fr::ONE, sum);
        change(&|z| z.score[row] += Fr::ONE, "score = score_prev");
        change(&|z| z.limbs[0][row] ^= 1, "= E");
    }
    for node in 0..forest.nodes {
        let row = layout.nodes.start + node;
        let mut zero = case.zero.clone();
        zero.visits[row] += 1;
        refused(&case, zero, sum);
        let mut zero = case.zero.clone();
        zero.a[row] = Fr::ONE;
        refused(&case, zero, "a = 0 on nodes");
    }
    for feature in &forest.features {
        let mut zero = case.zero.clone();
        zero.visits[layout.main_row(*feature, 0)] += 1;
        refused(&case, zero, sum);
    }
    let score = layout.main_row(forest.scores[0], 0);
    let mut zero = case.zero.clone();
    zero.a[score] += Fr::ONE;
    refused(&case, zero, "score = score_prev");
    let mut zero = case.zero.clone();
    zero.score[score] += Fr::ONE;
    refused(&case, zero, "score = 0 after the last");
}

/// A whole other walk that is consistent in itself: another table, another decision's features.
#[test]
fn other_walks_are_refused() {
    let sum = "sum = 0 at the ends";
    // 1. The walk of another forest, against this one's commitment.
    let (own, other) = (
        Case::new(&model(1, 1), 1, 8, 1, 1),
        Case::new(&model(1, 2), 1, 8, 1, 1),
    );
    refused_with(&own, other.zero.clone(), &other.instance, sum);
    // 2. Rows of a batch exchanged in their walks, not in their inputs.
    let case = Case::new(&model(1, 1), 2, 6, 1, 1);
    let layout = &case.shape.layout;
    let forest = layout.program.forest.clone().unwrap();
    let mut cells = case.cells.clone();
    let walks = forest.first_step..forest.first_step + 7;
    let released = layout.program.released.clone();
    let (a, b) = cells.split_at_mut(1);
    for s in walks.chain(released) {
        std::mem::swap(&mut a[0][s], &mut b[0][s]);
    }
    let zero = PhaseZero::new(
        layout,
        &case.weights,
        &cells,
        true,
        &mut ChaCha20Rng::from_seed([1; 32]),
    );
    refused_with(&case, zero, &instance(layout, &cells), sum);
}

/// A pointer before the first node leads to no node, although its key is zero as that of other kinds.
#[test]
fn a_pointer_out_of_the_table_has_no_witness() {
    let mut model = model(1, 1);
    let (_, layout) = params(&model.skeleton, 1, 8, 1);
    let honest = eval_slots(&layout, &model.weights, &[0, 0]).unwrap();
    model.weights.forests[0][0].yes[0] = -2;
    let weights = Arc::new(PackedWeights::new(&layout, &model.weights));
    let mut zero = PhaseZero::new(
        &layout,
        &weights,
        std::slice::from_ref(&honest),
        true,
        &mut ChaCha20Rng::from_seed([1; 32]),
    );
    // The step after reads "node" 0: feature 0, all else zero, as the range table's zero.
    let forest = layout.program.forest.clone().unwrap();
    let row = layout.main_row(forest.first_step + 1, 0);
    let node = layout.nodes.start + honest[forest.first_step + 1].node;
    zero.visits[node] -= 1;
    (zero.left[row], zero.right[row], zero.yl[row]) = (Fr::ZERO, Fr::ZERO, Fr::ZERO);
    (zero.yes[row], zero.no[row]) = (Fr::ZERO, Fr::ZERO);
    zero.multiplicity[1 << layout.params.limb_bits] += 1;
    let plan = FixedPlan::new(&layout);
    let case = Case {
        k: layout.params.k,
        instance: instance(&layout, std::slice::from_ref(&honest)),
        cells: vec![honest],
        shape: Arc::new(Shape { layout, plan }),
        weights,
        zero: zero.clone(),
    };
    refused(&case, zero, "sum = 0 at the ends");
}

/// Two complete trees of depth 7: more nodes than a small circuit has rows.
pub(crate) fn deep(seed: u8) -> IntegerModel {
    let mut rng = ChaCha20Rng::from_seed([seed; 32]);
    let depth = 7;
    let mut nodes = vec![];
    for level in 0..depth {
        let below = 2 * ((1i64 << (level + 1)) - 1);
        for j in 0..2i64 << level {
            let last = level + 1 == depth;
            let mut value = || (rng.next_u64() % (1 << 20)) as i64;
            nodes.push(ForestNode {
                feature: (j % 2) as u32,
                threshold: (value() << 11) - (1 << 30),
                yes: vec![if last { value() } else { below + 2 * j }],
                no: vec![if last { value() } else { 0 }],
            });
        }
    }
    let mut model = model(1, seed);
    let Op::Forest {
        depth: of,
        nodes: count,
        ..
    } = &mut model.skeleton.ops[0]
    else {
        unreachable!("the model is one forest")
    };
    (*of, *count) = (depth, nodes.len() as u32);
    model.weights.forests = vec![nodes];
    model
}

const NODE_READ: &str = "h (alpha + theta address + theta^5 key + V) = visits";

#[test]
fn nodes_in_blocks_are_read_and_changed_ones_are_refused() {
    for batch in [1, 2] {
        let case = Case::new(&deep(3), batch, 5, 1, 1);
        let nodes = case.shape.layout.nodes.clone();
        assert!(nodes.blocks >= 2, "{nodes:?}");
        assert_eq!(case.verify(case.zero.clone(), &case.instance, None), Ok(()));
    }
    let case = Case::new(&deep(3), 1, 5, 1, 1);
    let layout = &case.shape.layout;
    let nodes = layout.nodes.clone();
    let sum = "sum = 0 at the ends";
    // 1. Counts of visits, of nodes that are visited and of others.
    for block in 0..nodes.blocks {
        for row in [1, nodes.block_rows / 2, nodes.block_rows] {
            let mut zero = case.zero.clone();
            zero.block_visits[block][row] += 1;
            refused(&case, zero, sum);
        }
    }
    // 2. A node of a block that the walk says it reads.
    let forest = layout.program.forest.clone().unwrap();
    let (step, row) = (0..14)
        .map(|step| (step, layout.main_row(forest.first_step + step, 0)))
        .find(|(step, _)| {
            let node = case.cells[0][forest.first_step + step].node;
            nodes.place(node).block.is_some()
        })
        .expect("deep nodes lie in blocks");
    for edit in [
        |z: &mut PhaseZero, row: usize| z.yes[row] += Fr::ONE,
        |z: &mut PhaseZero, row: usize| z.no[row] += Fr::ONE,
        |z: &mut PhaseZero, row: usize| z.right[row] = Fr::ONE - z.right[row],
    ] {
        let mut zero = case.zero.clone();
        edit(&mut zero, row);
        refused(&case, zero, sum);
    }
    // 3. The second phase: another combination, another helper, a read beyond the block, where the key is that of
    // another node.
    let node = case.cells[0][forest.first_step + step].node;
    let place = nodes.place(node);
    let (block, at) = (place.block.unwrap(), place.row);
    let tampered = |edit: TamperSecond, gate: &str| {
        let tamper = Tamper {
            limbs: vec![],
            second: Some(edit),
        };
        let failures = case
            .verify(case.zero.clone(), &case.instance, Some(tamper))
            .expect_err(gate);
        let failures: Vec<String> = failures.iter().map(ToString::to_string).collect();
        assert!(failures.iter().any(|f| f.contains(gate)), "{failures:?}");
    };
    tampered(
        Box::new(move |one, _| one.block_v[block][at] += Fr::ONE),
        NODE_READ,
    );
    tampered(
        Box::new(move |one, _| one.block_h[block][at] += Fr::ONE),
        NODE_READ,
    );
    tampered(
        Box::new(move |one, _| one.block_v[block][0] = Fr::ONE),
        "V = 0 on row 0",
    );
    let (address, before) = (layout.node_address(), nodes.keys_before(1));
    let beyond = nodes.block_rows + 1;
    assert!(beyond < layout.usable);
    tampered(
        Box::new(move |one, c| {
            let theta5 = c.theta.square().square() * c.theta;
            let tuple = c.alpha + c.theta * Fr::from(address) + theta5 * Fr::from(before);
            one.block_h[1][beyond] = tuple.invert().unwrap();
        }),
        NODE_READ,
    );
    // 4. The walk of another forest against this one's commitment.
    let other = Case::new(&deep(4), 1, 5, 1, 1);
    refused_with(&case, other.zero.clone(), &other.instance, sum);
}

/// A pointer behind the last node names a key that no row of any block has.
#[test]
fn a_pointer_behind_the_last_block_has_no_witness() {
    let honest = deep(3);
    let case = Case::new(&honest, 1, 5, 1, 1);
    let forest = case.shape.layout.program.forest.clone().unwrap();
    let mut cheat = deep(3);
    let last = honest.weights.forests[0].len() as i64;
    // The walk's second step leaves the table, whichever way it goes.
    let second = case.cells[0][forest.first_step + 1].node;
    cheat.weights.forests[0][second].yes[0] = last;
    let weights = Arc::new(PackedWeights::new(&case.shape.layout, &cheat.weights));
    let mut zero = case.zero.clone();
    let row = case.shape.layout.main_row(forest.first_step + 1, 0);
    zero.yes[row] = Fr::from(last as u64);
    let case = Case { weights, ..case };
    refused(&case, zero, "sum = 0 at the ends");
}
