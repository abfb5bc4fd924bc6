//! The planner: proposes circuit parameters by a cost model.
//!
//! Its choice is public and stands in the parameters; soundness does not rest on it, and rebuilding a key
//! does not run it. Costs are rough multiplications counts of the prover: commitments of full-size columns
//! (phase 1) dominate, small columns (phase 0) and Fourier transforms follow.

mod estimate;

use crate::circuit::layout::Layout;
use crate::circuit::params::{CircuitParams, Scheme};
use crate::circuit::program::{Program, FOREST_COLUMNS};
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
        // Of all k with the same width of weights: a program depends on nothing else of k.
        let mut lowered: Option<Program> = None;
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
            let weight_bits = params.weight_bits();
            let same = lowered.take().filter(|p| p.weight_bits == weight_bits);
            let program =
                match same.map_or_else(|| Program::lower(skeleton, limb_bits, weight_bits), Ok) {
                    Ok(program) => lowered.insert(program),
                    Err(e @ CircuitError::TooWide { .. }) => {
                        too_wide = Some(e);
                        break;
                    }
                    Err(other) => return Err(other),
                };
            let slots = program.slots.len();
            // Each slot takes a row at least, and no layout of fewer rows need be tried.
            if slots.saturating_mul(batch as usize) >= 1 << k {
                continue;
            }
            let most =
                ((1usize << k) / (slots * batch as usize + 1)).min(if batch > 1 { 3 } else { 12 });
            // The nodes of trees take one row each, and so do the taps of shared layers.
            let one = program.forest.is_some() || program.is_shared();
            let most = if one { 1 } else { most };
            let mut whole = false;
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
                whole |= layout.nodes.blocks == 0;
                let cost = cost(&layout);
                if best.as_ref().is_none_or(|(c, _)| cost < *c) {
                    params.registration_columns = registration_columns(&layout);
                    best = Some((cost, params.clone()));
                }
            }
            // A greater k with the same limbs only costs more once rows fit in one block.
            if whole {
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
    if let Some(forest) = &layout.program.forest {
        let lanes: usize = (0..FOREST_COLUMNS).map(|c| forest.lanes(c).len()).sum();
        let limbs = lanes * layout.params.weight_digits as usize;
        let tables = match layout.nodes.blocks {
            0 => 1,
            _ => (REGISTRATION_LIMBS / limbs).max(1),
        };
        let most = layout.main_columns().len().max(tables * FOREST_COLUMNS);
        return most.min(layout.weight_columns) as u32;
    }
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

/// Multiplications of one proof and what its columns weigh.
fn cost(layout: &Layout) -> f64 {
    multiplications(layout) + columns(layout) * COLUMN
}

/// Advice columns, roughly.
fn columns(layout: &Layout) -> f64 {
    let reads = if layout.program.has_reads() { 6.0 } else { 0.0 };
    let folds = if layout.batch() > 1 { 2.0 } else { 0.0 };
    let blocks = 3.0 * layout.nodes.blocks as f64;
    2.0 * layout.limb_columns as f64 + 9.0 + reads + folds + blocks
}

/// Multiplications of one proof, roughly.
fn multiplications(layout: &Layout) -> f64 {
    let k = f64::from(layout.params.k);
    let n = (1u64 << layout.params.k) as f64;
    let limbs = layout.limb_columns as f64;
    let reads = if layout.program.has_reads() { 1.0 } else { 0.0 };
    let ipa = layout.params.scheme == Scheme::Ipa;
    let rows = (layout.rows as f64).min(n);
    // 1. Additions of points. A full scalar takes one for each window; a helper column has as many values as
    //    the table and is committed by groups, where they are few.
    let windows = 254.0 / (k - 1.0).clamp(4.0, 13.0);
    let table = (1u64 << layout.params.limb_bits) as f64;
    let helper = if n >= 256.0 && 4.0 * table <= n {
        (rows + 70.0 * table).min(rows * windows)
    } else {
        rows * windows
    };
    let small = limbs * (rows + helper) + rows * (6.0 + 8.0 * reads);
    // Acc, pw and sum, or sum and both folds; quotient, its mask, the random polynomial, the openings. V follows
    // from what it combines.
    let full_rows = 3.0 + 3.0 * reads;
    let full = if ipa { 5.0 + k } else { 5.5 };
    let combined = layout.weight_columns as f64;
    let additions = small + (full_rows * rows + full * n + combined) * windows;
    // 2. Transforms, gates, evaluations and combinations of all columns.
    let columns = columns(layout);
    let fourier = columns * 3.0 * n * k / 2.0 * 1.4;
    let gates = 2.0 * n * (60.0 + 5.0 * limbs + 20.0 * reads);
    let openings = (columns + 20.0) * n * 3.0;
    10.0 * additions + fourier + gates + openings
}

/// What a column weighs beside its rows, in multiplications: bytes of evidence, and the verifier's time.
const COLUMN: f64 = 80_000.0;
