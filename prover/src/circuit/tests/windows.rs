//! The greatest of a window: of values made elsewhere, and of results that a layer makes for the window alone.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::shared::network;
use super::*;
use crate::circuit::program::{Source, Window};
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

/// The cells with this number as a window's greatest in the first row, nothing where a Relu hides the difference.
fn with_greatest(
    model: &IntegerModel,
    case: &Case,
    window: &Window,
    claim: i128,
) -> Option<Vec<Vec<Cell>>> {
    let slots = &case.shape.layout.program.slots;
    let fused = matches!(slots[window.members[0]].source, Source::Linear { .. });
    let relu = matches!(
        model.skeleton.ops[0],
        Op::Convolution {
            activation: Activation::Relu,
            ..
        }
    );
    let mut cells = case.cells.clone();
    cells[0][window.greatest].y = claim;
    cells[0][window.greatest].a = if fused && relu { claim.max(0) } else { claim };
    (cells[0][window.greatest].a != case.cells[0][window.greatest].a).then_some(cells)
}

fn filled(case: &Case, cells: &[Vec<Cell>]) -> PhaseZero {
    let rng = &mut ChaCha20Rng::from_seed([1; 32]);
    PhaseZero::new(&case.shape.layout, &case.weights, cells, true, rng)
}

/// Another member passed off as the greatest, with all that follows from it.
#[test]
fn another_greatest_is_refused() {
    for (model, case) in cases() {
        let layout = &case.shape.layout;
        for window in &layout.program.windows {
            for &member in &window.members {
                let claim = case.cells[0][member].a;
                let Some(cells) = with_greatest(&model, &case, window, claim) else {
                    continue;
                };
                failing(case.verify(filled(&case, &cells), &instance(layout, &cells), None));
            }
        }
    }
}

/// A number above all members, read from a member that does not hold it; everything else follows from it.
#[test]
fn a_greatest_above_all_members_is_refused() {
    let mut tried = 0;
    for (model, case) in cases() {
        let layout = &case.shape.layout;
        for window in &layout.program.windows {
            let (first, other) = (window.members[0], window.members[1]);
            let claim = case.cells[0][window.greatest].y + 1;
            let Some(cells) = with_greatest(&model, &case, window, claim) else {
                continue;
            };
            // Filling reads the greatest from a member that is raised to it: from the first, whose own row then is
            // that of a filling in which it is not.
            let raised = |member: usize| {
                let mut cells = cells.clone();
                cells[0][member].a = claim;
                filled(&case, &cells)
            };
            if first == other {
                continue;
            }
            let (mut zero, honest) = (raised(first), raised(other));
            let row = layout.main_row(first, 0);
            zero.a[row] = honest.a[row];
            zero.y[row] = honest.y[row];
            zero.left[row] = honest.left[row];
            zero.right[row] = honest.right[row];
            zero.yl[row] = honest.yl[row];
            let entry = |limb: u32| match limb {
                0 => 1 << layout.params.limb_bits,
                limb => limb as usize,
            };
            for cell in layout.looked_up(first) {
                let (column, row) = layout.limb_cell(first, 0, cell);
                let limb = honest.limbs[column][row];
                zero.multiplicity[entry(zero.limbs[column][row])] -= 1;
                zero.multiplicity[entry(limb)] += 1;
                zero.limbs[column][row] = limb;
            }
            let refused = case.verify(zero, &instance(layout, &cells), None);
            assert!(refused.is_err(), "window of {:?}", window.members);
            tried += 1;
        }
    }
    assert!(tried > 20, "{tried}");
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
