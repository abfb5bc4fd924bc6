//! The verifier in `shared` and halo2's `verify_proof` agree.
//!
//! A toy circuit with all that the verifier knows: two phases, two challenges, an instance column,
//! rotations from -1 to 2, weights linked to a model commitment and inputs linked to input
//! commitments. Both schemes; honest proofs, thousands of mutated ones, and each way of cheating on
//! the link with the error that must name it.

use std::sync::{Arc, LazyLock};

use ark_ec::{AffineRepr as _, CurveGroup as _};
use ark_ff::{AdditiveGroup as _, Field as _};
use clearproof_prover::prove::export::{
    export_key, g1_from_ark, g1_to_ark, g2_from_ark, scalar_from_ark, scalar_to_ark, Linkage,
};
use clearproof_shared::artifact::bundle::{Bundle, Registration};
use clearproof_shared::artifact::evidence::{
    BundleRef, Disclosure, Evidence, Inputs, Metadata, ProvedRows,
};
use clearproof_shared::artifact::key::{Link, LinkKind, Scheme, Srs, VerifyingKey};
use clearproof_shared::commitment::metadata::{metadata_digest, row_salt};
use clearproof_shared::commitment::record::leaf_hash;
use clearproof_shared::commitment::{disclosure, input};
use clearproof_shared::encoding::{g1_to_bytes, point_to_bytes, points_to_bytes, scalar_to_bytes};
use clearproof_shared::verify::link::link_tag;
use clearproof_shared::verify::report::{names, Outcome};
use clearproof_shared::verify::srs::{dev_srs, dev_tau};
use clearproof_shared::verify::transcript::Transcript as SharedTranscript;
use clearproof_shared::verify::{
    verify_evidence, verify_files, verify_prepared, verify_proof, Claimed, Generators, Options,
    PreparedKey, Report, Statement, Verdict, VerifyError,
};
use ff::{Field, PrimeField};
use group::{Curve, Group as _};
use halo2_proofs::circuit::{Layouter, SimpleFloorPlanner, Value};
use halo2_proofs::plonk::{
    create_proof, keygen_pk, keygen_vk, verify_proof as stock_verify_proof, Advice, Challenge,
    Circuit, Column, ConstraintSystem, Error, Expression, FirstPhase, Fixed, Instance, ProvingKey,
    SecondPhase,
};
use halo2_proofs::poly::commitment::{Blind, CommitmentScheme, Params, ParamsProver, Prover};
use halo2_proofs::poly::ipa::commitment::{IPACommitmentScheme, ParamsIPA};
use halo2_proofs::poly::ipa::multiopen::{ProverIPA, VerifierIPA};
use halo2_proofs::poly::ipa::strategy::SingleStrategy as SingleIpa;
use halo2_proofs::poly::kzg::commitment::{KZGCommitmentScheme, ParamsKZG};
use halo2_proofs::poly::kzg::multiopen::{ProverSHPLONK, VerifierSHPLONK};
use halo2_proofs::poly::kzg::strategy::SingleStrategy as SingleKzg;
use halo2_proofs::poly::{EvaluationDomain, Rotation, VerificationStrategy};
use halo2_proofs::transcript::{
    Blake2bRead, Blake2bWrite, Challenge255, Transcript, TranscriptReadBuffer, TranscriptWrite,
    TranscriptWriterBuffer,
};
use halo2curves::bn256::{Bn256, Fr, G1Affine, G1};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

type ArkFr = ark_bn254::Fr;

// ------------------------------------------------------------------------------------- circuit

const K: u32 = 5;
const ROWS: usize = 1 << K;
/// Four openings of one column make 7 blinding rows.
const TAIL: usize = 7;
const USABLE: usize = ROWS - TAIL;
const SLOTS: usize = 3;
const INPUTS: usize = 4;
const OUTPUTS: usize = 2;
/// `y_k` of slot t sits on row `FIRST_OUTPUT + t`.
const FIRST_OUTPUT: usize = 3;

/// `y_{t,k} = sum_i w_{k,i} x_{t,i}`, y_{t,0} released.
#[derive(Clone, Debug, Default)]
struct Toy {
    weights: [[i64; INPUTS]; OUTPUTS],
    inputs: [[i64; INPUTS]; SLOTS],
}

impl Toy {
    fn output(&self, slot: usize, output: usize) -> i64 {
        let pairs = self.weights[output].iter().zip(&self.inputs[slot]);
        pairs.map(|(w, x)| w * x).sum()
    }
}

#[derive(Clone, Debug)]
struct ToyConfig {
    x: [Column<Advice>; SLOTS],
    y: [Column<Advice>; OUTPUTS],
    v: Column<Advice>,
    z: Column<Advice>,
    sum: Column<Advice>,
    q_usable: Column<Fixed>,
    q_input: Column<Fixed>,
    q_output: Column<Fixed>,
    released: Column<Instance>,
    beta: Challenge,
    delta: Challenge,
}

fn int(value: i64) -> Fr {
    let magnitude = Fr::from(value.unsigned_abs());
    if value < 0 {
        -magnitude
    } else {
        magnitude
    }
}

impl Circuit<Fr> for Toy {
    type Config = ToyConfig;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = ();

    fn without_witnesses(&self) -> Self {
        Self::default()
    }

    fn configure(meta: &mut ConstraintSystem<Fr>) -> ToyConfig {
        let config = ToyConfig {
            x: [(); SLOTS].map(|()| meta.advice_column_in(FirstPhase)),
            y: [(); OUTPUTS].map(|()| meta.advice_column_in(FirstPhase)),
            beta: meta.challenge_usable_after(FirstPhase),
            delta: meta.challenge_usable_after(FirstPhase),
            v: meta.advice_column_in(SecondPhase),
            z: meta.advice_column_in(SecondPhase),
            sum: meta.advice_column_in(SecondPhase),
            q_usable: meta.fixed_column(),
            q_input: meta.fixed_column(),
            q_output: meta.fixed_column(),
            released: meta.instance_column(),
        };
        let c = config.clone();
        meta.create_gate("z = q_input sum_t delta^t x_t", |meta| {
            let delta = meta.query_challenge(c.delta);
            let q_input = meta.query_fixed(c.q_input, Rotation::cur());
            let mut folded = Expression::Constant(Fr::ZERO);
            for x in c.x.iter().rev() {
                folded = folded * delta.clone() + meta.query_advice(*x, Rotation::cur());
            }
            let z = meta.query_advice(c.z, Rotation::cur());
            let usable = meta.query_fixed(c.q_usable, Rotation::cur());
            vec![usable * (z - q_input * folded)]
        });
        meta.create_gate("sum_next = sum + v z on input rows", |meta| {
            let q = meta.query_fixed(c.q_input, Rotation::cur());
            let before = meta.query_fixed(c.q_input, Rotation::prev());
            let sum = meta.query_advice(c.sum, Rotation::cur());
            let next = meta.query_advice(c.sum, Rotation::next());
            let v = meta.query_advice(c.v, Rotation::cur());
            let z = meta.query_advice(c.z, Rotation::cur());
            let one = Expression::Constant(Fr::ONE);
            vec![
                q.clone() * (next - sum.clone() - v * z),
                q * (one - before) * sum,
            ]
        });
        meta.create_gate(
            "sum = sum_t delta^t sum_k beta^k y_k, y_0 released",
            |meta| {
                let q = meta.query_fixed(c.q_output, Rotation::cur());
                let (beta, delta) = (meta.query_challenge(c.beta), meta.query_challenge(c.delta));
                let mut folded = Expression::Constant(Fr::ZERO);
                for rotation in [1, 0, -1] {
                    let mut outputs = Expression::Constant(Fr::ZERO);
                    for y in c.y.iter().rev() {
                        let y = meta.query_advice(*y, Rotation(rotation));
                        outputs = outputs * beta.clone() + y;
                    }
                    folded = folded * delta.clone() + outputs;
                }
                let after = meta.query_advice(c.y[0], Rotation(2)) * Fr::from(5);
                let sum = meta.query_advice(c.sum, Rotation::cur());
                let mut gates = vec![q.clone() * (sum - folded) + q.clone() * after];
                for rotation in [-1, 0, 1] {
                    let released = meta.query_instance(c.released, Rotation(rotation));
                    let y = meta.query_advice(c.y[0], Rotation(rotation));
                    gates.push(q.clone() * -(released - y));
                }
                gates
            },
        );
        config
    }

    fn synthesize(&self, c: ToyConfig, mut layouter: impl Layouter<Fr>) -> Result<(), Error> {
        layouter.assign_region(
            || "both phases",
            |mut region| {
                for row in 0..USABLE {
                    region.assign_fixed(c.q_usable, row, Fr::ONE);
                    region.assign_fixed(c.q_input, row, Fr::from(u64::from(row < INPUTS)));
                    let output = u64::from(row == FIRST_OUTPUT + 1);
                    region.assign_fixed(c.q_output, row, Fr::from(output));
                }
                for slot in 0..SLOTS {
                    for (row, x) in self.inputs[slot].iter().enumerate() {
                        region.assign_advice(c.x[slot], row, Value::known(int(*x)));
                    }
                    for (k, column) in c.y.iter().enumerate() {
                        let y = Value::known(int(self.output(slot, k)));
                        region.assign_advice(*column, FIRST_OUTPUT + slot, y);
                    }
                }
                region.next_phase();
                let beta = region.get_challenge(c.beta);
                let delta = region.get_challenge(c.delta);
                let mut sum = Value::known(Fr::ZERO);
                for row in 0..INPUTS {
                    let v = beta
                        .map(|beta| int(self.weights[0][row]) + beta * int(self.weights[1][row]));
                    let z = delta.map(|delta| {
                        let slots = self.inputs.iter().rev();
                        slots.fold(Fr::ZERO, |z, inputs| z * delta + int(inputs[row]))
                    });
                    region.assign_advice(c.v, row, v);
                    region.assign_advice(c.z, row, z);
                    region.assign_advice(c.sum, row, sum);
                    sum = sum + v * z;
                }
                region.assign_advice(c.sum, INPUTS, sum);
                Ok(())
            },
        )
    }
}

/// The weights again, in columns of their own, so that gates can speak of each.
#[derive(Clone, Debug, Default)]
struct Register {
    weights: [[i64; INPUTS]; OUTPUTS],
}

#[derive(Clone, Debug)]
struct RegisterConfig {
    w: [Column<Advice>; OUTPUTS],
    v: Column<Advice>,
    q_usable: Column<Fixed>,
    beta: Challenge,
}

impl Circuit<Fr> for Register {
    type Config = RegisterConfig;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = ();

    fn without_witnesses(&self) -> Self {
        Self::default()
    }

    fn configure(meta: &mut ConstraintSystem<Fr>) -> RegisterConfig {
        let config = RegisterConfig {
            w: [(); OUTPUTS].map(|()| meta.advice_column_in(FirstPhase)),
            beta: meta.challenge_usable_after(FirstPhase),
            v: meta.advice_column_in(SecondPhase),
            q_usable: meta.fixed_column(),
        };
        let c = config.clone();
        meta.create_gate("v = sum_k beta^k w_k", |meta| {
            let beta = meta.query_challenge(c.beta);
            let mut folded = Expression::Constant(Fr::ZERO);
            for w in c.w.iter().rev() {
                folded = folded * beta.clone() + meta.query_advice(*w, Rotation::cur());
            }
            let v = meta.query_advice(c.v, Rotation::cur());
            // As many openings of one column as the decision circuit has: the same blinding rows.
            for rotation in [-1, 1, 2] {
                let other = meta.query_advice(c.w[0], Rotation(rotation));
                folded = folded + other * Fr::ZERO;
            }
            vec![meta.query_fixed(c.q_usable, Rotation::cur()) * (v - folded)]
        });
        config
    }

    fn synthesize(&self, c: RegisterConfig, mut layouter: impl Layouter<Fr>) -> Result<(), Error> {
        layouter.assign_region(
            || "both phases",
            |mut region| {
                for row in 0..USABLE {
                    region.assign_fixed(c.q_usable, row, Fr::ONE);
                }
                for (column, weights) in c.w.iter().zip(&self.weights) {
                    for (row, weight) in weights.iter().enumerate() {
                        region.assign_advice(*column, row, Value::known(int(*weight)));
                    }
                }
                region.next_phase();
                let beta = region.get_challenge(c.beta);
                for row in 0..INPUTS {
                    let v = beta.map(|beta| {
                        let columns = self.weights.iter().rev();
                        columns.fold(Fr::ZERO, |v, column| v * beta + int(column[row]))
                    });
                    region.assign_advice(c.v, row, v);
                }
                Ok(())
            },
        )
    }
}

// ------------------------------------------------------------------------------------- set-ups

enum Parameters {
    Ipa(ParamsIPA<G1Affine>),
    Kzg(ParamsKZG<Bn256>),
}

/// A model or input commitment with its opening outside the usable rows.
#[derive(Clone)]
struct Committed {
    point: G1Affine,
    tail: [Fr; TAIL],
    blind: Fr,
}

/// A circuit with its keys and the number of its columns in each phase.
struct Compiled {
    pk: ProvingKey<G1Affine>,
    key: VerifyingKey,
    prepared: PreparedKey,
    phases: [usize; 2],
}

struct Setup {
    parameters: Parameters,
    toy: Compiled,
    register: Compiled,
    key: VerifyingKey,
    prepared: PreparedKey,
    generators: Arc<Generators>,
    lagrange: Vec<G1Affine>,
}

static IPA: LazyLock<Setup> = LazyLock::new(|| Setup::new(Scheme::Ipa));
static KZG: LazyLock<Setup> = LazyLock::new(|| Setup::new(Scheme::Kzg));

fn setups() -> [&'static Setup; 2] {
    [&IPA, &KZG]
}

/// The development string for halo2.
fn kzg_parameters(k: u32) -> ParamsKZG<Bn256> {
    let tau = scalar_from_ark(&dev_tau());
    let mut powers = vec![Fr::ONE];
    for i in 0..(1 << k) - 1 {
        powers.push(powers[i] * tau);
    }
    let g: Vec<G1> = powers.iter().map(|p| G1::generator() * p).collect();
    let mut affine = vec![G1Affine::default(); g.len()];
    G1::batch_normalize(&g, &mut affine);
    let Srs::Kzg { g2, tau_g2, .. } = dev_srs(k) else {
        unreachable!("the development string is KZG's")
    };
    ParamsKZG::<Bn256>::setup(1, ChaCha20Rng::from_seed([0; 32])).from_parts(
        k,
        affine,
        None,
        g2_from_ark(&g2),
        g2_from_ark(&tau_g2),
    )
}

fn unit_commitments<'p, P: Params<'p, G1Affine>>(
    params: &P,
    domain: &EvaluationDomain<Fr>,
) -> Vec<G1Affine> {
    let commit = |row: usize| {
        let mut unit = vec![Fr::ZERO; ROWS];
        unit[row] = Fr::ONE;
        let unit = domain.lagrange_from_vec(unit);
        params.commit_lagrange(&unit, Blind(Fr::ZERO)).to_affine()
    };
    (0..ROWS).map(commit).collect()
}

fn keygen<'p, P, C>(params: &P, circuit: &C) -> ProvingKey<G1Affine>
where
    P: Params<'p, G1Affine> + Sync,
    C: Circuit<Fr>,
{
    let vk = keygen_vk(params, circuit).expect("the circuit fits");
    keygen_pk(params, vk, circuit).expect("as before")
}

fn both_keys<'p, P>(params: &P) -> (ProvingKey<G1Affine>, ProvingKey<G1Affine>, Vec<G1Affine>)
where
    P: Params<'p, G1Affine> + Sync,
{
    let toy = keygen(params, &Toy::default());
    let lagrange = unit_commitments(params, toy.get_vk().get_domain());
    (toy, keygen(params, &Register::default()), lagrange)
}

impl Compiled {
    fn new(
        pk: ProvingKey<G1Affine>,
        linkage: &Linkage,
        srs: Srs,
        generators: &Arc<Generators>,
        phases: [usize; 2],
    ) -> Self {
        let key = export_key(pk.get_vk(), linkage, srs).expect("within the caps");
        let prepared = PreparedKey::new(key.clone(), Arc::clone(generators)).expect("checked");
        Self {
            pk,
            key,
            prepared,
            phases,
        }
    }
}

impl Setup {
    fn new(scheme: Scheme) -> Self {
        let (parameters, pks, srs, generators) = match scheme {
            Scheme::Ipa => {
                let params = ParamsIPA::<G1Affine>::new(K);
                let pks = both_keys(&params);
                // W and U are private: the last two points that `write` gives.
                let mut bytes = vec![];
                params.write(&mut bytes).expect("memory");
                let point = |back: usize| {
                    let start = bytes.len() - 32 * back;
                    let bytes: [u8; 32] = bytes[start..start + 32].try_into().expect("32");
                    clearproof_shared::encoding::point_from_bytes(&bytes).expect("a point")
                };
                let srs = Srs::Ipa {
                    w: point(2),
                    u: point(1),
                };
                let points = params.get_g().iter().map(g1_to_ark).collect();
                let generators = Generators::new(points);
                (Parameters::Ipa(params), pks, srs, generators)
            }
            Scheme::Kzg => {
                let params = kzg_parameters(K);
                let pks = both_keys(&params);
                let none = Generators::none();
                (Parameters::Kzg(params), pks, dev_srs(K), none)
            }
        };
        let (toy, register, lagrange) = pks;
        let link = |kind, column: usize, challenge, count: usize| Link {
            kind,
            column: column as u32,
            challenge,
            count: count as u32,
        };
        let (v, z) = (SLOTS + OUTPUTS, SLOTS + OUTPUTS + 1);
        let rows = 0..FIRST_OUTPUT + SLOTS;
        let linkage = Linkage {
            links: vec![
                link(LinkKind::Model, v, 0, OUTPUTS),
                link(LinkKind::Inputs, z, 1, SLOTS),
            ],
            tail_bases: lagrange[USABLE..].to_vec(),
            row_bases: rows.map(|row| (row as u32, lagrange[row])).collect(),
            input_rows: (0..INPUTS as u32).collect(),
            released_rows: (0..SLOTS).map(|t| (FIRST_OUTPUT + t) as u32).collect(),
            instance_length: Some((FIRST_OUTPUT + SLOTS) as u32),
        };
        let toy = Compiled::new(
            toy,
            &linkage,
            srs.clone(),
            &generators,
            [SLOTS + OUTPUTS, 3],
        );
        let linkage = Linkage {
            links: vec![link(LinkKind::Model, OUTPUTS, 0, OUTPUTS)],
            tail_bases: lagrange[USABLE..].to_vec(),
            row_bases: vec![],
            input_rows: vec![],
            released_rows: vec![],
            instance_length: None,
        };
        let register = Compiled::new(register, &linkage, srs, &generators, [OUTPUTS, 1]);
        Self {
            parameters,
            key: toy.key.clone(),
            prepared: toy.prepared.clone(),
            toy,
            register,
            generators,
            lagrange,
        }
    }

    fn w(&self) -> Option<G1Affine> {
        match &self.key.srs {
            Srs::Ipa { w, .. } => Some(g1_from_ark(w)),
            Srs::Kzg { .. } => None,
        }
    }

    /// Commits to a column's first cells, with the given opening of the tail and of W.
    fn commit(&self, cells: &[i64], tail: [Fr; TAIL], blind: Fr) -> Committed {
        let mut point: G1 = cells
            .iter()
            .zip(&self.lagrange)
            .map(|(cell, base)| base * int(*cell))
            .sum();
        for (scalar, base) in tail.iter().zip(&self.lagrange[USABLE..]) {
            point += base * scalar;
        }
        let w = self.w();
        let blind = w.map_or(Fr::ZERO, |_| blind);
        if let Some(w) = w {
            point += w * blind;
        }
        Committed {
            point: point.to_affine(),
            tail,
            blind,
        }
    }

    fn commit_model(&self, toy: &Toy, rng: &mut ChaCha20Rng) -> Vec<Committed> {
        let columns = toy.weights.iter();
        columns
            .map(|cells| {
                let tail = [(); TAIL].map(|()| Fr::random(&mut *rng));
                self.commit(cells, tail, Fr::random(&mut *rng))
            })
            .collect()
    }

    /// `P_t`, blinded on the last row alone.
    fn commit_inputs(&self, inputs: &[i64], blinding: Fr) -> Committed {
        let mut tail = [Fr::ZERO; TAIL];
        tail[TAIL - 1] = blinding;
        self.commit(inputs, tail, Fr::ZERO)
    }

    fn instance(&self, released: &[i64]) -> Vec<Fr> {
        let mut column = vec![Fr::ZERO; FIRST_OUTPUT + SLOTS];
        for slot in 0..SLOTS {
            column[FIRST_OUTPUT + slot] = int(released[slot.min(released.len() - 1)]);
        }
        column
    }

    /// A proof of decisions: the Halo2 proof, then the link.
    fn prove(&self, toy: &Toy, job: &Job) -> Vec<u8> {
        let inputs = job.padded_inputs();
        let links = [(0, job.model.as_slice()), (1, inputs.as_slice())];
        let instance = self.instance(&job.released);
        let statement = job.digest(self);
        self.prove_linked(
            &self.toy,
            toy,
            job.seed,
            &statement,
            Some(&instance),
            &links,
        )
    }

    /// A registration proof of the job's model.
    fn prove_registration(&self, toy: &Toy, job: &Job) -> Vec<u8> {
        let model: Vec<_> = job.model.iter().map(|c| g1_to_ark(&c.point)).collect();
        let statement = Statement {
            claimed: Claimed::Registration,
            model: &model,
            inputs: &[],
            leaves: &[],
            origin: "",
            released: &[],
        };
        let id = self.register.prepared.circuit_id();
        let statement = statement.digest(self.key.scheme(), id);
        let circuit = Register {
            weights: toy.weights,
        };
        let links = [(0, job.model.as_slice())];
        self.prove_linked(&self.register, &circuit, job.seed, &statement, None, &links)
    }

    fn prove_linked<C: Circuit<Fr> + Clone + Sync>(
        &self,
        compiled: &Compiled,
        circuit: &C,
        seed: [u8; 32],
        statement: &[u8; 32],
        instance: Option<&[Fr]>,
        links: &[(usize, &[Committed])],
    ) -> Vec<u8> {
        let mut transcript = Writer::init(vec![]);
        absorb(&mut transcript, statement);
        match &self.parameters {
            Parameters::Ipa(params) => {
                create::<IPACommitmentScheme<G1Affine>, ProverIPA<'_, G1Affine>, C>(
                    params,
                    compiled,
                    circuit,
                    seed,
                    instance,
                    &mut transcript,
                );
            }
            Parameters::Kzg(params) => {
                create::<KZGCommitmentScheme<Bn256>, ProverSHPLONK<'_, Bn256>, C>(
                    params,
                    compiled,
                    circuit,
                    seed,
                    instance,
                    &mut transcript,
                );
            }
        }
        // The challenges of the proof so far, and the prover's own blinding scalars.
        let written = transcript.clone().finalize();
        let challenges = self.challenges(compiled, statement, instance, &written);
        let mut rng = ChaCha20Rng::from_seed(seed);
        let [phase_0, phase_1] = compiled.phases;
        for _ in 0..phase_0 * (TAIL + 1) {
            Fr::random(&mut rng);
        }
        let mut tails = vec![];
        for _ in 0..phase_1 {
            tails.push([(); TAIL].map(|()| Fr::random(&mut rng)));
        }
        let blinds: Vec<Fr> = (0..phase_1).map(|_| Fr::random(&mut rng)).collect();
        // D's opening over the bases.
        transcript
            .common_scalar(scalar_from_ark(&link_tag()))
            .expect("memory");
        let rho: Fr = *transcript.squeeze_challenge_scalar::<()>();
        let mut secrets = [Fr::ZERO; TAIL + 1];
        let mut weight = Fr::ONE;
        for (index, (column, committed)) in links.iter().enumerate() {
            for (secret, tail) in secrets.iter_mut().zip(tails[*column]) {
                *secret += weight * tail;
            }
            secrets[TAIL] += weight * blinds[*column];
            let mut power = weight;
            for commitment in *committed {
                for (secret, tail) in secrets.iter_mut().zip(commitment.tail) {
                    *secret -= power * tail;
                }
                secrets[TAIL] -= power * commitment.blind;
                power *= challenges[index];
            }
            weight *= rho;
        }
        let mut bases = self.lagrange[USABLE..].to_vec();
        bases.extend(self.w());
        let nonces: Vec<Fr> = bases.iter().map(|_| Fr::random(&mut rng)).collect();
        let r: G1 = bases.iter().zip(&nonces).map(|(b, nonce)| b * nonce).sum();
        transcript.write_point(r.to_affine()).expect("memory");
        let e: Fr = *transcript.squeeze_challenge_scalar::<()>();
        for (nonce, secret) in nonces.iter().zip(secrets) {
            transcript
                .write_scalar(*nonce + e * secret)
                .expect("memory");
        }
        transcript.finalize()
    }

    /// beta (and delta), by reading the first phase of the proof.
    fn challenges(
        &self,
        compiled: &Compiled,
        statement: &[u8; 32],
        instance: Option<&[Fr]>,
        proof: &[u8],
    ) -> Vec<Fr> {
        let mut transcript = SharedTranscript::new(proof);
        transcript.common_digest(statement);
        transcript.common_scalar(&compiled.key.transcript_repr);
        match (self.w(), instance) {
            (_, None) => {}
            (Some(w), Some(instance)) => {
                let cells = instance.iter().zip(&self.lagrange);
                let point: G1 = cells.map(|(v, base)| base * v).sum::<G1>() + w;
                transcript.common_point(&g1_to_ark(&point.to_affine()));
            }
            (None, Some(instance)) => {
                for value in instance {
                    transcript.common_scalar(&scalar_to_ark(value));
                }
            }
        }
        for _ in 0..compiled.phases[0] {
            let _commitment = transcript.point().expect("a commitment");
        }
        let drawn = compiled.key.challenge_phases.iter();
        drawn
            .map(|_| scalar_from_ark(&transcript.challenge()))
            .collect()
    }

    /// halo2's own verdict on the Halo2 part.
    fn stock_accepts(&self, statement: &[u8; 32], instance: &[Fr], proof: &[u8]) -> bool {
        let mut transcript = Blake2bRead::<_, G1Affine, Challenge255<_>>::init(proof);
        absorb(&mut transcript, statement);
        match &self.parameters {
            Parameters::Ipa(params) => {
                stock_verify_proof::<IPACommitmentScheme<_>, VerifierIPA<'_, _>, _, _, _>(
                    params,
                    self.toy.pk.get_vk(),
                    SingleIpa::new(params),
                    &[&[instance]],
                    &mut transcript,
                )
                .is_ok()
            }
            Parameters::Kzg(params) => {
                stock_verify_proof::<KZGCommitmentScheme<_>, VerifierSHPLONK<'_, _>, _, _, _>(
                    params,
                    self.toy.pk.get_vk(),
                    SingleKzg::new(params),
                    &[&[instance]],
                    &mut transcript,
                )
                .is_ok()
            }
        }
    }

    fn link_bytes(&self) -> usize {
        32 * (1 + TAIL + usize::from(self.w().is_some()))
    }
}

type Writer = Blake2bWrite<Vec<u8>, G1Affine, Challenge255<G1Affine>>;

fn create<'p, S, P, C>(
    params: &'p S::ParamsProver,
    compiled: &Compiled,
    circuit: &C,
    seed: [u8; 32],
    instance: Option<&[Fr]>,
    transcript: &mut Writer,
) where
    S: CommitmentScheme<Scalar = Fr, Curve = G1Affine>,
    P: Prover<'p, S>,
    S::ParamsProver: Sync,
    C: Circuit<Fr> + Clone + Sync,
{
    let columns: Vec<&[Fr]> = instance.into_iter().collect();
    create_proof::<S, P, _, _, _, _>(
        params,
        &compiled.pk,
        std::slice::from_ref(circuit),
        &[&columns],
        ChaCha20Rng::from_seed(seed),
        transcript,
    )
    .expect("the prover accepts any witness");
}

fn absorb<E>(transcript: &mut impl Transcript<G1Affine, E>, statement: &[u8; 32])
where
    E: halo2_proofs::transcript::EncodedChallenge<G1Affine>,
{
    for half in statement.chunks_exact(16) {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(half);
        let scalar = Fr::from_u128(u128::from_le_bytes(bytes));
        transcript.common_scalar(scalar).expect("memory");
    }
}

/// What a proof is about, with the prover's secrets.
#[derive(Clone)]
struct Job {
    model: Vec<Committed>,
    inputs: Vec<Committed>,
    released: Vec<i64>,
    leaves: Vec<[u8; 32]>,
    origin: String,
    seed: [u8; 32],
}

impl Job {
    fn padded_inputs(&self) -> Vec<Committed> {
        let last = self.inputs.len() - 1;
        let slots = 0..SLOTS;
        slots.map(|t| self.inputs[t.min(last)].clone()).collect()
    }

    fn with_statement<T>(&self, run: impl FnOnce(&Statement<'_>) -> T) -> T {
        let points =
            |list: &[Committed]| -> Vec<_> { list.iter().map(|c| g1_to_ark(&c.point)).collect() };
        let released: Vec<ArkFr> = self
            .released
            .iter()
            .map(|v| scalar_to_ark(&int(*v)))
            .collect();
        run(&Statement {
            claimed: Claimed::Decisions,
            model: &points(&self.model),
            inputs: &points(&self.inputs),
            leaves: &self.leaves,
            origin: &self.origin,
            released: &released,
        })
    }

    fn digest(&self, setup: &Setup) -> [u8; 32] {
        let id = setup.prepared.circuit_id();
        self.with_statement(|statement| statement.digest(setup.key.scheme(), id))
    }

    fn verify(&self, setup: &Setup, proof: &[u8]) -> Result<(), VerifyError> {
        self.with_statement(|s| verify_prepared(&setup.prepared, s, proof).map(drop))
    }
}

const SALT: [u8; 32] = [42; 32];

/// A model, `rows` decisions and their honest job.
fn honest(setup: &Setup, rows: usize, seed: u8) -> (Toy, Job) {
    let mut rng = ChaCha20Rng::from_seed([seed; 32]);
    let mut small = || i64::from(rng.next_u32() % 200) - 100;
    let mut toy = Toy {
        weights: [(); OUTPUTS].map(|()| [(); INPUTS].map(|()| small())),
        inputs: [(); SLOTS].map(|()| [(); INPUTS].map(|()| small())),
    };
    for slot in rows..SLOTS {
        toy.inputs[slot] = toy.inputs[rows - 1];
    }
    let model = setup.commit_model(&toy, &mut rng);
    let inputs: Vec<Committed> = (0..rows)
        .map(|t| setup.commit_inputs(&toy.inputs[t], Fr::random(&mut rng)))
        .collect();
    let released: Vec<i64> = (0..rows).map(|t| toy.output(t, 0)).collect();
    let leaves = (0..rows)
        .map(|t| {
            let digest = metadata_digest(&row_salt(&SALT, t as u64), &metadata(t));
            let commitment = point_to_bytes(&g1_to_ark(&inputs[t].point));
            leaf_hash(&commitment, &[scalar_to_ark(&int(released[t]))], &digest)
        })
        .collect();
    let job = Job {
        model,
        inputs,
        released,
        leaves,
        origin: String::new(),
        seed: [seed; 32],
    };
    (toy, job)
}

fn metadata(row: usize) -> Vec<u8> {
    format!("row {row}").into_bytes()
}

// --------------------------------------------------------------------------------------- proofs

#[test]
fn honest_proofs_are_accepted_by_both() {
    for setup in setups() {
        for rows in 1..=SLOTS {
            let (toy, job) = honest(setup, rows, rows as u8);
            let proof = setup.prove(&toy, &job);
            assert_eq!(job.verify(setup, &proof), Ok(()));
            let halo2 = &proof[..proof.len() - setup.link_bytes()];
            let instance = setup.instance(&job.released);
            assert!(setup.stock_accepts(&job.digest(setup), &instance, halo2));
            let checked = job.with_statement(|s| {
                verify_proof(&setup.key, &setup.generators, s, &proof).map(drop)
            });
            assert_eq!(checked, Ok(()));
        }
    }
}

/// Mutations of the Halo2 part: the link after it is honest, so our verdict on the whole must be the
/// stock one on the part (a link that reads other challenges fails with it).
#[test]
fn mutated_proofs_get_the_stock_verdict() {
    let rounds: usize = std::env::var("AGREEMENT_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(1000);
    for setup in setups() {
        let (toy, job) = honest(setup, 2, 7);
        let proof = setup.prove(&toy, &job);
        let split = proof.len() - setup.link_bytes();
        let statement = job.digest(setup);
        let instance = setup.instance(&job.released);
        let mut rng = ChaCha20Rng::from_seed([9; 32]);
        let mut canonical = 0;
        for round in 0..rounds {
            let mut mutated = proof.clone();
            let element = rng.next_u32() as usize % (split / 32);
            let bytes = &mut mutated[32 * element..32 * element + 32];
            match round % 5 {
                0 => bytes[rng.next_u32() as usize % 31] ^= 1 << (rng.next_u32() % 8),
                1 => bytes[31] ^= 0x40, // the other point, or not canonical
                2 => {
                    let point = G1::random(&mut rng).to_affine();
                    bytes.copy_from_slice(&point_to_bytes(&g1_to_ark(&point)));
                }
                3 => {
                    let scalar = scalar_to_ark(&Fr::random(&mut rng));
                    bytes.copy_from_slice(&scalar_to_bytes(&scalar));
                }
                _ => {
                    let from = rng.next_u32() as usize % (split / 32);
                    let copy: Vec<u8> = proof[32 * from..32 * from + 32].to_vec();
                    bytes.copy_from_slice(&copy);
                }
            }
            let unchanged = mutated == proof;
            let ours = job.verify(setup, &mutated);
            let stock = setup.stock_accepts(&statement, &instance, &mutated[..split]);
            assert_eq!(ours.is_ok(), unchanged, "round {round}: {ours:?}");
            assert_eq!(stock, unchanged, "round {round}");
            let refused = [VerifyError::Point, VerifyError::Scalar];
            canonical += usize::from(!refused.iter().any(|e| ours == Err(*e)));
        }
        assert!(canonical > rounds / 3, "{canonical} canonical mutations");
    }
}

#[test]
fn other_instances_statements_and_lengths_are_rejected() {
    for setup in setups() {
        let (toy, job) = honest(setup, 3, 11);
        let proof = setup.prove(&toy, &job);
        let changed = |change: &dyn Fn(&mut Job)| {
            let mut job = job.clone();
            change(&mut job);
            job.verify(setup, &proof)
        };
        assert_eq!(changed(&|_| ()), Ok(()));
        assert!(changed(&|job| job.released[1] += 1).is_err());
        assert!(changed(&|job| job.leaves[2][0] ^= 1).is_err());
        assert!(changed(&|job| job.origin.push('x')).is_err());
        assert_eq!(
            changed(&|job| job.inputs.truncate(2)),
            Err(VerifyError::Released {
                expected: 2,
                got: 3
            })
        );
        assert_eq!(
            changed(&|job| job.inputs.push(job.inputs[0].clone())),
            Err(VerifyError::Rows { slots: 3, got: 4 })
        );
        assert_eq!(
            changed(&|job| job.model.truncate(1)),
            Err(VerifyError::ModelCommitments {
                expected: 2,
                got: 1
            })
        );
        for length in (0..proof.len()).step_by(7) {
            assert_eq!(
                job.verify(setup, &proof[..length]),
                Err(VerifyError::Truncated)
            );
        }
        let mut longer = proof.clone();
        longer.push(0);
        assert_eq!(job.verify(setup, &longer), Err(VerifyError::TrailingBytes));
    }
}

/// The stock decoder ignores the identity bit of a point with x != 0; ours refuses it.
#[test]
fn a_second_encoding_is_refused() {
    for setup in setups() {
        let (toy, job) = honest(setup, 1, 13);
        let mut proof = setup.prove(&toy, &job);
        proof[31] ^= 0x80;
        assert_eq!(job.verify(setup, &proof), Err(VerifyError::Point));
    }
}

// ----------------------------------------------------------------------------------------- link

/// A prover that proves honestly for other commitments than the statement's.
fn link_verdict(setup: &Setup, seed: u8, change: impl Fn(&mut Toy, &mut Job)) -> VerifyError {
    let (mut toy, mut job) = honest(setup, 3, seed);
    change(&mut toy, &mut job);
    let proof = setup.prove(&toy, &job);
    let halo2 = &proof[..proof.len() - setup.link_bytes()];
    let instance = setup.instance(&job.released);
    assert!(
        setup.stock_accepts(&job.digest(setup), &instance, halo2),
        "all but the link holds"
    );
    job.verify(setup, &proof).expect_err("the link is wrong")
}

#[test]
fn each_way_of_cheating_on_the_link_is_named() {
    for setup in setups() {
        // Another model's weights, whatever the commitment says.
        let other_model = |toy: &mut Toy, _: &mut Job| toy.weights[1][2] += 1;
        assert_eq!(link_verdict(setup, 21, other_model), VerifyError::Link);
        // The commitments of two inputs swapped.
        let swapped = |_: &mut Toy, job: &mut Job| job.inputs.swap(0, 1);
        assert_eq!(link_verdict(setup, 22, swapped), VerifyError::Link);
        // The batch rotated, released values with it.
        let rotated = |_: &mut Toy, job: &mut Job| job.inputs.rotate_left(1);
        assert_eq!(link_verdict(setup, 23, rotated), VerifyError::Link);
        // The weight columns swapped.
        let columns = |_: &mut Toy, job: &mut Job| job.model.swap(0, 1);
        assert_eq!(link_verdict(setup, 24, columns), VerifyError::Link);
    }
}

#[test]
fn a_broken_link_is_named() {
    for setup in setups() {
        let (toy, job) = honest(setup, 3, 25);
        let mut proof = setup.prove(&toy, &job);
        let last = proof.len() - 32;
        proof[last] ^= 1;
        assert_eq!(job.verify(setup, &proof), Err(VerifyError::Link));
    }
}

/// With L_0 among the "tail bases" another weight on row 0 would pass the link.
#[test]
fn a_key_with_a_wrong_base_is_named() {
    for setup in setups() {
        let (toy, job) = honest(setup, 1, 31);
        let proof = setup.prove(&toy, &job);
        let with_key = |key: VerifyingKey| {
            let prepared = PreparedKey::new(key, Arc::clone(&setup.generators)).expect("shape");
            job.with_statement(|s| verify_prepared(&prepared, s, &proof).map(drop))
        };
        let mut key = setup.key.clone();
        key.tail_bases[3] = key.row_bases[0].1;
        assert_eq!(with_key(key), Err(VerifyError::Bases));
        let mut key = setup.key.clone();
        key.row_bases[1].1 = (key.row_bases[1].1 + ark_bn254::G1Affine::generator()).into_affine();
        assert_eq!(with_key(key), Err(VerifyError::Bases));
    }
}

// --------------------------------------------------------------------------------- key encoding

#[test]
fn the_key_round_trips_and_every_mutation_is_refused_or_another_key() {
    for setup in setups() {
        let bytes = setup.key.encode();
        assert_eq!(VerifyingKey::decode(&bytes).as_ref(), Ok(&setup.key));
        for length in 0..bytes.len() {
            assert!(VerifyingKey::decode(&bytes[..length]).is_err());
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(VerifyingKey::decode(&longer).is_err());
        for position in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[position] ^= 1 << (position % 8);
            if let Ok(key) = VerifyingKey::decode(&flipped) {
                assert_eq!(key.encode(), flipped);
                assert_eq!(key.check(), Ok(()));
            }
        }
    }
}

// -------------------------------------------------------------------------------- evidence files

fn bundle(setup: &Setup, toy: &Toy, job: &Job) -> Bundle {
    let model: Vec<_> = job.model.iter().map(|c| g1_to_ark(&c.point)).collect();
    let generators = setup.generators.points();
    Bundle {
        name: "toy".into(),
        released_names: vec!["score".into()],
        key: setup.key.encode(),
        model: points_to_bytes(&model),
        skeleton: vec![],
        params: vec![],
        registration: vec![Registration {
            key: setup.register.key.encode(),
            first: 0,
            count: OUTPUTS as u32,
            proof: setup.prove_registration(toy, job),
        }],
        generators: match generators.is_empty() {
            true => None,
            false => Some(generators.iter().flat_map(g1_to_bytes).collect()),
        },
    }
}

fn evidence(setup: &Setup, toy: &Toy, job: &Job, proof: &[u8]) -> Evidence {
    let commitments = job
        .inputs
        .iter()
        .map(|c| point_to_bytes(&g1_to_ark(&c.point)));
    Evidence {
        bundles: vec![BundleRef::Embedded(bundle(setup, toy, job).encode())],
        origin: job.origin.clone(),
        proofs: vec![ProvedRows {
            bundle: 0,
            inputs: Inputs::Committed(commitments.collect()),
            released: job.released.clone(),
            batch_salt: Some(SALT),
            metadata: (0..job.inputs.len())
                .map(|row| Metadata::Shown(metadata(row)))
                .collect(),
            disclosures: vec![],
            proof: proof.to_vec(),
        }],
    }
}

fn digest_of(bundle: &[u8]) -> [u8; 32] {
    Bundle::decode(bundle).expect("just encoded").digest()
}

fn outcome(report: &Report, name: &str) -> Option<Outcome> {
    report.check(name).map(|check| check.outcome)
}

#[test]
fn a_file_is_judged_check_by_check() {
    for setup in setups() {
        let (toy, job) = honest(setup, 2, 41);
        let proof = setup.prove(&toy, &job);
        let good = evidence(setup, &toy, &job, &proof);
        let trusted = bundle(setup, &toy, &job).encode();
        let options = Options {
            trust: vec![&trusted],
            allow_insecure_dev_srs: true,
            clock: None,
        };
        let report = verify_evidence(&good.encode(), &options);
        assert_eq!(report.verdict, Verdict::Valid, "{report:#?}");
        assert_eq!(report.records.len(), 2);
        assert_eq!(report.records[1].released, [job.released[1]]);
        // Without a trusted bundle nothing is pinned; the development string is refused.
        let report = verify_evidence(&good.encode(), &Options::default());
        assert_eq!(
            outcome(&report, names::BUNDLE_TRUSTED),
            Some(Outcome::Unknown)
        );
        let expected = match setup.key.scheme() {
            Scheme::Kzg => Outcome::Failed,
            Scheme::Ipa => outcome(&report, names::SRS_RECOGNISED).expect("made"),
        };
        assert_eq!(outcome(&report, names::SRS_RECOGNISED), Some(expected));
        // A bundle named by its digest.
        let mut detached = good.clone();
        detached.bundles = vec![BundleRef::Digest(digest_of(&trusted))];
        let report = verify_evidence(&detached.encode(), &options);
        assert_eq!(outcome(&report, names::PROOF), Some(Outcome::Passed));
        let report = verify_evidence(&detached.encode(), &Options::default());
        assert_eq!(report.verdict, Verdict::Unknown);
        // Each field counts.
        let verdict = |change: &dyn Fn(&mut Evidence)| {
            let mut changed = good.clone();
            change(&mut changed);
            verify_evidence(&changed.encode(), &options)
        };
        let report = verdict(&|e| e.proofs[0].released[0] += 1);
        assert_eq!(outcome(&report, names::PROOF), Some(Outcome::Failed));
        assert_eq!(report.records, []);
        let report = verdict(&|e| e.proofs[0].metadata[0] = Metadata::Shown(b"row 9".to_vec()));
        assert_eq!(outcome(&report, names::PROOF), Some(Outcome::Failed));
        let report = verdict(&|e| e.proofs[0].batch_salt = Some([0; 32]));
        assert_eq!(outcome(&report, names::PROOF), Some(Outcome::Failed));
        let report = verdict(&|e| e.origin.push('x'));
        assert_eq!(outcome(&report, names::PROOF), Some(Outcome::Failed));
        let report = verdict(&|e| {
            let mut other = bundle(setup, &toy, &job);
            other.name = "another".into();
            e.bundles[0] = BundleRef::Embedded(other.encode());
        });
        assert_eq!(
            outcome(&report, names::BUNDLE_TRUSTED),
            Some(Outcome::Failed)
        );
        // Registration: every column once, by a proof that holds.
        let registration = |change: &dyn Fn(&mut Vec<Registration>)| {
            let mut other = bundle(setup, &toy, &job);
            change(&mut other.registration);
            let mut changed = good.clone();
            changed.bundles[0] = BundleRef::Embedded(other.encode());
            let report = verify_evidence(&changed.encode(), &options);
            (
                outcome(&report, names::BUNDLE_TRUSTED).expect("made"),
                outcome(&report, names::REGISTRATION).expect("made"),
            )
        };
        let both_failed = (Outcome::Failed, Outcome::Failed);
        assert_eq!(registration(&|r| r.clear()), both_failed);
        assert_eq!(registration(&|r| r.push(r[0].clone())), both_failed);
        assert_eq!(registration(&|r| r[0].first = 1), both_failed);
        let last = bundle(setup, &toy, &job).registration[0].proof.len() - 32;
        assert_eq!(
            registration(&|r| r[0].proof[last] ^= 1),
            (Outcome::Passed, Outcome::Failed)
        );
        assert_eq!(
            registration(&|r| r[0].key = setup.key.encode()),
            both_failed
        );
        let report = verdict(&|e| e.proofs.push(e.proofs[0].clone()));
        assert_eq!(
            outcome(&report, names::RECORDS_UNIQUE),
            Some(Outcome::Failed)
        );
        let report = verdict(&|e| {
            let last = e.proofs[0].proof.len() - 32;
            e.proofs[0].proof[last] ^= 1;
        });
        assert_eq!(outcome(&report, names::PROOF), Some(Outcome::Passed));
        assert_eq!(outcome(&report, names::LINK), Some(Outcome::Failed));
    }
}

#[test]
fn files_are_checked_together_and_the_bad_one_is_named() {
    let mut files = vec![];
    let mut trusted = vec![];
    for (index, setup) in [0, 1, 0, 1].map(|i| setups()[i]).iter().enumerate() {
        let (toy, job) = honest(setup, 1 + index % 3, 50 + index as u8);
        let mut proof = setup.prove(&toy, &job);
        if index == 2 {
            let last = proof.len() - 32;
            proof[last] ^= 1;
        }
        trusted.push(bundle(setup, &toy, &job).encode());
        files.push((
            format!("file {index}"),
            evidence(setup, &toy, &job, &proof).encode(),
        ));
    }
    let options = Options {
        trust: trusted.iter().map(Vec::as_slice).collect(),
        allow_insecure_dev_srs: true,
        clock: None,
    };
    let named: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect();
    let reports = verify_files(&named, &options);
    for (index, report) in reports.iter().enumerate() {
        assert_eq!(report.file, format!("file {index}"));
        assert_eq!(outcome(report, names::PROOF), Some(Outcome::Passed));
        let expected = if index == 2 {
            Outcome::Failed
        } else {
            Outcome::Passed
        };
        assert_eq!(outcome(report, names::LINK), Some(expected));
        assert_eq!(report.verdict == Verdict::Valid, index != 2);
    }
}

#[test]
fn inputs_are_disclosed_or_public() {
    for setup in setups() {
        // 1. A committed input, shown later.
        let (toy, mut job) = honest(setup, 2, 61);
        let proof = setup.prove(&toy, &job);
        let trusted = bundle(setup, &toy, &job).encode();
        let options = Options {
            trust: vec![&trusted],
            allow_insecure_dev_srs: true,
            clock: None,
        };
        let mut good = evidence(setup, &toy, &job, &proof);
        let row = 1;
        let statement = disclosure::Disclosed {
            circuit_id: setup.prepared.circuit_id(),
            leaf: &job.leaves[row],
            commitment: &g1_to_ark(&job.inputs[row].point),
            inputs: &toy.inputs[row],
        };
        let nonces: Vec<ArkFr> = (0..disclosure::nonce_count(&setup.key))
            .map(|i| ArkFr::from(1_000 + i as u64).square())
            .collect();
        let blinding = scalar_to_ark(&job.inputs[row].tail[TAIL - 1]);
        let shown = disclosure::prove(&setup.key, &statement, &blinding, &nonces);
        good.proofs[0].disclosures = vec![Disclosure {
            row: row as u32,
            inputs: toy.inputs[row].to_vec(),
            proof: shown.expect("enough nonces"),
        }];
        let report = verify_evidence(&good.encode(), &options);
        assert_eq!(outcome(&report, names::DISCLOSURE), Some(Outcome::Passed));
        assert_eq!(report.records[row].inputs, Some(toy.inputs[row].to_vec()));
        good.proofs[0].disclosures[0].inputs[0] += 1;
        let report = verify_evidence(&good.encode(), &options);
        assert_eq!(outcome(&report, names::DISCLOSURE), Some(Outcome::Failed));
        good.proofs[0].disclosures[0].inputs[0] -= 1;
        good.proofs[0].disclosures[0].row = 0;
        let report = verify_evidence(&good.encode(), &options);
        assert_eq!(outcome(&report, names::DISCLOSURE), Some(Outcome::Failed));

        // 2. Public inputs: the verifier makes the commitments.
        for (t, committed) in job.inputs.iter_mut().enumerate() {
            *committed = setup.commit_inputs(&toy.inputs[t], Fr::ZERO);
            let recomputed = input::commit(&setup.key, &toy.inputs[t], &ArkFr::ZERO);
            let recomputed = recomputed.expect("one input a row").into_affine();
            assert_eq!(recomputed, g1_to_ark(&committed.point));
            let digest = metadata_digest(&row_salt(&SALT, t as u64), &metadata(t));
            let released = scalar_to_ark(&int(job.released[t]));
            job.leaves[t] = leaf_hash(&point_to_bytes(&recomputed), &[released], &digest);
        }
        let proof = setup.prove(&toy, &job);
        let mut public = evidence(setup, &toy, &job, &proof);
        let rows = toy.inputs[..2].iter().map(|row| row.to_vec());
        public.proofs[0].inputs = Inputs::Public(rows.collect());
        let report = verify_evidence(&public.encode(), &options);
        assert_eq!(outcome(&report, names::LINK), Some(Outcome::Passed));
        let Inputs::Public(rows) = &mut public.proofs[0].inputs else {
            unreachable!("just set")
        };
        rows[0][0] += 1;
        let report = verify_evidence(&public.encode(), &options);
        assert_eq!(outcome(&report, names::PROOF), Some(Outcome::Failed));
    }
}

/// No bytes make the verifier panic: flip any byte of a good file.
#[test]
fn flipped_bytes_never_make_a_file_valid() {
    let setup = &*KZG;
    let (toy, job) = honest(setup, 2, 71);
    let proof = setup.prove(&toy, &job);
    let mut good = evidence(setup, &toy, &job, &proof);
    let trusted = bundle(setup, &toy, &job).encode();
    good.bundles = vec![BundleRef::Digest(digest_of(&trusted))];
    let bytes = good.encode();
    let options = Options {
        trust: vec![&trusted],
        allow_insecure_dev_srs: true,
        clock: None,
    };
    assert_eq!(verify_evidence(&bytes, &options).verdict, Verdict::Valid);
    for position in (0..bytes.len()).step_by(11) {
        let mut flipped = bytes.clone();
        flipped[position] ^= 0x10;
        let report = verify_evidence(&flipped, &options);
        assert_ne!(report.verdict, Verdict::Valid);
        assert_eq!(report.records, [], "byte {position}");
    }
}

#[test]
#[ignore = "prints timings"]
fn timings() {
    for setup in setups() {
        let (toy, job) = honest(setup, 2, 81);
        let proof = setup.prove(&toy, &job);
        let start = std::time::Instant::now();
        for _ in 0..20 {
            job.verify(setup, &proof).expect("honest");
        }
        let scheme = setup.key.scheme();
        println!(
            "{scheme:?}: {:?} a proof, bases included",
            start.elapsed() / 20
        );
        let file = evidence(setup, &toy, &job, &proof).encode();
        let trusted = bundle(setup, &toy, &job).encode();
        let options = Options {
            trust: vec![&trusted],
            allow_insecure_dev_srs: true,
            clock: None,
        };
        for count in [1, 20] {
            let files = vec![("file", file.as_slice()); count];
            let start = std::time::Instant::now();
            let reports = verify_files(&files, &options);
            println!("{scheme:?}: {count} files {:?}", start.elapsed());
            assert!(reports.iter().all(|r| r.verdict == Verdict::Valid));
        }
    }
}
