//! The lookups against provers that keep every gate and cheat in the tuples: the sum alone refuses them.

use ff::Field;
use halo2curves::bn256::Fr;

use super::*;
use crate::circuit::layout::LimbUse;
use crate::circuit::program::{SlotId, Source};

const SUM: &str = "sum = 0 at the ends";

/// Changes limb cells of a witness: multiplicities, helpers and the running sum follow.
fn with_limbs(case: &Case, changes: Vec<(usize, usize, Fr)>) -> (PhaseZero, Tamper) {
    let mut zero = case.zero.clone();
    let entries = 1u64 << case.shape.layout.params.limb_bits;
    // The table's zero lies on the row after its last entry.
    let table_row = |value: u64| if value == 0 { entries } else { value } as usize;
    for (column, row, value) in &changes {
        let before = u64::from(zero.limbs[*column][*row]);
        zero.multiplicity[table_row(before)] -= 1;
        if let Some(entry) = (0..entries).find(|v| Fr::from(*v) == *value) {
            zero.multiplicity[table_row(entry)] += 1;
        }
    }
    let limbs = changes.clone();
    let follow = move |p: &mut PhaseOne, c: &Challenges| {
        for (column, row, value) in &changes {
            let h = (c.alpha + value).invert().expect("a random alpha");
            let difference = h - p.h[*column][*row];
            p.h[*column][*row] = h;
            p.sum[*row..].iter_mut().for_each(|sum| *sum += difference);
        }
    };
    (
        zero,
        Tamper {
            limbs,
            ..second(follow)
        },
    )
}

/// 3-4-1 on inputs of 16 bits in limbs of 6: two whole limbs and one of 4 bits.
fn with_input(x: i64) -> (Case, [LimbUse; 3], SlotId) {
    let model = decision_model(1);
    let (params, layout) = params(&model.skeleton, 1, 6, 3);
    let slot = layout.program.inputs[0];
    let limbs = layout.e_limbs(layout.program.slots[slot].form);
    let limbs: [LimbUse; 3] = limbs.try_into().expect("three limbs");
    assert_eq!(limbs.map(|l| l.bits), [6, 6, 4]);
    let plan = FixedPlan::new(&layout);
    // The evaluator refuses inputs out of range: it is asked about the same model with a wider one.
    let mut wide = model.skeleton.clone();
    wide.inputs[0].range_bits += 1;
    let wide = super::params(&wide, 1, 6, 3).1;
    let cells = vec![eval_slots(&wide, &model.weights, &[x, 5, -7]).unwrap()];
    let zero = PhaseZero::new(
        &layout,
        &PackedWeights::new(&layout, &model.weights),
        &cells,
        true,
        &mut ChaCha20Rng::from_seed([1; 32]),
    );
    let case = Case {
        instance: instance(&layout, &cells),
        weights: Arc::new(PackedWeights::new(&layout, &model.weights)),
        shape: Arc::new(Shape { layout, plan }),
        cells,
        zero,
        k: params.k,
    };
    (case, limbs, slot)
}

/// The cells of slot `slot` at `limbs` and at its shadow.
fn cells_of(case: &Case, slot: SlotId, limbs: &[LimbUse; 3]) -> [(usize, usize); 4] {
    let layout = &case.shape.layout;
    let [l0, l1, l2] = limbs.map(|l| layout.limb_cell(slot, 0, l.cell));
    [l0, l1, l2, layout.limb_cell(slot, 0, layout.shadow_cell())]
}

/// v = 1/4 in a limb of 4 bits has the shadow 4 v = 1, which is in the table; v itself is not.
#[test]
fn a_partial_limb_of_a_quarter_is_refused() {
    // E = 5 + 64 * 19 = 5 + 64 * 3 + 4096 / 4: the same input, told by other limbs.
    let (case, limbs, slot) = with_input(5 + 64 * 19 - (1 << 15));
    case.verify(case.zero.clone(), &case.instance, None)
        .unwrap();
    let [_, l1, l2, shadow] = cells_of(&case, slot, &limbs);
    let quarter = Fr::from(4).invert().unwrap();
    let changes = vec![
        (l1.0, l1.1, Fr::from(3)),
        (l2.0, l2.1, quarter),
        (shadow.0, shadow.1, Fr::ONE),
    ];
    let (zero, tamper) = with_limbs(&case, changes);
    let names = failing(case.verify(zero, &case.instance, Some(tamper)));
    assert!(
        names.len() == 1 && names[0].contains(SUM),
        "the limb's own lookup alone refuses it: {names:?}"
    );
    // The helper of another limb, which is in the table, is no way out.
    let (zero, tamper) = with_limbs(
        &case,
        vec![(l1.0, l1.1, Fr::from(3)), (shadow.0, shadow.1, Fr::ONE)],
    );
    let tamper = Tamper {
        limbs: [tamper.limbs.clone(), vec![(l2.0, l2.1, quarter)]].concat(),
        ..tamper
    };
    let names = failing(case.verify(zero, &case.instance, Some(tamper)));
    assert!(
        names.len() == 1 && names[0].contains("h (alpha + limb) = on"),
        "{names:?}"
    );
}

/// The first input above the declared range: its top limb is in the table, the shadow is not.
#[test]
fn an_input_just_outside_its_width_is_refused() {
    let (case, _, _) = with_input((1 << 15) - 1);
    case.verify(case.zero.clone(), &case.instance, None)
        .unwrap();
    let (case, limbs, slot) = with_input(1 << 15);
    let [_, _, l2, shadow] = cells_of(&case, slot, &limbs);
    let changes = vec![
        (l2.0, l2.1, Fr::from(16)),
        (shadow.0, shadow.1, Fr::from(64)),
    ];
    let (zero, tamper) = with_limbs(&case, changes);
    let names = failing(case.verify(zero, &case.instance, Some(tamper)));
    assert!(
        names.len() == 1 && names[0].contains(SUM),
        "the shadow's lookup alone refuses it: {names:?}"
    );
}

/// A product is the same either way round: only the addresses tell its operands apart.
#[test]
fn exchanged_operands_of_a_read_are_refused() {
    let case = Case::new(&everything(), 1, 6, 2, 5);
    let layout = &case.shape.layout;
    let product = |s: &SlotId| {
        matches!(layout.program.slots[*s].source,
            Source::Local { left, right, product: 1, left_factor: 0, right_factor: 0, .. }
                if case.cells[0][left].a != case.cells[0][right].a)
    };
    let slot = (0..layout.program.slots.len())
        .find(product)
        .expect("the model multiplies two values");
    let row = layout.main_row(slot, 0);
    let mut zero = case.zero.clone();
    std::mem::swap(&mut zero.left[row], &mut zero.right[row]);
    let names = failing(case.verify(zero.clone(), &case.instance, None));
    assert!(names.len() == 1 && names[0].contains(SUM), "{names:?}");
    // Helpers that belong to the true operands keep the sum, and fail on the row.
    let (left, right) = (case.zero.left[row], case.zero.right[row]);
    let swap_back = move |p: &mut PhaseOne, c: &Challenges| {
        let tuple = |h: Fr| h.invert().expect("an inverse") - c.alpha;
        // h = 1 / (alpha + theta address + operand), and the operands are exchanged.
        let honest = |h: Fr, claimed: Fr, own: Fr| {
            (c.alpha + tuple(h) - claimed + own)
                .invert()
                .expect("random")
        };
        let (h_left, h_right) = (p.h_left[row], p.h_right[row]);
        p.h_left[row] = honest(h_left, right, left);
        p.h_right[row] = honest(h_right, left, right);
        let difference = p.h_left[row] - h_left + p.h_right[row] - h_right;
        p.sum[row..].iter_mut().for_each(|sum| *sum += difference);
    };
    let names = failing(case.verify(zero, &case.instance, Some(second(swap_back))));
    assert!(
        names.len() == 2
            && names[0].contains("h (alpha + theta address + left) = on")
            && names[1].contains("h (alpha + theta address + right) = on"),
        "{names:?}"
    );
}

/// Two functions of one value, both released.
fn two_functions() -> IntegerModel {
    let mut rng = ChaCha20Rng::from_seed([6; 32]);
    let table = |name: &str, step: i64| FunctionTable {
        name: name.into(),
        lo: -512,
        segment_bits: 7,
        segments: (0..8).map(|i| (i * step, i - step)).collect(),
        shift: 0,
    };
    let ops = vec![
        Op::Linear {
            inputs: vec![0, 1],
            outputs: 1,
            shift: 12,
            activation: Activation::None,
        },
        Op::Clamp {
            inputs: vec![2],
            lo: -512,
            hi: 511,
        },
        Op::Function {
            inputs: vec![3],
            function: 0,
        },
        Op::Function {
            inputs: vec![3],
            function: 1,
        },
    ];
    let weights = PrivateWeights {
        linear: vec![random_weights(&mut rng, 2, 1, 10, 18)],
        diagonal: vec![],
        forests: vec![],
    };
    let functions = vec![table("first", 3), table("second", 11)];
    IntegerModel {
        skeleton: skeleton(vec![input("x", 2, 10)], functions, ops, vec![4, 5]),
        weights,
    }
}

/// The second function's value taken from the first function's table.
#[test]
fn a_wrong_function_tag_is_refused() {
    let case = Case::new(&two_functions(), 1, 6, 2, 5);
    case.verify(case.zero.clone(), &case.instance, None)
        .unwrap();
    let layout = &case.shape.layout;
    let calls: Vec<SlotId> = (0..layout.program.slots.len())
        .filter(|s| matches!(layout.program.slots[*s].source, Source::Function { .. }))
        .collect();
    let [honest, cheat] = calls[..] else {
        panic!("two calls")
    };
    assert_eq!(layout.program.released, [honest, cheat]);
    let (from, to) = (layout.main_row(honest, 0), layout.main_row(cheat, 0));
    let mut zero = case.zero.clone();
    for column in [&mut zero.a, &mut zero.yl, &mut zero.c0, &mut zero.c1] {
        assert_ne!(column[to], column[from]);
        column[to] = column[from];
    }
    // The call is counted in the first table: its segments come before the second's.
    let counted: Vec<usize> = (0..zero.function_multiplicity.len())
        .filter(|row| zero.function_multiplicity[*row] > 0)
        .collect();
    assert_eq!(counted.len(), 2);
    zero.function_multiplicity[counted[0]] += 1;
    zero.function_multiplicity[counted[1]] -= 1;
    let mut instance = case.instance.clone();
    instance[to] = instance[from];
    let names = failing(case.verify(zero.clone(), &instance, None));
    assert!(names.len() == 1 && names[0].contains(SUM), "{names:?}");
    // A helper of the first function's tuple keeps the sum, and fails on the row.
    let other_tag = move |p: &mut PhaseOne, _: &Challenges| {
        let difference = p.h_right[from] - p.h_right[to];
        p.h_right[to] = p.h_right[from];
        p.sum[to..].iter_mut().for_each(|sum| *sum += difference);
    };
    let names = failing(case.verify(zero, &instance, Some(second(other_tag))));
    assert!(
        names.len() == 1 && names[0].contains("h (alpha + theta address + right) = on"),
        "{names:?}"
    );
}
