//! The prover of a gates-only circuit over its portable key.
//!
//! The transcript and the messages are those of halo2's `create_proof` (challenge phases, no lookup argument, no
//! permutation), so that its `verify_proof` accepts the same bytes; `verify --reference` and the tests hold it
//! to that. What differs is how the messages are computed: columns with few distinct values are committed by
//! groups, fixed columns are not transformed again, the quotient is evaluated on two cosets of n points, and
//! the openings use the tables of the bases.
//!
//! Zero knowledge needs, as there: fresh uniform values in every blinding row of every column, a fresh blind in
//! every commitment (IPA), a uniform polynomial opened with the quotient at x, and with KZG the mask of
//! the circuit (SOUNDNESS 9). All of them come from the caller's generator.
//!
//! Source: Gabizon, Williamson, Ciobotaru 2019 (eprint 2019/953) and the halo2 book; halo2_proofs,
//! `plonk::prover`.

use ff::Field;
use group::Curve;
use halo2_proofs::transcript::{Transcript, TranscriptWrite};
use halo2curves::bn256::{Fr, G1Affine, G1};
use rand_core::{CryptoRng, RngCore};
use rayon::prelude::*;

use clearproof_shared::artifact::key::Query;

use super::bases::Bases;
use super::domain::{evaluate, COSETS};
use super::export::scalar_from_ark;
use super::gates::Combined;
use super::keys::ProvingKey;
use super::link::{wipe, Blinding, Writer};
use super::msm::msm;
use super::opening::{open, Opened};
use super::proof::{horner, Combines};
use crate::circuit::model::Assignment;

/// What a proof leaves behind for the link.
pub(crate) struct Drawn {
    /// Every challenge of the circuit.
    pub(crate) challenges: Vec<Fr>,
    /// The blinding of every advice column.
    pub(crate) blindings: Vec<Blinding>,
}

/// The columns of one kind that are opened.
struct Kind<'a> {
    queries: &'a [Query],
    polynomials: Vec<&'a Vec<Fr>>,
    blinds: Vec<Fr>,
}

/// Writes the proof of an assignment. `instance` holds the values of the instance column, if there is one, `outside`
/// what the key's links combine.
pub(crate) fn prove(
    bases: &Bases,
    pk: &ProvingKey,
    assignment: &dyn Assignment,
    instance: Option<&[Fr]>,
    outside: &[Combines<'_>],
    transcript: &mut Writer,
    rng: &mut (impl RngCore + CryptoRng),
) -> std::io::Result<Drawn> {
    let (key, domain) = (&pk.key, &pk.domain);
    let n = domain.n;
    let usable = key.usable_rows();
    let hiding = bases.w().is_some();
    let affine = |points: Vec<G1>| {
        let mut out = vec![G1Affine::default(); points.len()];
        G1::batch_normalize(&points, &mut out);
        out
    };

    // 1. Key and instance.
    transcript.common_scalar(scalar_from_ark(&key.transcript_repr))?;
    let mut columns: Vec<Vec<Fr>> = vec![];
    if hiding {
        if let Some(values) = instance {
            let point = bases.commit_lagrange(values, Fr::ONE).to_affine();
            transcript.common_point(point)?;
        }
    } else {
        for value in instance.unwrap_or_default() {
            transcript.common_scalar(*value)?;
        }
    }

    // 2. Advice, phase after phase.
    let mut challenges = vec![];
    let mut blindings = vec![];
    let last_phase = key.advice_phases.iter().copied().max().unwrap_or(0);
    for phase in 0..=last_phase {
        let mut values = assignment.columns(phase, &challenges);
        let expected = key.advice_phases.iter().filter(|p| **p == phase).count();
        assert_eq!(values.len(), expected, "the columns of phase {phase}");
        for column in &mut values {
            column.resize(usable, Fr::ZERO);
            let tail: Vec<Fr> = (usable..n).map(|_| Fr::random(&mut *rng)).collect();
            column.extend_from_slice(&tail);
            let blind = match hiding {
                true => Fr::random(&mut *rng),
                false => Fr::ONE,
            };
            blindings.push(Blinding { tail, blind });
        }
        let first = columns.len();
        let of_column = |column: usize| {
            let mut links = key.links.iter().zip(outside);
            links.find(|(link, of)| link.column as usize == column && !of.points.is_empty())
        };
        let points = values
            .par_iter()
            .zip(&blindings[first..])
            .enumerate()
            .map(|(i, (values, blinding))| match of_column(first + i) {
                Some((link, of)) => {
                    let challenge = challenges[link.challenge as usize];
                    commit_combined(bases, of, challenge, blinding)
                }
                None => bases.commit_lagrange(values, blinding.blind),
            })
            .collect();
        for point in affine(points) {
            transcript.write_point(point)?;
        }
        columns.extend(values);
        for _ in key.challenge_phases.iter().filter(|p| **p == phase) {
            challenges.push(*transcript.squeeze_challenge_scalar::<()>());
        }
    }
    // Challenges of the arguments that the circuit does not use.
    for _ in ["theta", "beta", "gamma"] {
        transcript.squeeze_challenge_scalar::<()>();
    }

    // 3. A uniform polynomial hides the quotient's evaluation in the openings.
    let random: Vec<Fr> = (0..n).map(|_| Fr::random(&mut *rng)).collect();
    let random_blind = Fr::random(&mut *rng);
    transcript.write_point(bases.commit(&random, random_blind).to_affine())?;

    // 4. The quotient.
    let y = *transcript.squeeze_challenge_scalar::<()>();
    if let Some(values) = instance {
        let mut column = values.to_vec();
        column.resize(n, Fr::ZERO);
        columns.push(column);
    }
    columns
        .par_iter_mut()
        .for_each(|column| domain.interpolate(column));
    let combined = Combined::new(key, &challenges, y);
    let mut on_coset: Vec<Vec<Fr>> = vec![Vec::with_capacity(n); columns.len()];
    let numerators: [Vec<Fr>; COSETS] = std::array::from_fn(|coset| {
        on_coset
            .par_iter_mut()
            .zip(&columns)
            .for_each(|(out, column)| domain.to_coset(column, coset, out));
        let all: Vec<&[Fr]> = pk
            .fixed
            .iter()
            .map(|f| &f.on_coset[coset][..])
            .chain(on_coset.iter().map(|c| &c[..]))
            .collect();
        combined.evaluate(&all)
    });
    drop(on_coset);
    let pieces = domain.quotient(numerators);
    let piece_blinds = [(); 2].map(|()| Fr::random(&mut *rng));
    let points = pieces
        .par_iter()
        .zip(piece_blinds)
        .map(|(piece, blind)| bases.commit(piece, blind))
        .collect();
    for point in affine(points) {
        transcript.write_point(point)?;
    }

    // 5. Evaluations at x, in the verifier's order.
    let x = *transcript.squeeze_challenge_scalar::<()>();
    let polynomials: Vec<Vec<Fr>> = columns
        .into_par_iter()
        .map(|column| domain.coefficients(&column))
        .collect();
    let advice_count = key.advice_phases.len();
    let (advice, instances) = polynomials.split_at(advice_count);
    let x_n = x.pow([n as u64]);
    let [low, high] = pieces;
    let quotient: Vec<Fr> = low.iter().zip(&high).map(|(l, h)| *l + x_n * h).collect();
    let quotient_blind = piece_blinds[0] + x_n * piece_blinds[1];
    let kinds = [
        Kind {
            queries: if hiding { &key.instance_queries } else { &[] },
            polynomials: instances.iter().collect(),
            blinds: vec![Fr::ONE; instances.len()],
        },
        Kind {
            queries: &key.advice_queries,
            polynomials: advice.iter().collect(),
            blinds: blindings.iter().map(|b| b.blind).collect(),
        },
        Kind {
            queries: &key.fixed_queries,
            polynomials: pk.fixed.iter().map(|f| &f.coefficients).collect(),
            blinds: vec![Fr::ONE; pk.fixed.len()],
        },
    ];
    for kind in &kinds {
        let values: Vec<Fr> = kind
            .queries
            .par_iter()
            .map(|q| {
                let polynomial = kind.polynomials[q.column as usize];
                evaluate(polynomial, domain.rotate(x, q.rotation))
            })
            .collect();
        for value in values {
            transcript.write_scalar(value)?;
        }
    }
    transcript.write_scalar(evaluate(&random, x))?;
    let mut opened: Vec<Opened<'_>> = vec![];
    for kind in &kinds {
        for column in first_named(kind.queries) {
            let rotations = kind
                .queries
                .iter()
                .filter(|q| q.column as usize == column)
                .map(|q| q.rotation)
                .collect();
            opened.push(Opened {
                polynomial: kind.polynomials[column],
                blind: kind.blinds[column],
                rotations,
            });
        }
    }
    for (polynomial, blind) in [(&quotient, quotient_blind), (&random, random_blind)] {
        opened.push(Opened {
            polynomial,
            blind,
            rotations: vec![0],
        });
    }

    // 6. The openings.
    open(bases, domain, &opened, x, transcript, rng)?;
    for mut secret in polynomials.into_iter().chain([random, quotient]) {
        secret.iter_mut().for_each(wipe);
    }
    Ok(Drawn {
        challenges,
        blindings,
    })
}

/// The commitment of a column that is `sum_k challenge^k C_k` on its usable rows, from the C_k: what they hold at the
/// last row is taken away, the column's own blinding added.
fn commit_combined(bases: &Bases, of: &Combines<'_>, challenge: Fr, blinding: &Blinding) -> G1 {
    let mut scalars: Vec<Fr> =
        std::iter::successors(Some(Fr::ONE), |power| Some(*power * challenge))
            .take(of.points.len())
            .collect();
    let mut tail = blinding.tail.clone();
    *tail.last_mut().expect("there are blinding rows") -= horner(of.tails, challenge);
    let usable = bases.g_lagrange.len() - tail.len();
    scalars.append(&mut tail);
    let points = [of.points, &bases.g_lagrange[usable..]].concat();
    let sum = bases.blinded(msm(&scalars, &points), blinding.blind);
    scalars.iter_mut().for_each(wipe);
    sum
}

/// Columns in the order in which the queries first name them.
fn first_named(queries: &[Query]) -> Vec<usize> {
    let mut columns = vec![];
    for q in queries {
        if !columns.contains(&(q.column as usize)) {
            columns.push(q.column as usize);
        }
    }
    columns
}
