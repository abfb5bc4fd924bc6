//! The planner: proposes circuit parameters by a cost model.
//!
//! Its choice is public and stands in the parameters; soundness does not rest on it, and rebuilding a key
//! does not run it. Costs are rough multiplications counts of the prover: commitments of full-size columns
//! (phase 1) dominate, small columns (phase 0) and Fourier transforms follow.

mod estimate;

use crate::circuit::layout::Layout;
use crate::circuit::params::{CircuitParams, Scheme};
use crate::circuit::program::Program;
use crate::circuit::CircuitError;
use crate::quantize::skeleton::Skeleton;

pub use estimate::{estimate, Estimate};

/// Largest k that the planner proposes.
pub const MAX_K: u32 = 18;
/// Largest k of a scheme: verifiers pin the IPA generators up to 2^16.
fn max_k(scheme: Scheme) -> u32 {
    match scheme {
        Scheme::Ipa => 16,
        Scheme::Kzg => MAX_K,
    }
}

/// Limb and helper columns of one registration proof, about.
const REGISTRATION_LIMBS: usize = 96;

/// Proposes parameters for a skeleton, with the field multiplications of one proof, roughly, in millions.
///
/// # Errors
/// When no circuit up to [`MAX_K`] holds the model, or the model has no circuit at all.
pub fn plan(
    skeleton: &Skeleton,
    scheme: Scheme,
    batch: u32,
) -> Result<(CircuitParams, f64), CircuitError> {
    let mut best: Option<(f64, CircuitParams)> = None;
    let mut too_wide = None;
    for limb_bits in [4u32, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14] {
        // A table must fit beside nothing else: k >= limb_bits + 1.
        for k in (limb_bits + 1).max(5)..=max_k(scheme) {
            let (digits, digit_bits) = weight_digits(skeleton.weight_bits, k);
            let mut params = CircuitParams {
                version: 1,
                scheme,
                k,
                batch,
                limb_bits,
                rows_per_slot: 1,
                weight_digits: digits,
                weight_digit_bits: digit_bits,
                registration_columns: 1,
            };
            // Wide limbs round ranges up; where that outgrows the arithmetic, narrower ones may not.
            let program = match Program::lower(skeleton, limb_bits, params.weight_bits()) {
                Ok(program) => program,
                Err(e @ CircuitError::TooWide { .. }) => {
                    too_wide = Some(e);
                    break;
                }
                Err(other) => return Err(other),
            };
            let slots = program.slots.len();
            let most =
                ((1usize << k) / (slots * batch as usize + 1)).min(if batch > 1 { 3 } else { 12 });
            let mut fits = false;
            for rho in 1..=most.max(1) {
                params.rows_per_slot = rho as u32;
                let layout = match Layout::of_program(
                    program.clone(),
                    skeleton.functions.clone(),
                    &params,
                ) {
                    Ok(layout) => layout,
                    Err(CircuitError::DoesNotFit { .. }) => continue,
                    Err(other) => return Err(other),
                };
                fits = true;
                let cost = cost(&layout);
                if best.as_ref().is_none_or(|(c, _)| cost < *c) {
                    params.registration_columns = registration_columns(&layout);
                    best = Some((cost, params.clone()));
                }
            }
            // A greater k with the same limbs only costs more once rows fit.
            if fits {
                break;
            }
        }
    }
    best.map(|(cost, params)| (params, cost / 1e6))
        .ok_or(too_wide.unwrap_or(CircuitError::NoPlan {
            max_k: max_k(scheme),
            rows: batch,
        }))
}

/// Fewest digits that a table below 2^k rows can check, and their width.
fn weight_digits(weight_bits: u32, k: u32) -> (u32, u32) {
    let digits = (weight_bits + 1).div_ceil(k - 1);
    (digits, (weight_bits + 1).div_ceil(digits))
}

/// Weight columns of one registration proof.
fn registration_columns(layout: &Layout) -> u32 {
    let lanes = layout
        .program
        .layers
        .iter()
        .map(|l| l.lanes)
        .max()
        .unwrap_or(1);
    let cells = lanes * layout.params.weight_digits as usize;
    (REGISTRATION_LIMBS * layout.rho() / cells).clamp(1, layout.weight_columns.max(1)) as u32
}

/// Multiplications of one proof, roughly.
fn cost(layout: &Layout) -> f64 {
    let n = (1u64 << layout.params.k) as f64;
    let limbs = layout.limb_columns as f64;
    let batch = layout.batch() > 1;
    let reads = if layout.program.has_reads() { 1.0 } else { 0.0 };
    let used = (layout.rows as f64 / n).min(1.0);
    // An addition on the curve is about 12 multiplications; a full scalar takes 254 / c of them.
    let window = (f64::from(layout.params.k) - 2.0).clamp(4.0, 12.0);
    let full = n * 254.0 / window * 12.0;
    // Helpers are as dense as the rows in use, running columns and quotient pieces are full.
    let full_columns = 3.0 + if batch { 2.0 } else { 0.0 } + 3.0 * reads + 5.0;
    let ipa = if layout.params.scheme == Scheme::Ipa {
        6.0
    } else {
        0.0
    };
    let phase1 = (limbs * used + full_columns + ipa) * full;
    let phase0 = (limbs + 2.0 + 3.0 * reads) * n * 12.0 * 3.0;
    let columns = 2.0 * limbs + 24.0 + 12.0 * reads;
    let fourier = columns * 3.0 * n * f64::from(layout.params.k + 1) / 2.0;
    let openings = columns * n * 4.0;
    phase1 + phase0 + fourier + openings + columns * 15_000.0
}
