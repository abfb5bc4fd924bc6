//! What a circuit is expected to cost, before any key is made.
//!
//! Claims nothing: the sizes are counted, the times and the memory are straight lines through the table of
//! `docs/performance.md`, good to a factor of two on such a machine (tested) and unknown elsewhere.

use std::collections::BTreeSet;
use std::sync::Arc;

use halo2_proofs::plonk::{Circuit, ConstraintSystem};
use halo2_proofs::poly::Rotation;
use halo2curves::bn256::Fr;

use super::multiplications;
use crate::circuit::config::Config;
use crate::circuit::fixed::FixedPlan;
use crate::circuit::layout::Layout;
use crate::circuit::params::{CircuitParams, Scheme};
use crate::circuit::registration::{RegistrationCircuit, RegistrationShape};
use crate::circuit::CircuitError;
use crate::quantize::skeleton::Skeleton;

/// What a circuit looks like and is expected to cost.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Estimate {
    /// log2 of the rows.
    pub k: u32,
    /// Rows in use.
    pub rows_used: usize,
    /// Rows of the model proven at once.
    pub batch: u32,
    /// Advice columns.
    pub advice_columns: usize,
    /// Fixed columns.
    pub fixed_columns: usize,
    /// Limb columns among the advice columns.
    pub limb_columns: usize,
    /// Outputs packed in one cell, for each layer.
    pub lanes: Vec<usize>,
    /// Committed weight columns.
    pub weight_columns: usize,
    /// Registration proofs in the bundle.
    pub registration_proofs: usize,
    /// Bytes of an evidence file without its bundle, metadata of the rows not counted.
    pub evidence_bytes: usize,
    /// CPU seconds of one `clearproof prove`, all threads together.
    pub prove_cpu_s: f64,
    /// Peak memory of one `clearproof prove`.
    pub prove_memory_bytes: u64,
    /// Seconds of one verification, registration proofs included.
    pub verify_s: f64,
}

/// Estimates the circuit of these parameters.
///
/// # Errors
/// When the skeleton does not fit the parameters.
pub fn estimate(skeleton: &Skeleton, params: &CircuitParams) -> Result<Estimate, CircuitError> {
    let layout = Layout::new(skeleton, params)?;
    let mut cs = ConstraintSystem::default();
    Config::configure(&mut cs, &layout, &FixedPlan::new(&layout));
    let model = Counts::of(&cs, &layout);
    let registration = registration(&layout);
    let n = (1u64 << params.k) as f64;
    let rows = f64::from(params.batch);
    let cells = (model.advice + cs.num_fixed_columns()) as f64 * n;
    let points = model.points + registration.iter().map(|c| c.points).sum::<usize>();
    let layers = &layout.program.layers;
    let weights: usize = layers
        .iter()
        .map(|l| l.inputs.len() * l.outputs.len())
        .sum();
    let line = match params.scheme {
        Scheme::Kzg => &KZG,
        Scheme::Ipa => &IPA,
    };
    Ok(Estimate {
        k: params.k,
        rows_used: layout.rows,
        batch: params.batch,
        advice_columns: model.advice,
        fixed_columns: cs.num_fixed_columns(),
        limb_columns: layout.limb_columns,
        lanes: layout.program.layers.iter().map(|l| l.lanes).collect(),
        weight_columns: layout.weight_columns,
        registration_proofs: registration.len(),
        evidence_bytes: ENVELOPE_BYTES + model.bytes + params.batch as usize * ROW_BYTES,
        prove_cpu_s: PROCESS_S
            + line.million_multiplications_s * multiplications(&layout) / 1e6
            + WEIGHT_S * weights as f64,
        prove_memory_bytes: (PROCESS_BYTES + CELL_BYTES * cells) as u64,
        verify_s: line.verdict_s + POINT_S * (points as f64 + rows) + line.generator_s * n,
    })
}

/// What a proof holds, and what its key brings to the verifier.
struct Counts {
    advice: usize,
    /// Points of proof and key.
    points: usize,
    /// Of the proof with its link.
    bytes: usize,
}

impl Counts {
    fn of(cs: &ConstraintSystem<Fr>, layout: &Layout) -> Counts {
        let transparent = layout.params.scheme == Scheme::Ipa;
        let tail = (1usize << layout.params.k) - layout.usable;
        let advice = cs.num_advice_columns();
        let instance = if transparent {
            cs.instance_queries().len()
        } else {
            0
        };
        let scalars = cs.advice_queries().len() + cs.fixed_queries().len() + instance + 1;
        // Columns, two quotient pieces, the random polynomial, the opening, the link.
        let opening = if transparent {
            2 * layout.params.k as usize + 3 + point_sets(cs)
        } else {
            2
        };
        let link = 1 + tail + usize::from(transparent);
        Counts {
            advice,
            points: advice + cs.num_fixed_columns() + tail + opening + 4,
            bytes: 32 * (advice + 3 + scalars + opening + link),
        }
    }
}

/// Distinct sets of rotations at which columns are opened.
fn point_sets(cs: &ConstraintSystem<Fr>) -> usize {
    let mut rotations = std::collections::BTreeMap::<usize, BTreeSet<i32>>::new();
    for (column, Rotation(rotation)) in cs.advice_queries() {
        rotations
            .entry(column.index())
            .or_default()
            .insert(*rotation);
    }
    rotations.into_values().collect::<BTreeSet<_>>().len() + 1
}

fn registration(layout: &Layout) -> Vec<Counts> {
    let each = layout.params.registration_columns as usize;
    let firsts = (0..layout.weight_columns).step_by(each);
    firsts
        .map(|first| {
            let count = each.min(layout.weight_columns - first);
            let shape = Arc::new(RegistrationShape::new(layout, first, count));
            let mut cs = ConstraintSystem::default();
            RegistrationCircuit::configure_with_params(&mut cs, Some(shape));
            Counts::of(&cs, layout)
        })
        .collect()
}

/// What differs between the schemes, in seconds.
struct Line {
    /// A million of the planner's multiplications.
    million_multiplications_s: f64,
    /// What every verdict takes.
    verdict_s: f64,
    /// A row of the domain, for the verifier.
    generator_s: f64,
}

const KZG: Line = Line {
    million_multiplications_s: 0.031,
    verdict_s: 0.004,
    generator_s: 0.0,
};
const IPA: Line = Line {
    million_multiplications_s: 0.034,
    verdict_s: 0.002,
    generator_s: 8.5e-6,
};
/// Start of the command, artifact read.
const PROCESS_S: f64 = 0.01;
/// A weight, read and packed.
const WEIGHT_S: f64 = 0.2e-6;
/// The command before it proves.
const PROCESS_BYTES: f64 = 11.5e6;
/// A cell of a column while proving: values, coefficients, cosets, limbs.
const CELL_BYTES: f64 = 270.0;
/// A point of a key, a proof or a record, read and multiplied by the verifier.
const POINT_S: f64 = 33e-6;
/// Digests, salts and the encoding of an evidence file around one proof.
const ENVELOPE_BYTES: usize = 93;
/// Commitment, released bit and empty metadata of a row.
const ROW_BYTES: usize = 34;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx;
    use crate::onnx::testing::{uniform, Attr, ModelBuilder};
    use crate::plan::plan;
    use crate::quantize::skeleton::Reveal;
    use crate::quantize::{quantize, QuantizeOptions};

    /// A dense network of these widths with a Relu between layers, weights as a fresh one has them.
    fn dense(widths: &[usize]) -> Skeleton {
        let mut model = ModelBuilder::new(13).input("x", &[0, widths[0] as i64]);
        let mut from = "x".to_owned();
        for (layer, pair) in widths.windows(2).enumerate() {
            let scale = 1.0 / (pair[0] as f32).sqrt();
            let draw = |seed: usize, count: usize| -> Vec<f32> {
                let values = uniform(seed as u64 + 1, count);
                values.into_iter().map(|v| v * scale).collect()
            };
            let [w, b, y, a] = ["w", "b", "y", "a"].map(|name| format!("{name}{layer}"));
            let last = layer + 2 == widths.len();
            let y = if last && pair[1] > 1 {
                "y".to_owned()
            } else {
                y
            };
            model = model
                .floats(
                    &w,
                    &[pair[0] as i64, pair[1] as i64],
                    &draw(layer, pair[0] * pair[1]),
                )
                .floats(&b, &[pair[1] as i64], &draw(layer + 100, pair[1]))
                .node("Gemm", &[&from, &w, &b], &y, &[("alpha", Attr::Float(1.0))]);
            // A single score ends in a sigmoid, as in the measured models.
            model = match (last, pair[1]) {
                (false, _) => model.node("Relu", &[&y], &a, &[]),
                (true, 1) => model.node("Sigmoid", &[&y], "y", &[]),
                (true, _) => model,
            };
            from = a;
        }
        let graph = onnx::load(&model.output("y", 1).bytes()).unwrap();
        let options = QuantizeOptions {
            reveal: Reveal::Decision,
            ..QuantizeOptions::default()
        };
        quantize(&graph, &[], &options).unwrap().model.skeleton
    }

    #[test]
    fn the_measured_table_is_met_within_a_factor_of_two() {
        for (widths, scheme, batch, k, cpu_s, megabytes, verify_ms, bytes) in MEASURED {
            let skeleton = dense(widths);
            let (params, _) = plan(&skeleton, *scheme, *batch).unwrap();
            let e = estimate(&skeleton, &params).unwrap();
            assert_eq!(e.k, *k);
            for (what, estimated, measured) in [
                ("CPU s", e.prove_cpu_s, cpu_s),
                ("memory MB", e.prove_memory_bytes as f64 / 1e6, megabytes),
                ("verify ms", e.verify_s * 1e3, verify_ms),
                ("evidence bytes", e.evidence_bytes as f64, bytes),
            ] {
                let ratio = estimated / measured;
                assert!(
                    (0.5..=2.0).contains(&ratio),
                    "{widths:?} {scheme:?}, batch {batch}: {what} {estimated} for {measured}"
                );
            }
            // What is counted is closer: the plan of other weights may take a column more or less.
            let ratio = e.evidence_bytes as f64 / bytes;
            assert!((0.9..=1.1).contains(&ratio), "{}", e.evidence_bytes);
        }
    }

    type Measured = (&'static [usize], Scheme, u32, u32, f64, f64, f64, f64);

    /// The table of `docs/performance.md`: k, CPU seconds, megabytes, milliseconds, bytes.
    #[rustfmt::skip]
    const MEASURED: &[Measured] = &[
        (&[5, 10, 1], Scheme::Kzg, 1, 7, 0.027, 12.0, 6.8, 2143.0),
        (&[5, 10, 1], Scheme::Ipa, 1, 7, 0.042, 13.0, 6.3, 2719.0),
        (&[20, 32, 10, 1], Scheme::Kzg, 1, 8, 0.045, 14.0, 6.8, 2271.0),
        (&[20, 32, 10, 1], Scheme::Ipa, 1, 8, 0.069, 15.0, 7.4, 2911.0),
        (&[64, 256, 256, 64, 2], Scheme::Kzg, 1, 10, 0.187, 28.0, 47.8, 3807.0),
        (&[64, 256, 256, 64, 2], Scheme::Ipa, 1, 10, 0.257, 29.0, 58.2, 4543.0),
        (&[784, 1024, 256, 10], Scheme::Kzg, 1, 12, 0.652, 83.0, 118.3, 3775.0),
        (&[784, 1024, 256, 10], Scheme::Ipa, 1, 12, 1.12, 86.0, 186.5, 4639.0),
        (&[5, 10, 1], Scheme::Kzg, 1000, 14, 1.48, 144.0, 33.6, 36786.0),
        (&[5, 10, 1], Scheme::Ipa, 1000, 14, 3.21, 164.0, 198.5, 37810.0),
    ];
}
