//! The greatest of a window: of values made elsewhere, and of results that a layer makes for the window alone.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::shared::network;
use super::*;
use crate::circuit::program::Source;
use crate::quantize::skeleton::Positions;

/// Inputs pooled by themselves, and two kernels' results pooled, with and without a Relu; windows of one, of equals,
/// and over values of other readers are among them.
fn pooling(activation: Activation) -> IntegerModel {
    let mut rng = ChaCha20Rng::from_seed([6; 32]);
    let ops = vec![
        Op::Convolution {
            inputs: (0..12).collect(),
            outputs: 2,
            groups: 1,
            // A kernel of one by two, padded at one end: results have different bounds.
            positions: Positions {
                at: (0..12).collect(),
                taps: vec![0, 1],
                to: (0..12).collect(),
            },
            shift: 12,
            activation,
        }, // 12..36
        Op::Max {
            inputs: (12..36).collect(),
            width: 4,
        }, // 36..42, all of them fused
        Op::Max {
            inputs: vec![0, 1, 2, 2, 2, 2, 36, 37, 0, 5, 5, 4],
            width: 3,
        }, // 42..46
        Op::Linear {
            inputs: (36..46).collect(),
            outputs: 2,
            shift: 12,
            activation: Activation::None,
        }, // 46..48
    ];
    let linear = vec![
        random_weights(&mut rng, 2, 2, 12, 20),
        random_weights(&mut rng, 10, 2, 12, 20),
    ];
    let weights = PrivateWeights {
        linear,
        diagonal: vec![],
        forests: vec![],
    };
    IntegerModel {
        skeleton: skeleton(
            vec![input("x", 12, 10)],
            vec![],
            ops,
            vec![46, 47, 36, 42, 43],
        ),
        weights,
    }
}

fn cases() -> Vec<(IntegerModel, Case)> {
    let mut cases = vec![];
    for activation in [Activation::Relu, Activation::None] {
        for (batch, seed) in [(1, 3), (2, 0), (3, 4)] {
            let model = pooling(activation);
            let case = Case::new(&model, batch, 6, 1, seed);
            cases.push((model, case));
        }
    }
    cases
}

#[test]
fn the_greatest_is_the_interpreters() {
    for (model, case) in cases() {
        let layout = &case.shape.layout;
        let batch = layout.batch() as u32;
        assert_eq!(
            layout.program.windows.len(),
            6 + 3,
            "one of one is no window"
        );
        let fused = &layout.program.windows[0];
        let source = &layout.program.slots[fused.members[0]].source;
        assert!(matches!(source, Source::Linear { .. }));
        case.verify(case.zero.clone(), &case.instance, None)
            .unwrap_or_else(|e| panic!("batch {batch}: {:?}", &e[..e.len().min(3)]));
        let released = &layout.program.released;
        for seed in [3, 0, 4] {
            for row in rows(&model, batch, seed) {
                let cells = eval_slots(layout, &model.weights, &row).unwrap();
                let claimed: Vec<i64> = released.iter().map(|s| cells[*s].a as i64).collect();
                assert_eq!(claimed, model.released_of(&model.eval(&row)));
            }
        }
    }
}

/// Another member passed off as the greatest, or a number above all members, with all that follows from it.
#[test]
fn another_greatest_is_refused() {
    for (model, case) in cases() {
        let layout = &case.shape.layout;
        for window in &layout.program.windows {
            for choice in 0..=window.members.len() {
                let mut cells = case.cells.clone();
                let of = |cells: &[Cell], s: usize| cells[s].a;
                let honest = cells[0][window.greatest].y;
                let claim = match window.members.get(choice) {
                    Some(member) => of(&cells[0], *member),
                    None => honest + 1,
                };
                if claim == honest {
                    continue;
                }
                cells[0][window.greatest].y = claim;
                cells[0][window.greatest].a = match model.skeleton.ops[0] {
                    Op::Convolution {
                        activation: Activation::Relu,
                        ..
                    } if matches!(
                        layout.program.slots[window.members[0]].source,
                        Source::Linear { .. }
                    ) =>
                    {
                        claim.max(0)
                    }
                    _ => claim,
                };
                if cells[0][window.greatest].a == case.cells[0][window.greatest].a {
                    continue; // below zero, Relu hides it, and nothing that follows differs
                }
                let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    let zero = PhaseZero::new(
                        layout,
                        &case.weights,
                        &cells,
                        true,
                        &mut ChaCha20Rng::from_seed([1; 32]),
                    );
                    failing(case.verify(zero, &instance(layout, &cells), None))
                }));
                // A claim that is no member's cannot even be counted.
                assert!(refused.is_ok() || choice == window.members.len());
            }
        }
    }
}

#[test]
fn every_changed_cell_is_refused() {
    for activation in [Activation::Relu, Activation::None] {
        let case = Case::new(&pooling(activation), 2, 6, 1, 5);
        let layout = &case.shape.layout;
        let mut changes: Vec<(String, PhaseZero)> = vec![];
        for (w, window) in layout.program.windows.iter().enumerate() {
            for &s in window.members.iter().chain([&window.greatest]) {
                let row = layout.main_row(s, 1);
                let mut change = |name: &str, f: &dyn Fn(&mut PhaseZero)| {
                    let mut zero = case.zero.clone();
                    f(&mut zero);
                    changes.push((format!("{name} of slot {s}, window {w}"), zero));
                };
                change("a", &|z| z.a[row] += Fr::ONE);
                change("left", &|z| z.left[row] += Fr::ONE);
                change("right", &|z| z.right[row] += Fr::ONE);
                change("yl", &|z| z.yl[row] += Fr::ONE);
                for cell in layout.looked_up(s) {
                    let (column, row) = layout.limb_cell(s, 1, cell);
                    change("limb", &|z| {
                        let limb = &mut z.limbs[column][row];
                        *limb = if *limb == 0 { 1 } else { *limb - 1 };
                    });
                }
                if s != window.greatest {
                    change("visits", &|z| z.visits[row] += 1);
                }
            }
        }
        for (name, zero) in changes {
            assert!(case.verify(zero, &case.instance, None).is_err(), "{name}");
        }
    }
}

/// Members' bounds are those of the widest result, so that any of them may be the greatest.
#[test]
fn extremes_fit() {
    let mut model = pooling(Activation::None);
    for sign in [1, -1] {
        let layer = &mut model.weights.linear[0];
        layer.weights.iter_mut().for_each(|w| *w = sign * 4095);
        layer
            .biases
            .iter_mut()
            .for_each(|b| *b = i64::from(sign) * ((1 << 26) - 1));
        let case = Case::new(&model, 2, 6, 1, 0);
        case.verify(case.zero.clone(), &case.instance, None)
            .unwrap();
    }
    // The other tests' network pools nothing.
    let case = Case::new(&network(vec![82]), 1, 6, 1, 1);
    assert!(case.zero.visits.is_empty());
}
