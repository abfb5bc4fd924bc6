//! One proof: transcript, gate identity at x, multi-opening, link.
//!
//! 1. Claim: but for the returned linear [`Claim`], the statement holds: there are advice columns
//!    that satisfy every gate on every row with the instance the statement gives, and the linked
//!    columns equal the combinations of the outside commitments.
//! 2. Equation: `sum_i y^i gate_i(x) = h(x) (x^n - 1)`, with the evaluations opened afterwards.
//! 3. Assumed: the key's fixed commitments and bases (pinned by the circuit id).
//! 4. Source: halo2_proofs, `plonk::verify_proof`, without lookups and permutations.

use ark_ec::CurveGroup;
use ark_ff::{batch_inversion, AdditiveGroup, Field, One, Zero};

use super::claim::{Claim, Equation};
use super::link::read_link;
use super::msm::msm;
use super::prepared::PreparedKey;
use super::statement::{hash_parts, Statement};
use super::transcript::Transcript;
use super::{ipa, shplonk, VerifyError};
use crate::artifact::key::{Node, Query, Scheme, Srs, VerifyingKey};
use crate::bn254::{Fr, G1Affine};

/// Reads a proof of a statement; what remains to be checked is linear in group elements.
///
/// # Errors
/// [`VerifyError`] for a statement of the wrong shape and for any bytes that are not canonical.
pub fn read_proof(
    key: &PreparedKey,
    statement: &Statement<'_>,
    proof: &[u8],
) -> Result<Claim, VerifyError> {
    let vk = key.key();
    let scheme = vk.scheme();
    let instance = instance_cells(vk, statement)?;
    let mut transcript = Transcript::new(proof);

    // 1. The statement, the key, the instance.
    let statement_digest = statement.digest(scheme, key.circuit_id());
    transcript.common_digest(&statement_digest);
    transcript.common_scalar(&vk.transcript_repr);
    let instance_commitment = match (&vk.srs, vk.instance_lengths.first()) {
        (_, None) => None,
        (Srs::Ipa { w, .. }, Some(_)) => {
            let commitment = commit_instance(key, &instance, w);
            transcript.common_point(&commitment);
            Some(commitment)
        }
        (Srs::Kzg { .. }, Some(length)) => {
            absorb_instance(&mut transcript, &instance, *length);
            None
        }
    };

    // 2. Advice commitments and challenges, phase by phase.
    let mut advice = vec![G1Affine::identity(); vk.advice_phases.len()];
    let mut challenges = vec![Fr::ZERO; vk.challenge_phases.len()];
    let last_phase = vk.advice_phases.iter().copied().max().unwrap_or(0);
    for phase in 0..=last_phase {
        for (commitment, _) in in_phase(&mut advice, &vk.advice_phases, phase) {
            *commitment = transcript.point()?;
        }
        for (challenge, _) in in_phase(&mut challenges, &vk.challenge_phases, phase) {
            *challenge = transcript.challenge();
        }
    }
    for _unused in ["theta", "beta", "gamma"] {
        transcript.challenge();
    }

    // 3. The vanishing argument.
    let random = transcript.point()?;
    let y = transcript.challenge();
    let quotient = transcript.points(vk.quotient_pieces as usize)?;
    let x = transcript.challenge();
    let xn = x.pow([vk.rows() as u64]);
    let vanishing = xn - Fr::one();
    let vanishing_inverse = vanishing.inverse().ok_or(VerifyError::Degenerate)?;

    // 4. Evaluations.
    let instance_evals = match scheme {
        Scheme::Ipa => transcript.scalars(vk.instance_queries.len())?,
        Scheme::Kzg => evaluate_instance(key, &instance, x, vanishing),
    };
    let advice_evals = transcript.scalars(vk.advice_queries.len())?;
    let fixed_evals = transcript.scalars(vk.fixed_queries.len())?;
    let random_eval = transcript.scalar()?;

    // 5. The gates at x give what the quotient must evaluate to.
    let nodes = evaluate_nodes(
        key,
        &instance_evals,
        &advice_evals,
        &fixed_evals,
        &challenges,
    );
    let gates = vk.gates.iter();
    let numerator = gates.fold(Fr::ZERO, |sum, gate| sum * y + nodes[*gate as usize]);
    let quotient_eval = numerator * vanishing_inverse;

    // 6. Everything is opened, in halo2's order.
    let mut openings = OpeningsBuilder::new(key, x);
    if scheme == Scheme::Ipa {
        openings.add_all(Slot::Instance, &vk.instance_queries, &instance_evals);
    }
    openings.add_all(Slot::Advice, &vk.advice_queries, &advice_evals);
    openings.add_all(Slot::Fixed, &vk.fixed_queries, &fixed_evals);
    openings.add(Slot::Quotient, 0, quotient_eval);
    openings.add(Slot::Random, 0, random_eval);
    let openings = openings.finish();
    let commitments = Commitments {
        instance: instance_commitment,
        advice: &advice,
        quotient: &quotient,
        xn,
        random,
    };
    let opening = match scheme {
        Scheme::Kzg => shplonk::open(&openings, &commitments, &mut transcript)?,
        Scheme::Ipa => ipa::open(vk.k, &openings, &commitments, &mut transcript)?,
    };

    // 7. The link, and nothing after it.
    let link = read_link(key, statement, &advice, &challenges, &mut transcript)?;
    transcript.finish()?;
    Ok(Claim {
        opening,
        link,
        binding: hash_parts(&[key.circuit_id(), &statement_digest, proof]),
    })
}

fn check_shape(vk: &VerifyingKey, statement: &Statement<'_>) -> Result<(), VerifyError> {
    if statement.model.len() != vk.model_columns() {
        return Err(VerifyError::ModelCommitments {
            expected: vk.model_columns(),
            got: statement.model.len(),
        });
    }
    let slots = vk.slots();
    let rows = statement.inputs.len();
    if rows > slots || (rows == 0 && slots > 0) {
        return Err(VerifyError::Rows { slots, got: rows });
    }
    let expected = vk.released_per_row() * rows.max(1);
    if statement.released.len() != expected {
        return Err(VerifyError::Released {
            expected,
            got: statement.released.len(),
        });
    }
    Ok(())
}

// ----------------------------------------------------------------------------------- instance

/// The non-zero instance cells of a statement, by ascending row; slots beyond the rows repeat the
/// last row.
///
/// # Errors
/// When the numbers of commitments, rows or released values do not fit the key.
pub fn instance_cells(
    vk: &VerifyingKey,
    statement: &Statement<'_>,
) -> Result<Vec<(u32, Fr)>, VerifyError> {
    check_shape(vk, statement)?;
    let slots = vk.slots().max(1);
    let per_row = vk.released_per_row();
    let rows = statement.inputs.len().max(1);
    let cells = vk.released_rows.iter().enumerate();
    Ok(cells
        .map(|(entry, cell)| {
            let (value, slot) = (entry / slots, entry % slots);
            let row = slot.min(rows - 1);
            (*cell, statement.released[row * per_row + value])
        })
        .filter(|(_, value)| !value.is_zero())
        .collect())
}

fn absorb_instance(transcript: &mut Transcript<'_>, cells: &[(u32, Fr)], length: u32) {
    let mut cells = cells.iter().peekable();
    for row in 0..length {
        let cell = cells.next_if(|cell| cell.0 == row);
        transcript.common_scalar(&cell.map_or(Fr::ZERO, |cell| cell.1));
    }
}

/// IPA commits to the instance with blinding factor one.
fn commit_instance(key: &PreparedKey, cells: &[(u32, Fr)], w: &G1Affine) -> G1Affine {
    let vk = key.key();
    let mut terms = vec![(Fr::one(), *w)];
    for (row, value) in cells {
        let base = vk.row_base(*row).map(|index| vk.row_bases[index].1);
        terms.push((
            *value,
            base.expect("the key has a base for every released row"),
        ));
    }
    msm(&terms).into_affine()
}

/// `sum_i v_i L_i(x omega^rotation)`, `L_i(X) = omega^i (X^n - 1) / (n (X - omega^i))`.
fn evaluate_instance(key: &PreparedKey, cells: &[(u32, Fr)], x: Fr, vanishing: Fr) -> Vec<Fr> {
    let vk = key.key();
    let mut omega_power = Fr::one();
    let mut row = 0;
    let mut weighted = Vec::with_capacity(cells.len());
    for (cell, value) in cells {
        omega_power *= key.omega().pow([u64::from(*cell - row)]);
        row = *cell;
        weighted.push((omega_power, *value * omega_power));
    }
    let n_inverse = Fr::from(vk.rows() as u64).inverse();
    let scale = vanishing * n_inverse.expect("n is a power of two, r is odd");
    let queries = vk.instance_queries.iter();
    queries
        .map(|query| {
            let point = x * key.omega_power(i64::from(query.rotation));
            let mut inverses: Vec<Fr> = weighted.iter().map(|(w, _)| point - w).collect();
            batch_inversion(&mut inverses); // none is zero: x^n != 1
            let terms = weighted.iter().zip(&inverses);
            terms
                .map(|((_, value), inverse)| *value * inverse)
                .sum::<Fr>()
                * scale
        })
        .collect()
}

// -------------------------------------------------------------------------------------- gates

fn in_phase<'a, T>(
    items: &'a mut [T],
    phases: &'a [u8],
    phase: u8,
) -> impl Iterator<Item = (&'a mut T, &'a u8)> {
    items
        .iter_mut()
        .zip(phases)
        .filter(move |(_, p)| **p == phase)
}

fn evaluate_nodes(
    key: &PreparedKey,
    instance: &[Fr],
    advice: &[Fr],
    fixed: &[Fr],
    challenges: &[Fr],
) -> Vec<Fr> {
    let vk = key.key();
    let mut values: Vec<Fr> = Vec::with_capacity(vk.nodes.len());
    for node in &vk.nodes {
        values.push(match *node {
            Node::Constant(i) => vk.constants[i as usize],
            Node::Fixed(i) => fixed[i as usize],
            Node::Advice(i) => advice[i as usize],
            Node::Instance(i) => instance[i as usize],
            Node::Challenge(i) => challenges[i as usize],
            Node::Negated(i) => -values[i as usize],
            Node::Sum(i, j) => values[i as usize] + values[j as usize],
            Node::Product(i, j) => values[i as usize] * values[j as usize],
            Node::Scaled(i, j) => values[i as usize] * vk.constants[j as usize],
        });
    }
    values
}

// ----------------------------------------------------------------------------------- openings

/// A commitment that is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Instance(u32),
    Advice(u32),
    Fixed(u32),
    Quotient,
    Random,
}

/// The commitments behind the slots.
pub(super) struct Commitments<'a> {
    instance: Option<G1Affine>,
    advice: &'a [G1Affine],
    quotient: &'a [G1Affine],
    xn: Fr,
    random: G1Affine,
}

impl Commitments<'_> {
    /// Adds `scalar * commitment` to the right side.
    pub(super) fn place(&self, slot: Slot, scalar: Fr, equation: &mut Equation) {
        match slot {
            Slot::Instance(_) => equation.right.extend(self.instance.map(|c| (scalar, c))),
            Slot::Advice(column) => equation.right.push((scalar, self.advice[column as usize])),
            Slot::Fixed(column) => {
                let column = column as usize;
                if equation.fixed.len() <= column {
                    equation.fixed.resize(column + 1, Fr::ZERO);
                }
                equation.fixed[column] += scalar;
            }
            Slot::Quotient => {
                let mut power = scalar;
                for piece in self.quotient {
                    equation.right.push((power, *piece));
                    power *= self.xn;
                }
            }
            Slot::Random => equation.right.push((scalar, self.random)),
        }
    }
}

/// Slots opened at one set of points, with their evaluations in the set's order.
pub(super) struct PointSet {
    points: Vec<usize>,
    pub(super) members: Vec<(Slot, Vec<Fr>)>,
}

/// All openings of a proof, grouped by point set in order of first appearance.
pub(super) struct Openings {
    points: Vec<Fr>,
    pub(super) sets: Vec<PointSet>,
}

impl Openings {
    /// `prod (at - p)` over the set's points.
    pub(super) fn vanishing_on(&self, set: &PointSet, at: Fr) -> Fr {
        set.points.iter().map(|p| at - self.points[*p]).product()
    }

    /// `prod (at - p)` over all points outside the set.
    pub(super) fn vanishing_outside(&self, set: &PointSet, at: Fr) -> Fr {
        let all = self.points.iter().enumerate();
        all.filter(|(index, _)| set.points.binary_search(index).is_err())
            .map(|(_, point)| at - point)
            .product()
    }

    /// Lagrange polynomials of the set's points, evaluated.
    pub(super) fn lagrange_at(&self, set: &PointSet, at: Fr) -> Result<Vec<Fr>, VerifyError> {
        let mut numerators = Vec::with_capacity(set.points.len());
        let mut denominators = Vec::with_capacity(set.points.len());
        for j in &set.points {
            let (mut numerator, mut denominator) = (Fr::one(), Fr::one());
            for m in set.points.iter().filter(|m| *m != j) {
                numerator *= at - self.points[*m];
                denominator *= self.points[*j] - self.points[*m];
            }
            numerators.push(numerator);
            denominators.push(denominator);
        }
        if denominators.iter().any(Zero::is_zero) {
            return Err(VerifyError::Degenerate); // x = 0
        }
        batch_inversion(&mut denominators);
        let pairs = numerators.into_iter().zip(denominators);
        Ok(pairs.map(|(a, b)| a * b).collect())
    }
}

struct OpeningsBuilder<'a> {
    key: &'a PreparedKey,
    x: Fr,
    rotations: Vec<i32>,
    points: Vec<Fr>,
    /// Slot, then (point index, evaluation) by ascending point index.
    opened: Vec<(Slot, Vec<(usize, Fr)>)>,
}

impl<'a> OpeningsBuilder<'a> {
    fn new(key: &'a PreparedKey, x: Fr) -> Self {
        Self {
            key,
            x,
            rotations: vec![],
            points: vec![],
            opened: vec![],
        }
    }

    fn add_all(&mut self, slot: impl Fn(u32) -> Slot, queries: &[Query], evaluations: &[Fr]) {
        for (query, evaluation) in queries.iter().zip(evaluations) {
            self.add(slot(query.column), query.rotation, *evaluation);
        }
    }

    fn add(&mut self, slot: Slot, rotation: i32, evaluation: Fr) {
        let known = self.rotations.iter().position(|r| *r == rotation);
        let point = known.unwrap_or_else(|| {
            self.rotations.push(rotation);
            let power = self.key.omega_power(i64::from(rotation));
            self.points.push(self.x * power);
            self.points.len() - 1
        });
        match self.opened.iter_mut().find(|(s, _)| *s == slot) {
            Some((_, evaluations)) => {
                let at = evaluations.partition_point(|(p, _)| *p < point);
                evaluations.insert(at, (point, evaluation));
            }
            None => self.opened.push((slot, vec![(point, evaluation)])),
        }
    }

    fn finish(self) -> Openings {
        let mut sets: Vec<PointSet> = vec![];
        for (slot, evaluations) in self.opened {
            let (points, evaluations): (Vec<usize>, Vec<Fr>) = evaluations.into_iter().unzip();
            match sets.iter_mut().find(|set| set.points == points) {
                Some(set) => set.members.push((slot, evaluations)),
                None => sets.push(PointSet {
                    points,
                    members: vec![(slot, evaluations)],
                }),
            }
        }
        Openings {
            points: self.points,
            sets,
        }
    }
}
