//! Layers whose weights serve several positions: convolutions, dense layers at several places, recurrences.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;
use crate::quantize::skeleton::Positions;

fn weights(
    rng: &mut ChaCha20Rng,
    outputs: usize,
    kernel: usize,
) -> crate::quantize::skeleton::LinearWeights {
    random_weights(rng, kernel, outputs, 12, 20)
}

/// A kernel [height, width] over a picture [h, w], with padding on all sides and a stride.
fn window(h: u32, w: u32, kernel: (u32, u32), pad: u32, stride: u32) -> Positions {
    let row = w + pad;
    let grid = |rows: u32, columns: u32, step: u32, first: u32| -> Vec<u32> {
        (0..rows)
            .flat_map(|i| (0..columns).map(move |j| first + i * step * row + j * step))
            .collect()
    };
    let out = |size: u32, k: u32| (size + 2 * pad - k) / stride + 1;
    let first = (kernel.0 - 1 - pad) * row + kernel.1 - 1 - pad;
    Positions {
        at: grid(h, w, 1, 0),
        taps: grid(kernel.0, kernel.1, 1, 0),
        to: grid(out(h, kernel.0), out(w, kernel.1), stride, first),
    }
}

fn convolution(inputs: Vec<u32>, outputs: u32, groups: u32, positions: Positions) -> Op {
    Op::Convolution {
        inputs,
        outputs,
        groups,
        positions,
        shift: 12,
        activation: Activation::Relu,
    }
}

/// A picture [2, 3, 4] through a kernel of 2 by 2, a padded depthwise one, one with a stride, a dense layer at each
/// place, and two steps of a recurrence; everything of the last layer and something of the others is released.
pub(crate) fn network(released: Vec<u32>) -> IntegerModel {
    let mut rng = ChaCha20Rng::from_seed([3; 32]);
    let ops = vec![
        convolution((0..24).collect(), 3, 1, window(3, 4, (2, 2), 0, 1)), // 24..42, [3, 2, 3]
        convolution((24..42).collect(), 3, 3, window(2, 3, (3, 3), 1, 1)), // 42..60, [3, 2, 3]
        convolution((42..60).collect(), 2, 1, window(2, 3, (1, 2), 0, 2)), // 60..62, [2, 1, 1]
        convolution((24..42).collect(), 2, 1, Positions::dense(6)),       // 62..74, [2, 6]
        Op::Linear {
            inputs: (60..74).collect(),
            outputs: 3,
            shift: 12,
            activation: Activation::None,
        }, // 74..77
        Op::Linear {
            inputs: (74..77).collect(),
            outputs: 3,
            shift: 12,
            activation: Activation::Relu,
        }, // 77..80
        Op::Again {
            inputs: (77..80).collect(),
            outputs: 3,
            layer: 5,
            shift: 12,
            activation: Activation::None,
        }, // 80..83
    ];
    let linear = vec![
        weights(&mut rng, 3, 8),
        weights(&mut rng, 3, 9),
        weights(&mut rng, 2, 6),
        weights(&mut rng, 2, 3),
        weights(&mut rng, 3, 14),
        weights(&mut rng, 3, 3),
    ];
    let weights = PrivateWeights {
        linear,
        diagonal: vec![],
        forests: vec![],
    };
    IntegerModel {
        skeleton: skeleton(vec![input("x", 24, 10)], vec![], ops, released),
        weights,
    }
}

/// The slots hold what the interpreter says, and the circuit accepts them.
#[test]
fn honest_rows_are_accepted() {
    for released in [
        vec![80, 81, 82, 60, 25],
        vec![82],
        vec![24, 42, 77],
        (62..74).collect(),
        (42..60).collect(),
        (24..42).chain([3]).collect(),
    ] {
        let model = network(released.clone());
        for (batch, limb_bits, seed) in [(1, 6, 3), (1, 7, 0), (3, 6, 0)] {
            let case = Case::new(&model, batch, limb_bits, 1, seed);
            for (row, cells) in rows(&model, batch, seed).iter().zip(&case.cells) {
                let scalars = model.eval(row);
                let slots = &case.shape.layout.program.released;
                let claimed: Vec<i64> = slots.iter().map(|s| cells[*s].a as i64).collect();
                assert_eq!(claimed, model.released_of(&scalars));
            }
            if let Err(failures) = case.verify(case.zero.clone(), &case.instance, None) {
                panic!(
                    "{released:?}, batch {batch}: {:?}",
                    &failures[..failures.len().min(3)]
                );
            }
        }
    }
}

/// Any one accumulator, value or coefficient of a remainder, changed by itself.
#[test]
fn every_changed_cell_is_refused() {
    for batch in [1, 2] {
        let case = Case::new(&network(vec![80, 81, 82]), batch, 6, 1, 5);
        let layout = &case.shape.layout;
        let mut changes: Vec<(String, PhaseZero)> = vec![];
        for s in 0..layout.program.slots.len() {
            let row = layout.main_row(s, batch as usize - 1);
            for (name, column) in [("a", 0), ("y", 1)] {
                let mut zero = case.zero.clone();
                [&mut zero.a, &mut zero.y][column][row] += Fr::ONE;
                changes.push((format!("{name} of slot {s}"), zero));
            }
        }
        for (l, layer) in layout.program.layers.iter().enumerate() {
            let rest = layer.positions.rest().len() * layer.cells() * batch as usize;
            for row in layout.rest_rows[l]..layout.rest_rows[l] + rest {
                let mut zero = case.zero.clone();
                zero.y[row] += Fr::ONE;
                changes.push((format!("remainder of layer {l} on row {row}"), zero));
            }
        }
        assert!(changes
            .iter()
            .any(|(name, _)| name.starts_with("remainder")));
        for (name, zero) in changes {
            let verdict = case.verify(zero, &case.instance, None);
            assert!(verdict.is_err(), "{name}");
        }
    }
}

/// Results exchanged between places or outputs, with all that follows from them, and a weight used at one place
/// alone: the product of the polynomials tells.
#[test]
fn results_stay_in_their_places() {
    let model = network((42..60).collect());
    for batch in [1, 2] {
        let case = Case::new(&model, batch, 6, 1, 5);
        let layout = &case.shape.layout;
        let last = layout.program.layers.last().unwrap();
        assert_eq!(last.outputs, layout.program.released[..last.outputs.len()]);
        let made = last.outputs.clone();
        for (i, j) in [(0, 1), (0, 6), (5, 17)] {
            let mut cells = case.cells.clone();
            for row in &mut cells {
                assert_ne!(row[made[i]].y, row[made[j]].y, "a test that can fail");
                row.swap(made[i], made[j]);
            }
            let zero = PhaseZero::new(
                layout,
                &case.weights,
                &cells,
                true,
                &mut ChaCha20Rng::from_seed([1; 32]),
            );
            let names = failing(case.verify(zero, &instance(layout, &cells), None));
            assert!(
                names.iter().all(|n| n.contains("= 0 at the ends")),
                "{names:?}"
            );
        }
    }
}

/// A fold that skips a row, a power that starts elsewhere.
#[test]
fn folds_follow_their_rows() {
    let case = Case::new(&network(vec![80, 81, 82]), 2, 6, 1, 5);
    let layout = &case.shape.layout;
    let layer = &layout.program.layers[0];
    let operand = layout.end_row(layer.channel(0)[3]);
    let result = layout.end_row(layer.output(1)[2]);
    let tap = layout.channel_rows(layer).next().unwrap() + 1;
    let bias = layout.bias_rows[0][0];
    let start = layout.end_row(layer.outputs[0]);
    type Change = Box<dyn Fn(&mut PhaseOne) + Send + Sync>;
    let tampers: Vec<(&str, Change)> = vec![
        (
            "sa = a + gamma^d sa_next",
            Box::new(move |p| p.sa[operand] += Fr::ONE),
        ),
        (
            "sy = y + gamma^d sy_next",
            Box::new(move |p| p.sy[result] += Fr::ONE),
        ),
        (
            "K = V + gamma^d K_next",
            Box::new(move |p| p.taps[tap] += Fr::ONE),
        ),
        (
            "(gamma - 1) sa = 2^(w t) (gamma^N - 1)",
            Box::new(move |p| p.sa[bias] += Fr::ONE),
        ),
        (
            "si = a + gamma si_next",
            Box::new(move |p| p.inputs[operand] += Fr::ONE),
        ),
        (
            "pw = (f1 + f2 beta) pw_prev + f3",
            Box::new(move |p| p.pw[start] += Fr::ONE),
        ),
    ];
    for (name, change) in tampers {
        let tamper = second(move |p, _| change(p));
        let names = failing(case.verify(case.zero.clone(), &case.instance, Some(tamper)));
        assert!(names.iter().any(|n| n.contains(name)), "{name}: {names:?}");
    }
}

/// A vector of private numbers: taps on one operand, which lies amid the results of another layer.
#[test]
fn one_operand_under_many_taps() {
    let mut rng = ChaCha20Rng::from_seed([8; 32]);
    let ops = vec![
        convolution((0..4).collect(), 2, 1, Positions::dense(4)), // 4..12
        convolution(vec![6], 3, 1, Positions::taps(5)),           // 12..27
        Op::Linear {
            inputs: (4..27).collect(),
            outputs: 2,
            shift: 12,
            activation: Activation::None,
        }, // 27..29
    ];
    let linear = vec![
        weights(&mut rng, 2, 1),
        weights(&mut rng, 3, 5),
        weights(&mut rng, 2, 23),
    ];
    let model = IntegerModel {
        skeleton: skeleton(vec![input("x", 4, 10)], vec![], ops, vec![27, 28, 13]),
        weights: PrivateWeights {
            linear,
            diagonal: vec![],
            forests: vec![],
        },
    };
    for (batch, seed) in [(1, 3), (3, 0)] {
        let case = Case::new(&model, batch, 6, 1, seed);
        case.verify(case.zero.clone(), &case.instance, None)
            .unwrap_or_else(|e| panic!("batch {batch}: {:?}", &e[..e.len().min(3)]));
        for (row, cells) in rows(&model, batch, seed).iter().zip(&case.cells) {
            let slots = &case.shape.layout.program.released;
            let claimed: Vec<i64> = slots.iter().map(|s| cells[*s].a as i64).collect();
            assert_eq!(claimed, model.released_of(&model.eval(row)));
        }
    }
}
