//! The model circuit against the mock prover: honest and edge rows are accepted, every changed cell is refused.

use std::sync::Arc;

use ff::Field;
use halo2_proofs::dev::{MockProver, VerifyFailure};
use halo2curves::bn256::Fr;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use super::fixed::{int, FixedPlan};
use super::layout::Layout;
use super::model::{ModelCircuit, Shape, Tamper, Witness};
use super::params::{CircuitParams, Scheme};
use super::witness::{eval_slots, Cell, Challenges, PackedWeights, PhaseOne, PhaseZero};
use crate::quantize::skeleton::*;

pub(crate) mod forest;
mod lookups;
mod mask;
pub(crate) mod shared;
mod windows;

/// Parameters for tests: the smallest k that fits.
pub(crate) fn params(
    skeleton: &Skeleton,
    batch: u32,
    limb_bits: u32,
    rows_per_slot: u32,
) -> (CircuitParams, Layout) {
    let mut params = CircuitParams {
        version: 1,
        scheme: Scheme::Kzg,
        k: 5,
        batch,
        limb_bits,
        rows_per_slot,
        weight_digits: 3,
        weight_digit_bits: 5,
        registration_columns: 4,
    };
    loop {
        match Layout::new(skeleton, &params) {
            Ok(layout) => return (params, layout),
            Err(e) if params.k >= 14 => panic!("{e}"),
            Err(_) => params.k += 1,
        }
    }
}

pub(crate) fn random_weights(
    rng: &mut ChaCha20Rng,
    inputs: usize,
    outputs: usize,
    bits: u32,
    bias_bits: u32,
) -> LinearWeights {
    let mut draw = |bits: u32| (rng.next_u64() % (2 << bits)) as i64 - (1 << bits);
    LinearWeights {
        weights: (0..inputs * outputs).map(|_| draw(bits) as i32).collect(),
        biases: (0..outputs).map(|_| draw(bias_bits)).collect(),
    }
}

pub(crate) fn input(name: &str, len: u32, range_bits: u32) -> InputSpec {
    InputSpec {
        name: name.into(),
        shape: vec![len],
        scale_bits: 12,
        range_bits,
        exponents: vec![],
        replacements: vec![],
        encoding: InputEncoding::Fixed,
    }
}

fn skeleton(
    inputs: Vec<InputSpec>,
    functions: Vec<FunctionTable>,
    ops: Vec<Op>,
    released: Vec<ScalarId>,
) -> Skeleton {
    Skeleton {
        version: 1,
        inputs,
        weight_bits: 13,
        bias_bits: 26,
        layer_bias_bits: vec![],
        functions,
        ops,
        outputs: vec![],
        reveal: Reveal::Outputs,
        released,
        decision: String::new(),
    }
}

/// 3-4-1 with a decision.
pub(crate) fn decision_model(seed: u8) -> IntegerModel {
    let mut rng = ChaCha20Rng::from_seed([seed; 32]);
    let ops = vec![
        Op::Linear {
            inputs: vec![0, 1, 2],
            outputs: 4,
            shift: 12,
            activation: Activation::Relu,
        },
        Op::Linear {
            inputs: vec![3, 4, 5, 6],
            outputs: 1,
            shift: 12,
            activation: Activation::None,
        },
        Op::Local {
            left: vec![7],
            right: vec![7],
            product: 0,
            left_factor: 1,
            right_factor: 0,
            constant: -300,
            shift: 0,
            activation: Activation::Sign,
        },
    ];
    let weights = PrivateWeights {
        linear: vec![
            random_weights(&mut rng, 3, 4, 13, 24),
            random_weights(&mut rng, 4, 1, 13, 24),
        ],
        diagonal: vec![],
        forests: vec![],
    };
    IntegerModel {
        skeleton: skeleton(vec![input("x", 3, 15)], vec![], ops, vec![8]),
        weights,
    }
}

/// Every kind of operation: residual reads, product, clamp, function, division, diagonal, several inputs.
pub(crate) fn everything() -> IntegerModel {
    let mut rng = ChaCha20Rng::from_seed([9; 32]);
    let local = |left: Vec<u32>,
                 right: Vec<u32>,
                 product,
                 left_factor,
                 right_factor,
                 constant,
                 shift,
                 activation| Op::Local {
        left,
        right,
        product,
        left_factor,
        right_factor,
        constant,
        shift,
        activation,
    };
    use Activation::{None, Relu, Sign};
    let functions = vec![FunctionTable {
        name: "bend".into(),
        lo: -1024,
        segment_bits: 7,
        segments: (0..16).map(|i| (i * 1000 - 3000, i - 5)).collect(),
        shift: 4,
    }];
    // inputs 0..4
    let ops = vec![
        Op::Linear {
            inputs: vec![0, 1, 2, 3],
            outputs: 7,
            shift: 12,
            activation: Relu,
        }, // 4..11
        Op::Linear {
            inputs: vec![4, 5, 6, 7, 8, 9, 10, 0],
            outputs: 3,
            shift: 12,
            activation: None,
        }, // 11..14, reads 0 again
        local(vec![11, 12, 13], vec![0, 1, 2], 0, 1, 4, 7, 0, None), // 14..17 residual
        Op::Clamp {
            inputs: vec![14, 15, 16],
            lo: -1024,
            hi: 1023,
        }, // 17..20
        Op::Function {
            inputs: vec![17, 18, 19],
            function: 0,
        }, // 20..23
        local(vec![20, 21], vec![21, 22], 1, 0, 0, 0, 6, Relu),      // 23..25 products
        local(vec![23, 24], vec![23, 24], 0, 1, 0, 1, 0, None),      // 25..27 positive
        Op::Divide {
            numerators: vec![25],
            denominators: vec![26],
            scale_bits: 6,
        }, // 27
        Op::Diagonal {
            inputs: vec![17, 18],
            shift: 12,
            activation: None,
        }, // 28..30
        local(vec![28], vec![29], 0, 1, -1, 0, 0, Sign),             // 30
    ];
    let weights = PrivateWeights {
        linear: vec![
            random_weights(&mut rng, 4, 7, 12, 20),
            random_weights(&mut rng, 8, 3, 12, 20),
        ],
        diagonal: vec![LinearWeights {
            weights: vec![3000, -4000],
            biases: vec![77, -99],
        }],
        forests: vec![],
    };
    IntegerModel {
        skeleton: skeleton(
            vec![input("x", 3, 14), input("t", 1, 12)],
            functions,
            ops,
            vec![14, 27, 30, 11],
        ),
        weights,
    }
}

pub(crate) fn rows(model: &IntegerModel, batch: u32, seed: u8) -> Vec<Vec<i64>> {
    let mut rng = ChaCha20Rng::from_seed([seed; 32]);
    (0..batch)
        .map(|b| {
            model
                .skeleton
                .inputs
                .iter()
                .flat_map(|spec| vec![spec.range_bits; spec.shape[0] as usize])
                .map(|bits| match b {
                    0 if seed == 0 => -(1 << bits),
                    1 if seed == 0 => (1 << bits) - 1,
                    _ => (rng.next_u64() % (2 << bits)) as i64 - (1 << bits),
                })
                .collect()
        })
        .collect()
}

struct Case {
    shape: Arc<Shape>,
    weights: Arc<PackedWeights>,
    cells: Vec<Vec<Cell>>,
    zero: PhaseZero,
    instance: Vec<Fr>,
    k: u32,
}

impl Case {
    fn new(model: &IntegerModel, batch: u32, limb_bits: u32, rows_per_slot: u32, seed: u8) -> Case {
        let (params, layout) = params(&model.skeleton, batch, limb_bits, rows_per_slot);
        layout.check_weights(model).unwrap();
        let plan = FixedPlan::new(&layout);
        let cells: Vec<_> = rows(model, batch, seed)
            .iter()
            .map(|x| eval_slots(&layout, &model.weights, x).unwrap())
            .collect();
        let weights = Arc::new(PackedWeights::new(&layout, &model.weights));
        let zero = PhaseZero::new(
            &layout,
            &weights,
            &cells,
            true,
            &mut ChaCha20Rng::from_seed([1; 32]),
        );
        let instance = instance(&layout, &cells);
        Case {
            shape: Arc::new(Shape { layout, plan }),
            weights,
            cells,
            zero,
            instance,
            k: params.k,
        }
    }

    fn verify(
        &self,
        zero: PhaseZero,
        instance: &[Fr],
        tamper: Option<Tamper>,
    ) -> Result<(), Vec<VerifyFailure>> {
        let circuit = ModelCircuit {
            witness: Some(Arc::new(Witness {
                weights: self.weights.clone(),
                zero,
                tamper,
            })),
            ..ModelCircuit::empty(&self.shape)
        };
        MockProver::run(self.k, &circuit, vec![instance.to_vec()])
            .unwrap()
            .verify()
    }
}

pub(crate) fn instance(layout: &Layout, cells: &[Vec<Cell>]) -> Vec<Fr> {
    let rows = layout.released_rows();
    let mut instance = vec![Fr::ZERO; rows.iter().max().map_or(0, |r| r + 1)];
    for (j, &s) in layout.program.released.iter().enumerate() {
        for (b, cells) in cells.iter().enumerate() {
            instance[rows[j * layout.batch() + b]] = int(cells[s].a);
        }
    }
    instance
}

/// A change to the second phase alone.
fn second(change: impl Fn(&mut PhaseOne, &Challenges) + Send + Sync + 'static) -> Tamper {
    Tamper {
        second: Some(Box::new(change)),
        ..Tamper::default()
    }
}

/// Names of the failing constraints.
fn failing(result: Result<(), Vec<VerifyFailure>>) -> Vec<String> {
    result
        .expect_err("the change must be refused")
        .iter()
        .map(|f| match f {
            VerifyFailure::ConstraintNotSatisfied { constraint, .. } => constraint.to_string(),
            other => other.to_string(),
        })
        .collect()
}

#[test]
fn honest_rows_are_accepted_in_every_arrangement() {
    for (model, limb_bits) in [
        (decision_model(1), 6),
        (decision_model(2), 5),
        (everything(), 6),
        (everything(), 7),
    ] {
        for (batch, rho, seed) in [(1, 1, 3), (1, 4, 4), (2, 1, 0), (3, 2, 0), (5, 1, 7)] {
            let case = Case::new(&model, batch, limb_bits, rho, seed);
            if let Err(failures) = case.verify(case.zero.clone(), &case.instance, None) {
                panic!(
                    "batch {batch}, rows per slot {rho}: {:?}",
                    &failures[..failures.len().min(3)]
                );
            }
        }
    }
}

#[test]
fn every_changed_cell_is_refused() {
    for (model, batch, rho) in [
        (decision_model(1), 1, 3),
        (decision_model(1), 2, 1),
        (everything(), 1, 2),
    ] {
        let case = Case::new(&model, batch, 6, rho, 5);
        let layout = &case.shape.layout;
        let mut changes: Vec<(String, PhaseZero)> = vec![];
        for s in 0..layout.program.slots.len() {
            let row = layout.main_row(s, batch as usize - 1);
            let mut change = |name: &str, f: &dyn Fn(&mut PhaseZero)| {
                let mut zero = case.zero.clone();
                f(&mut zero);
                changes.push((format!("{name} of slot {s}"), zero));
            };
            change("a", &|z| z.a[row] += Fr::ONE);
            change("y", &|z| z.y[row] += Fr::ONE);
            if !case.zero.left.is_empty() {
                change("yl", &|z| z.yl[row] += Fr::ONE);
                if matches!(
                    layout.program.slots[s].source,
                    super::program::Source::Local { .. }
                ) {
                    change("left", &|z| z.left[row] += Fr::ONE);
                    change("right", &|z| z.right[row] += Fr::ONE);
                }
            }
            for cell in layout.looked_up(s) {
                let (column, row) = layout.limb_cell(s, batch as usize - 1, cell);
                change("limb", &|z| {
                    let limb = &mut z.limbs[column][row];
                    *limb = if *limb == 0 { 1 } else { *limb - 1 };
                });
            }
        }
        for (name, zero) in changes {
            // yl of slots that are not local is bound by no gate and read by none.
            let free = name.starts_with("yl") && {
                let s: usize = name.rsplit(' ').next().unwrap().parse().unwrap();
                !matches!(
                    layout.class(s).target,
                    super::layout::Target::Local | super::layout::Target::Function(_)
                )
            };
            assert_eq!(
                case.verify(zero, &case.instance, None).is_ok(),
                free,
                "{name}"
            );
        }
    }
}

#[test]
fn cheating_strategies_fail_at_the_named_gate() {
    let case = Case::new(&decision_model(1), 1, 6, 3, 5);
    let layout = &case.shape.layout;
    let relu = layout.program.layers[0].outputs[0];
    let row = layout.main_row(relu, 0);
    // A value off by one: the packed product no longer matches.
    let mut zero = case.zero.clone();
    zero.y[row] += Fr::ONE;
    let names = failing(case.verify(zero, &case.instance, None));
    assert!(
        names
            .iter()
            .any(|n| n.contains("y + half = 2^s (2a - E) + R")),
        "{names:?}"
    );
    // A negative accumulator claimed as positive.
    let mut zero = case.zero.clone();
    let e: Fr = int(if case.cells[0][relu].a > 0 {
        0
    } else {
        case.cells[0][relu].y.unsigned_abs() as i128 >> 12
    });
    zero.a[row] = e + Fr::ONE;
    assert!(failing(case.verify(zero, &case.instance, None))
        .iter()
        .any(|n| n.contains("a (E - a) = 0")));
    // The other decision.
    let mut instance = case.instance.clone();
    let last = instance.len() - 1;
    instance[last] = Fr::ONE - instance[last];
    assert!(failing(case.verify(case.zero.clone(), &instance, None))
        .iter()
        .any(|n| n.contains("a = instance")));
    // A bit that is no bit, with everything else following it.
    let sign = layout.program.released[0];
    let mut zero = case.zero.clone();
    zero.a[layout.main_row(sign, 0)] = Fr::from(2);
    assert!(failing(case.verify(zero, &case.instance, None))
        .iter()
        .any(|n| n.contains("a (a - 1) = 0")));
    // A limb outside the table, taken back by its neighbour.
    let mut zero = case.zero.clone();
    let cells: Vec<_> = layout.e_limbs(layout.program.slots[relu].form);
    let (c0, r0) = layout.limb_cell(relu, 0, cells[0].cell);
    zero.limbs[c0][r0] += 64;
    assert!(
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case.verify(
            zero,
            &case.instance,
            None
        )))
        .map_or(true, |r| r.is_err())
    );
    // Phase 1: z that does not follow the inputs, V outside the weight rows, sums and powers off.
    let input_row = layout.input_rows()[0];
    type Change = Box<dyn Fn(&mut PhaseOne) + Send + Sync>;
    let tampers: Vec<(&str, Change)> = vec![
        (
            "z = A on input rows, else 0",
            Box::new(move |p| p.z[input_row] += Fr::ONE),
        ),
        (
            "z = A on input rows, else 0",
            Box::new(|p| p.z[1] += Fr::ONE),
        ),
        ("eps K A", Box::new(move |p| p.v[input_row] += Fr::ONE)),
        ("acc", Box::new(|p| p.acc[3] += Fr::ONE)),
        (
            "pw = (f1 + f2 beta) pw_prev + f3",
            Box::new(|p| p.pw[4] += Fr::ONE),
        ),
        ("helpers", Box::new(|p| p.sum[5] += Fr::ONE)),
        (
            "h (alpha + limb) = on",
            Box::new(move |p| p.h[0][row] += Fr::ONE),
        ),
        (
            "= 0 at the ends",
            Box::new(|p| {
                let last = p.sum.len() - 1;
                p.sum[last] += Fr::ONE;
            }),
        ),
    ];
    for (name, change) in tampers {
        let tamper = second(move |p, _| change(p));
        let names = failing(case.verify(case.zero.clone(), &case.instance, Some(tamper)));
        assert!(names.iter().any(|n| n.contains(name)), "{name}: {names:?}");
    }
}

#[test]
fn the_mask_leaves_one_of_two_neighbours_zero() {
    let case = Case::new(&decision_model(1), 1, 6, 3, 5);
    let mut zero = case.zero.clone();
    zero.mask[2] = Fr::ONE;
    assert!(failing(case.verify(zero, &case.instance, None))
        .iter()
        .all(|n| n.contains("mask mask_prev = 0")));
}

#[test]
fn lanes_cover_the_worst_case() {
    // All weights, biases and inputs at their greatest magnitudes and of every sign pattern.
    for sign in [1i32, -1] {
        let mut model = decision_model(1);
        for layer in &mut model.weights.linear {
            layer.weights.iter_mut().enumerate().for_each(|(i, w)| {
                *w = if i % 2 == 0 {
                    sign * 8191
                } else {
                    sign * -8192
                }
            });
            layer
                .biases
                .iter_mut()
                .for_each(|b| *b = i64::from(sign) * ((1 << 26) - 1));
        }
        for batch in [1, 2] {
            let case = Case::new(&model, batch, 6, 2, 0);
            case.verify(case.zero.clone(), &case.instance, None)
                .unwrap();
        }
    }
}

#[test]
fn outputs_released_out_of_order_or_in_part_keep_their_powers() {
    let mut rng = ChaCha20Rng::from_seed([4; 32]);
    for released in [
        vec![5, 3, 4],
        vec![4],
        vec![4, 4, 3],
        vec![3, 4, 5],
        vec![5, 0],
    ] {
        let ops = vec![Op::Linear {
            inputs: vec![0, 1, 2],
            outputs: 3,
            shift: 12,
            activation: Activation::None,
        }];
        let weights = PrivateWeights {
            linear: vec![random_weights(&mut rng, 3, 3, 13, 24)],
            diagonal: vec![],
            forests: vec![],
        };
        let model = IntegerModel {
            skeleton: skeleton(vec![input("x", 3, 15)], vec![], ops, released.clone()),
            weights,
        };
        for batch in [1, 3] {
            let case = Case::new(&model, batch, 6, 2, 5);
            case.verify(case.zero.clone(), &case.instance, None)
                .unwrap_or_else(|e| panic!("{released:?}: {:?}", &e[..1]));
            // Two outputs exchanged, everything else following them.
            let outputs = &case.shape.layout.program.layers[0].outputs;
            let mut cells = case.cells.clone();
            for row in &mut cells {
                row.swap(outputs[1], outputs[2]);
                for (s, slot) in case.shape.layout.program.slots.iter().enumerate() {
                    if let super::program::Source::Local { left, .. } = slot.source {
                        row[s] = Cell {
                            a: row[left].a,
                            y: row[left].a,
                            ..Cell::default()
                        };
                    }
                }
            }
            let layout = &case.shape.layout;
            let zero = PhaseZero::new(
                layout,
                &PackedWeights::new(layout, &model.weights),
                &cells,
                true,
                &mut ChaCha20Rng::from_seed([1; 32]),
            );
            case.verify(zero, &instance(layout, &cells), None)
                .expect_err("exchanged outputs are refused");
        }
    }
}

#[test]
fn row_zero_holds_nothing() {
    let case = Case::new(&decision_model(1), 1, 6, 3, 5);
    for tamper in [
        second(|p, _| p.z[0] = Fr::ONE),
        second(|p, _| p.v[0] = Fr::ONE),
    ] {
        let names = failing(case.verify(case.zero.clone(), &case.instance, Some(tamper)));
        assert!(
            names.iter().all(|n| n.contains("= 0 on row 0")),
            "{names:?}"
        );
    }
}
