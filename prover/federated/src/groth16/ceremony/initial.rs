//! The first key of a ceremony, with gamma = delta = 1.
//!
//! 1. Claim: for variable i with columns `a_i, b_i, c_i` of the constraint matrices, the key holds `A_i = a_i(tau)`, `B_i`,
//!    and `beta a_i(tau) + alpha b_i(tau) + c_i(tau)`; `h_j = tau^j (tau^n - 1)`, j < n - 1.
//! 2. Two ways to the same points: from points of phase one alone, or, if its secrets are published, in the
//!    exponent. A test compares them.
//! 3. Source: Groth 2016, section 3.2; ark-groth16 0.6's `LibsnarkReduction`, whose domain and order these are.

use ark_bn254::{Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::scalar_mul::BatchMulPreprocessing;
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{AdditiveGroup, Field};
use ark_groth16::r1cs_to_qap::{LibsnarkReduction, R1CSToQAP};
use ark_groth16::VerifyingKey;
use ark_poly::Radix2EvaluationDomain;
use ark_relations::gr1cs::{ConstraintSystemRef, Matrix, R1CS_PREDICATE_LABEL};
use rayon::prelude::*;

use super::phase_one::{Lagrange, PhaseOne, Secrets};
use super::CeremonyError;
use crate::groth16::{ProvingKey, Statement, StatementError};

pub(super) fn key(
    statement: &Statement,
    phase_one: &PhaseOne,
) -> Result<ProvingKey, CeremonyError> {
    let system = statement.system()?;
    let rows = system.num_constraints() + system.num_instance_variables();
    let log_size = rows.next_power_of_two().trailing_zeros();
    if log_size > phase_one.log_size() {
        return Err(CeremonyError::TooFewPowers {
            needed: log_size,
            given: phase_one.log_size(),
        });
    }
    match phase_one.secrets() {
        Some(secrets) => in_the_exponent(&system, secrets),
        None => from_points(&system, &phase_one.lagrange(log_size)?),
    }
}

fn in_the_exponent(
    system: &ConstraintSystemRef<Fr>,
    secrets: &Secrets,
) -> Result<ProvingKey, CeremonyError> {
    let Secrets { tau, alpha, beta } = *secrets;
    let mapped = LibsnarkReduction::instance_map_with_evaluation::<Fr, Radix2EvaluationDomain<Fr>>(
        system.clone(),
        &tau,
    );
    let (a, b, c, vanishing, _, size) = mapped.map_err(StatementError::from)?;
    let combined = a
        .iter()
        .zip(&b)
        .zip(&c)
        .map(|((a, b), c)| beta * a + alpha * b + c);
    let combined: Vec<Fr> = combined.collect();
    let powers = std::iter::successors(Some(vanishing), |power| Some(*power * tau));
    let h: Vec<Fr> = powers.take(size - 1).collect();
    let one = G1Projective::from(G1Affine::generator());
    let table = BatchMulPreprocessing::new(one, 3 * combined.len() + h.len());
    let g1 = |scalars: &[Fr]| table.batch_mul(scalars);
    let b_g2_query = BatchMulPreprocessing::new(G2Projective::from(G2Affine::generator()), b.len())
        .batch_mul(&b);
    let inputs = system.num_instance_variables();
    Ok(assemble(
        [(one * alpha).into_affine(), (one * beta).into_affine()],
        (G2Affine::generator() * beta).into_affine(),
        [g1(&a), g1(&b), g1(&combined), g1(&h)],
        b_g2_query,
        inputs,
    ))
}

fn from_points(
    system: &ConstraintSystemRef<Fr>,
    points: &Lagrange,
) -> Result<ProvingKey, CeremonyError> {
    let matrices = system.to_matrices().map_err(StatementError::from)?;
    let [a, b, c] = &matrices[R1CS_PREDICATE_LABEL][..] else {
        return Err(CeremonyError::PhaseOne("the statement is no rank-1 system"));
    };
    let inputs = system.num_instance_variables();
    let variables = inputs + system.num_witness_variables();
    let rows = system.num_constraints();
    let (mut a, b, c) = (
        columns(a, variables),
        columns(b, variables),
        columns(c, variables),
    );
    for (index, column) in a.iter_mut().enumerate().take(inputs) {
        column.push((Fr::ONE, rows + index));
    }
    let g1 = |columns: &[Column], points: &[G1Affine]| -> Vec<G1Projective> {
        columns
            .par_iter()
            .map(|column| combine(column, points))
            .collect()
    };
    let a_query = g1(&a, &points.tau_g1);
    let b_g1_query = g1(&b, &points.tau_g1);
    let parts = [
        g1(&a, &points.beta_g1),
        g1(&b, &points.alpha_g1),
        g1(&c, &points.tau_g1),
    ];
    let combined: Vec<G1Projective> = (0..variables)
        .map(|i| parts.iter().map(|p| p[i]).sum())
        .collect();
    let b_g2: Vec<G2Projective> = b
        .par_iter()
        .map(|column| combine(column, &points.tau_g2))
        .collect();
    let affine = G1Projective::normalize_batch;
    Ok(assemble(
        [points.alpha, points.beta],
        points.beta_g2,
        [
            affine(&a_query),
            affine(&b_g1_query),
            affine(&combined),
            points.h.clone(),
        ],
        G2Projective::normalize_batch(&b_g2),
        inputs,
    ))
}

/// Coefficients with their rows.
type Column = Vec<(Fr, usize)>;

fn columns(matrix: &Matrix<Fr>, variables: usize) -> Vec<Column> {
    let mut columns = vec![vec![]; variables];
    for (row, terms) in matrix.iter().enumerate() {
        for (coefficient, variable) in terms {
            columns[*variable].push((*coefficient, row));
        }
    }
    columns
}

fn combine<C: AffineRepr<ScalarField = Fr>>(column: &Column, points: &[C]) -> C::Group {
    let mut sum = C::Group::ZERO;
    for (coefficient, row) in column {
        if *coefficient == Fr::ONE {
            sum += points[*row];
        } else if *coefficient == -Fr::ONE {
            sum -= points[*row].into_group();
        } else {
            sum += points[*row] * coefficient;
        }
    }
    sum
}

fn assemble(
    [alpha, beta]: [G1Affine; 2],
    beta_g2: G2Affine,
    [a_query, b_g1_query, mut combined, h_query]: [Vec<G1Affine>; 4],
    b_g2_query: Vec<G2Affine>,
    inputs: usize,
) -> ProvingKey {
    let l_query = combined.split_off(inputs);
    ProvingKey {
        vk: VerifyingKey {
            alpha_g1: alpha,
            beta_g2,
            gamma_g2: G2Affine::generator(),
            delta_g2: G2Affine::generator(),
            gamma_abc_g1: combined,
        },
        beta_g1: beta,
        delta_g1: G1Affine::generator(),
        a_query,
        b_g1_query,
        b_g2_query,
        h_query,
        l_query,
    }
}
