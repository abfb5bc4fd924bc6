//! Both schemes' parameters and keys, a prover with the link, and an honest job to change.

use std::sync::{Arc, LazyLock};

use clearproof_prover::prove::export::{
    export_key, g1_from_ark, g1_to_ark, g2_from_ark, scalar_from_ark, scalar_to_ark, Linkage,
};
use clearproof_shared::artifact::key::{Link, LinkKind, Scheme, Srs, VerifyingKey};
use clearproof_shared::commitment::metadata::{metadata_digest, row_salt};
use clearproof_shared::commitment::record::leaf_hash;
use clearproof_shared::encoding::point_to_bytes;
use clearproof_shared::verify::link::link_tag;
use clearproof_shared::verify::srs::{dev_srs, dev_tau};
use clearproof_shared::verify::transcript::Transcript as SharedTranscript;
use clearproof_shared::verify::{
    verify_prepared, Claimed, Generators, PreparedKey, Statement, VerifyError,
};
use ff::{Field, PrimeField};
use group::Curve;
use halo2_proofs::plonk::{
    create_proof, keygen_pk, keygen_vk, verify_proof as stock_verify_proof, Circuit, ProvingKey,
};
use halo2_proofs::poly::commitment::{Blind, CommitmentScheme, Params, ParamsProver, Prover};
use halo2_proofs::poly::ipa::commitment::{IPACommitmentScheme, ParamsIPA};
use halo2_proofs::poly::ipa::multiopen::{ProverIPA, VerifierIPA};
use halo2_proofs::poly::ipa::strategy::SingleStrategy as SingleIpa;
use halo2_proofs::poly::kzg::commitment::{KZGCommitmentScheme, ParamsKZG};
use halo2_proofs::poly::kzg::multiopen::{ProverSHPLONK, VerifierSHPLONK};
use halo2_proofs::poly::kzg::strategy::SingleStrategy as SingleKzg;
use halo2_proofs::poly::{EvaluationDomain, VerificationStrategy};
use halo2_proofs::transcript::{
    Blake2bRead, Blake2bWrite, Challenge255, Transcript, TranscriptReadBuffer, TranscriptWrite,
    TranscriptWriterBuffer,
};
use halo2curves::bn256::{Bn256, Fr, G1Affine, G1};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use crate::toy::{int, Register, Toy, FIRST_OUTPUT, INPUTS, K, OUTPUTS, ROWS, SLOTS, TAIL, USABLE};

type ArkFr = ark_bn254::Fr;

pub(crate) enum Parameters {
    Ipa(ParamsIPA<G1Affine>),
    Kzg(ParamsKZG<Bn256>),
}

/// A model or input commitment with its opening outside the usable rows.
#[derive(Clone)]
pub(crate) struct Committed {
    pub(crate) point: G1Affine,
    pub(crate) tail: [Fr; TAIL],
    pub(crate) blind: Fr,
}

/// A circuit with its keys and the number of its columns in each phase.
pub(crate) struct Compiled {
    pub(crate) pk: ProvingKey<G1Affine>,
    pub(crate) key: VerifyingKey,
    pub(crate) prepared: PreparedKey,
    pub(crate) phases: [usize; 2],
}

pub(crate) struct Setup {
    pub(crate) parameters: Parameters,
    pub(crate) toy: Compiled,
    pub(crate) register: Compiled,
    pub(crate) key: VerifyingKey,
    pub(crate) prepared: PreparedKey,
    pub(crate) generators: Arc<Generators>,
    pub(crate) lagrange: Vec<G1Affine>,
}

pub(crate) static IPA: LazyLock<Setup> = LazyLock::new(|| Setup::new(Scheme::Ipa));
pub(crate) static KZG: LazyLock<Setup> = LazyLock::new(|| Setup::new(Scheme::Kzg));

pub(crate) fn setups() -> [&'static Setup; 2] {
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
    pub(crate) fn new(
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
    pub(crate) fn new(scheme: Scheme) -> Self {
        Self::of(match scheme {
            Scheme::Ipa => Parameters::Ipa(ParamsIPA::new(K)),
            Scheme::Kzg => Parameters::Kzg(kzg_parameters(K)),
        })
    }

    /// IPA over generators whose Lagrange bases are `secrets[row]` times one point.
    pub(crate) fn with_trapdoor(secrets: &[Fr; ROWS]) -> Self {
        // L_r = 1/n sum_i omega^(-i r) G_i, so G_i = sum_r omega^(i r) L_r.
        let domain = EvaluationDomain::<Fr>::new(1, K);
        let generator = |i: usize| {
            let omega = domain.get_omega().pow_vartime([i as u64]);
            let scalar = secrets
                .iter()
                .rev()
                .fold(Fr::ZERO, |sum, l| sum * omega + l);
            G1::generator() * scalar
        };
        let mut points: Vec<G1> = (0..ROWS).map(generator).collect();
        points.extend(secrets.iter().map(|l| G1::generator() * l));
        points.extend([2, 3].map(|scalar| G1::generator() * Fr::from(scalar)));
        let mut bytes = K.to_le_bytes().to_vec();
        for point in points {
            bytes.extend(point_to_bytes(&g1_to_ark(&point.to_affine())));
        }
        let params = ParamsIPA::read(&mut bytes.as_slice()).expect("points in halo2's order");
        Self::of(Parameters::Ipa(params))
    }

    fn of(parameters: Parameters) -> Self {
        let (pks, srs, generators) = match &parameters {
            Parameters::Ipa(params) => {
                let pks = both_keys(params);
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
                (pks, srs, Generators::new(points))
            }
            Parameters::Kzg(params) => (both_keys(params), dev_srs(K), Generators::none()),
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

    pub(crate) fn w(&self) -> Option<G1Affine> {
        match &self.key.srs {
            Srs::Ipa { w, .. } => Some(g1_from_ark(w)),
            Srs::Kzg { .. } => None,
        }
    }

    /// Commits to a column's first cells, with the given opening of the tail and of W.
    pub(crate) fn commit(&self, cells: &[i64], tail: [Fr; TAIL], blind: Fr) -> Committed {
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

    pub(crate) fn commit_model(&self, toy: &Toy, rng: &mut ChaCha20Rng) -> Vec<Committed> {
        let columns = toy.weights.iter();
        columns
            .map(|cells| {
                let tail = [(); TAIL].map(|()| Fr::random(&mut *rng));
                self.commit(cells, tail, Fr::random(&mut *rng))
            })
            .collect()
    }

    /// `P_t`, blinded on the last row alone.
    pub(crate) fn commit_inputs(&self, inputs: &[i64], blinding: Fr) -> Committed {
        let mut tail = [Fr::ZERO; TAIL];
        tail[TAIL - 1] = blinding;
        self.commit(inputs, tail, Fr::ZERO)
    }

    pub(crate) fn instance(&self, released: &[i64]) -> Vec<Fr> {
        let mut column = vec![Fr::ZERO; FIRST_OUTPUT + SLOTS];
        for slot in 0..SLOTS {
            column[FIRST_OUTPUT + slot] = int(released[slot.min(released.len() - 1)]);
        }
        column
    }

    /// A proof of decisions: the Halo2 proof, then the link.
    pub(crate) fn prove(&self, toy: &Toy, job: &Job) -> Vec<u8> {
        self.prove_statement(toy, job, &job.digest(self))
    }

    /// As [`Setup::prove`], absorbing this digest in place of the job's.
    pub(crate) fn prove_statement(&self, toy: &Toy, job: &Job, statement: &[u8; 32]) -> Vec<u8> {
        let inputs = job.padded_inputs();
        let links = [(0, job.model.as_slice()), (1, inputs.as_slice())];
        let instance = self.instance(&job.released);
        self.prove_linked(&self.toy, toy, job.seed, statement, Some(&instance), &links)
    }

    /// A registration proof of the job's model.
    pub(crate) fn prove_registration(&self, toy: &Toy, job: &Job) -> Vec<u8> {
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

    pub(crate) fn prove_linked<C: Circuit<Fr> + Clone + Sync>(
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
    pub(crate) fn challenges(
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
    pub(crate) fn stock_accepts(
        &self,
        statement: &[u8; 32],
        instance: &[Fr],
        proof: &[u8],
    ) -> bool {
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

    pub(crate) fn link_bytes(&self) -> usize {
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
pub(crate) struct Job {
    pub(crate) model: Vec<Committed>,
    pub(crate) inputs: Vec<Committed>,
    pub(crate) released: Vec<i64>,
    pub(crate) leaves: Vec<[u8; 32]>,
    pub(crate) origin: String,
    pub(crate) seed: [u8; 32],
}

impl Job {
    pub(crate) fn padded_inputs(&self) -> Vec<Committed> {
        let last = self.inputs.len() - 1;
        let slots = 0..SLOTS;
        slots.map(|t| self.inputs[t.min(last)].clone()).collect()
    }

    /// Sets what the rows release, and their leaves, to those of `toy`.
    pub(crate) fn release(&mut self, toy: &Toy) {
        let rows = 0..self.inputs.len();
        self.released = rows.clone().map(|t| toy.output(t, 0)).collect();
        let leaf = |t: usize| {
            let digest = metadata_digest(&row_salt(&SALT, t as u64), &metadata(t));
            let commitment = point_to_bytes(&g1_to_ark(&self.inputs[t].point));
            let released = scalar_to_ark(&int(self.released[t]));
            leaf_hash(&commitment, &[released], &digest)
        };
        self.leaves = rows.map(leaf).collect();
    }

    pub(crate) fn with_statement<T>(&self, run: impl FnOnce(&Statement<'_>) -> T) -> T {
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

    pub(crate) fn digest(&self, setup: &Setup) -> [u8; 32] {
        let id = setup.prepared.circuit_id();
        self.with_statement(|statement| statement.digest(setup.key.scheme(), id))
    }

    pub(crate) fn verify(&self, setup: &Setup, proof: &[u8]) -> Result<(), VerifyError> {
        self.with_statement(|s| verify_prepared(&setup.prepared, s, proof).map(drop))
    }
}

pub(crate) const SALT: [u8; 32] = [42; 32];

/// A model, `rows` decisions and their honest job.
pub(crate) fn honest(setup: &Setup, rows: usize, seed: u8) -> (Toy, Job) {
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
    let mut job = Job {
        model,
        inputs,
        released: vec![],
        leaves: vec![],
        origin: String::new(),
        seed: [seed; 32],
    };
    job.release(&toy);
    (toy, job)
}

pub(crate) fn metadata(row: usize) -> Vec<u8> {
    format!("row {row}").into_bytes()
}
