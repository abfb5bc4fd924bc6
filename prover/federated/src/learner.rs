//! A federation in one process: several firms' data, one model, rounds over the protocol's own machines.
//!
//! 1. Claim: a round's sum leaves [`SecureFederatedLearner::aggregate_updates`] only by secure aggregation, after each
//!    party's budget was debited; [`SecureFederatedLearner::certificate`] holds every round, signed by each party.
//! 2. A round: [`SecureFederatedLearner::compute_local_update`] for each party (clipped example by example, on the grid,
//!    with its share of the noise), `aggregate_updates`, [`SecureFederatedLearner::apply_update`].
//! 3. Assumed: this process sees all parties' data, as a trial does; firms apart run `federated party`.
//! 4. Source: DESIGN section 9; Abadi et al. 2016; SOUNDNESS conditions 21 to 27.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clearproof_prover::prove::columns::ColumnBases;
use clearproof_shared::training::certificate::{Certificate, Compliance, Deployment};
use clearproof_shared::training::manifest::{Manifest, ManifestError, RosterEntry};
use clearproof_shared::training::terms::Terms;
use rand_core::{CryptoRng, RngCore};
use thiserror::Error;

use crate::aggregation::identity::Identity;
use crate::aggregation::party::{Aggregate, BeginError, Update};
use crate::aggregation::setup::{Setup, SetupError};
use crate::aggregation::simulation::{simulate, Faithful, Network};
use crate::certificate::{self, conclude, debit, Record};
use crate::groth16::ceremony::Report as CeremonyReport;
use crate::groth16::compliance::{Compliance as Fields, Record as PrivateFields};
use crate::groth16::{ProvingKey, Statement, StatementError};
use crate::norm::{NormError, NormKey};
use crate::privacy::accountant::{noise_multiplier, Mechanism};
use crate::privacy::budget::{Budget, BudgetError};
use crate::privacy::distributed::{Cohort, NoisePlan};
use crate::privacy::{Adjacency, PrivacyError, PrivacyTarget};
use crate::training::model::Evaluation;
use crate::training::optimizer::Rule;
pub use crate::training::trainer::digest;
use crate::training::trainer::{Steps, Trainer};
use crate::training::{Examples, Model, TrainingError};

mod checkpoint;

/// How a training goes, apart from its privacy.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Rounds that the noise is calibrated for.
    pub rounds: u32,
    /// q: probability with which a record is in a round.
    pub sampling_rate: f64,
    /// C: bound of an example's gradient.
    pub clip_norm: f64,
    /// What the mean gradient is given to.
    pub rule: Rule,
    /// The grid has 2^log_scale units in 1.
    pub log_scale: u32,
    /// Width of a coordinate with its noise, sign included.
    pub coordinate_bits: u32,
    /// log2 of the rows of a commitment's column.
    pub log_rows: u32,
    /// N: records of all parties together, public; sums are divided by q N.
    pub records: usize,
    /// Most examples of a party in a round: bounds its update by as many times C.
    pub most_examples: u32,
    /// D: parties that may be gone in a round; the others' noise is enough without theirs.
    pub dropouts: u32,
    /// Whether updates are proven within their bounds.
    pub norm_proofs: bool,
    /// Where the parties' budgets are kept, a file each.
    pub budgets: PathBuf,
}

/// Why a training cannot go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LearnerError {
    /// Privacy parameters.
    #[error(transparent)]
    Privacy(#[from] PrivacyError),
    /// A party's budget does not suffice; nothing left this process.
    #[error("party {party}: {error}")]
    Budget {
        /// Position of the party.
        party: usize,
        /// Why.
        error: BudgetError,
    },
    /// Training.
    #[error(transparent)]
    Training(#[from] TrainingError),
    /// Sizes and bounds.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The round's setup.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The norm circuit.
    #[error(transparent)]
    Norm(#[from] NormError),
    /// An update is outside its bounds.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// The constraints.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The round gave no sum; its privacy is spent.
    #[error("the round ended without a sum: {0}")]
    Aborted(String),
    /// Updates of another number of parties.
    #[error("{got} updates of {expected} parties")]
    Updates {
        /// Parties.
        expected: usize,
        /// Updates.
        got: usize,
    },
    /// Constraints were asked for and none were agreed on.
    #[error("no constraints were agreed on; give them when the learner is made")]
    NoConstraints,
    /// A proof belongs to a round that was finished.
    #[error("no round is finished; prove constraints after one")]
    NoRound,
    /// A checkpoint.
    #[error("{}: {cause}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
}

/// A federation whose parties live in this process.
#[derive(Debug)]
pub struct SecureFederatedLearner {
    trainer: Trainer,
    identities: Vec<Identity>,
    constraints: Option<Fields>,
    bases: Bases,
    /// The last attempt's.
    setup: Option<Arc<Setup>>,
    /// The manifest of the next round, but for its model.
    next: Manifest,
    /// None where no privacy is promised: no noise, no budgets.
    privacy: Option<(Terms, NoisePlan)>,
    budgets: Vec<Budget>,
    records: Vec<Record>,
    compliance: Vec<Compliance>,
}

struct Bases(ColumnBases);

impl std::fmt::Debug for Bases {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bases")
    }
}

impl SecureFederatedLearner {
    /// A federation of named parties that promises (epsilon, delta)-differential privacy of each record.
    ///
    /// # Errors
    /// [`LearnerError`] for settings that do not fit, and budgets of another promise.
    pub fn new<R: RngCore + CryptoRng>(
        model: Model,
        parties: &[&str],
        constraints: Option<Fields>,
        epsilon: f64,
        delta: f64,
        settings: &Settings,
        rng: &mut R,
    ) -> Result<Self, LearnerError> {
        let (identities, session) = draw(parties, rng);
        let promise = Some((epsilon, delta));
        Self::with_identities(model, identities, constraints, promise, settings, session)
    }

    /// A federation that promises no privacy: secure aggregation of updates without noise, and no budgets. Its
    /// certificate says so.
    ///
    /// # Errors
    /// [`LearnerError`] for settings that do not fit.
    pub fn without_privacy<R: RngCore + CryptoRng>(
        model: Model,
        parties: &[&str],
        constraints: Option<Fields>,
        settings: &Settings,
        rng: &mut R,
    ) -> Result<Self, LearnerError> {
        let (identities, session) = draw(parties, rng);
        Self::with_identities(model, identities, constraints, None, settings, session)
    }

    fn with_identities(
        model: Model,
        identities: Vec<Identity>,
        constraints: Option<Fields>,
        promise: Option<(f64, f64)>,
        settings: &Settings,
        session: [u8; 32],
    ) -> Result<Self, LearnerError> {
        if let Some(fields) = &constraints {
            fields.check()?;
        }
        let coordinates = model.parameters().len();
        let parties = identities.len() as u16;
        // 1. Noise for all rounds; a little of both parameters is left for the slack of the discrete noise.
        let rate = settings.sampling_rate;
        let (clip, log_scale) = (settings.clip_norm, settings.log_scale);
        let cohort = Cohort {
            parties: parties.into(),
            dropouts: settings.dropouts,
            colluders: 0,
        };
        let target = promise
            .map(|(epsilon, delta)| PrivacyTarget::new(epsilon, delta, Adjacency::AddRemoveRecord));
        let target = target.transpose()?;
        let plan = |target: PrivacyTarget| {
            let (epsilon, delta) = (target.epsilon * 0.999, target.delta * 0.99);
            let z = noise_multiplier(epsilon, delta, rate, settings.rounds)?;
            let mechanism = Mechanism::new(z, rate, 1)?;
            certificate::terms(cohort, mechanism, clip, log_scale, coordinates, target)
        };
        let privacy = target.map(plan).transpose()?;
        // 2. What every round's manifest says.
        let root = (coordinates as f64).sqrt();
        let largest = clip * f64::from(settings.most_examples) * f64::from(log_scale).exp2();
        let mut next = Manifest {
            session,
            round: 0,
            attempt: 0,
            model: [0; 32],
            parties: identities.iter().map(Identity::entry).collect(),
            holders: (0..parties).collect(),
            threshold: parties.saturating_sub(1) / 2,
            colluders: 0,
            minimum_honest: (cohort.honest()? as u16).max(2),
            coordinates: u32::try_from(coordinates).unwrap_or(u32::MAX),
            coordinate_bits: settings.coordinate_bits,
            log_rows: settings.log_rows,
            clip_norm: largest.ceil() as u64,
            // Seven beyond the mean: exceeded once in 10^10 draws.
            noise_norm: privacy.as_ref().map_or(0, |(_, noise)| {
                (noise.share.sigma() * (root + 7.0)).ceil() as u64
            }),
            norm_circuit: None,
            terms: privacy.as_ref().map_or(vec![], |(terms, _)| terms.encode()),
        };
        next.check()?;
        let bases = ColumnBases::transparent(settings.log_rows);
        if settings.norm_proofs {
            next.norm_circuit = Some(NormKey::new(&next, &bases)?.circuit_id());
        }
        // 3. A budget for each party's data.
        let steps = Steps {
            sampling_rate: rate,
            clip_norm: clip,
            rule: settings.rule,
            log_scale,
            records: settings.records,
        };
        let budgets = target.map_or(Ok(vec![]), |target| {
            let budgets = (0..identities.len()).map(|party| {
                let path = settings.budgets.join(format!("party-{}.json", party + 1));
                Budget::open(&path, target).map_err(|error| LearnerError::Budget { party, error })
            });
            budgets.collect()
        });
        Ok(Self {
            budgets: budgets?,
            trainer: Trainer::new(model, steps, settings.coordinate_bits)?,
            records: vec![Record::default(); identities.len()],
            identities,
            constraints,
            bases: Bases(bases),
            setup: None,
            next,
            privacy,
            compliance: vec![],
        })
    }

    /// The model as it is.
    pub fn model(&self) -> &Model {
        self.trainer.model()
    }

    /// Rounds that gave a sum.
    pub fn rounds(&self) -> u64 {
        self.next.round
    }

    /// Epsilon that a party's data has spent, at the promised delta; infinite where nothing is promised.
    ///
    /// # Errors
    /// [`LearnerError::Budget`].
    pub fn spent(&self, party: usize) -> Result<f64, LearnerError> {
        let spent = self.budgets.get(party).map(Budget::spent);
        let spent = spent.unwrap_or(Ok(f64::INFINITY));
        spent.map_err(|error| LearnerError::Budget { party, error })
    }

    /// A party's update: the sum of clipped gradients of a secret Poisson sample, on the grid, with its share of the
    /// noise apart; and the mean loss, which is for the party's own eyes.
    ///
    /// # Errors
    /// [`LearnerError::Training`] for examples of another width, or an update that the grid does not hold.
    pub fn compute_local_update<R: RngCore + CryptoRng>(
        &self,
        data: &[f32],
        labels: &[u32],
        rng: &mut R,
    ) -> Result<(Update, f64), LearnerError> {
        let width = data.len() / labels.len().max(1);
        let examples = Examples::new(data.to_vec(), labels.to_vec(), width)?;
        let (clipped, loss) = self.trainer.local_update(&examples, rng)?;
        let mut noise = vec![0; clipped.len()];
        if let Some((_, plan)) = &self.privacy {
            plan.share.fill(rng, &mut noise);
        }
        Ok((Update { clipped, noise }, loss))
    }

    /// Sums one update a party, by the whole protocol. Every party's budget is debited before anything is dealt; a round
    /// that ends without a sum stays debited, and the next one is another attempt of it.
    ///
    /// # Errors
    /// [`LearnerError::Budget`] before anything leaves; [`LearnerError::Aborted`]; [`LearnerError::Begin`] for an
    /// update outside the manifest's bounds.
    pub fn aggregate_updates<R: RngCore + CryptoRng>(
        &mut self,
        updates: &[Update],
        rng: &mut R,
    ) -> Result<Aggregate, LearnerError> {
        self.aggregate_updates_over(updates, &mut Faithful, rng)
    }

    /// As [`SecureFederatedLearner::aggregate_updates`], over a network that may lose what some parties say or hear. The
    /// sum is of the survivors; a party that was gone at the round's end did not see it, and signs no certificate of it.
    ///
    /// # Errors
    /// As [`SecureFederatedLearner::aggregate_updates`].
    pub fn aggregate_updates_over<R: RngCore + CryptoRng>(
        &mut self,
        updates: &[Update],
        network: &mut dyn Network,
        rng: &mut R,
    ) -> Result<Aggregate, LearnerError> {
        if updates.len() != self.identities.len() {
            let (expected, got) = (self.identities.len(), updates.len());
            return Err(LearnerError::Updates { expected, got });
        }
        // 1. The manifest of this attempt, and its privacy.
        let manifest = Manifest {
            model: digest(self.model()),
            ..self.next.clone()
        };
        let setup = Arc::new(match &self.setup {
            Some(before) => before.following(manifest.clone())?,
            None => Setup::new(manifest.clone(), self.bases.0.clone())?,
        });
        self.setup = Some(Arc::clone(&setup));
        if let Some((terms, _)) = &self.privacy {
            for (party, budget) in self.budgets.iter_mut().enumerate() {
                let entry = debit(&manifest, terms)?;
                let refused = |error| LearnerError::Budget { party, error };
                budget.debit(entry).map_err(refused)?;
            }
        }
        // 2. Spent from here on, whatever comes.
        self.next.attempt += 1;
        let seeds: Vec<[u8; 32]> = updates
            .iter()
            .map(|_| {
                let mut seed = [0; 32];
                rng.fill_bytes(&mut seed);
                seed
            })
            .collect();
        let run = simulate(&setup, &self.identities, updates, &seeds, network);
        let abort = |learner: &mut Self| {
            let records = learner.records.iter_mut();
            records.for_each(|record| record.abort(manifest.clone()));
        };
        let run = match run {
            Ok(run) => run,
            Err(error) => {
                abort(self);
                return Err(error.into());
            }
        };
        let Some(aggregate) = run.parties.iter().find_map(|party| party.aggregate()) else {
            abort(self);
            let reason = run.coordinator.failure().unwrap_or("a party has no sum");
            return Err(LearnerError::Aborted(reason.to_owned()));
        };
        // 3. Each party keeps what it saw; the model that it leads to is entered when it is applied.
        let after = self.trainer.after(&aggregate.sum)?;
        for (record, party) in self.records.iter_mut().zip(&run.parties) {
            record.add(party, Some(after));
        }
        self.next.attempt = 0;
        self.next.round += 1;
        Ok(aggregate.clone())
    }

    /// Steps along the mean gradient: the sum over the public number of records expected.
    ///
    /// # Errors
    /// [`LearnerError::Training`].
    pub fn apply_update(&mut self, aggregate: &Aggregate) -> Result<(), LearnerError> {
        Ok(self.trainer.step(&aggregate.sum)?)
    }

    /// Proves that a party's private fields satisfy the constraints, bound to the last round, and keeps the proof for
    /// the certificate. `ceremony` is the report of the key's set-up; without one, verifiers refuse the key.
    ///
    /// # Errors
    /// [`LearnerError::NoConstraints`], [`LearnerError::NoRound`]; [`LearnerError::Statement`] names the constraint.
    pub fn verify_compliance<R: RngCore + CryptoRng>(
        &mut self,
        party: u16,
        fields: &PrivateFields,
        key: &ProvingKey,
        ceremony: Option<&CeremonyReport>,
        rng: &mut R,
    ) -> Result<(), LearnerError> {
        let constraints = self
            .constraints
            .as_ref()
            .ok_or(LearnerError::NoConstraints)?;
        let record = certificate::fullest(self.records.iter());
        let last = record.and_then(Record::last);
        let (round, manifest) = last.ok_or(LearnerError::NoRound)?;
        let context = certificate::context(&manifest, party);
        let proven = constraints.prove(key, fields, context, rng)?;
        let checked = crate::groth16::verifying_key(key).and_then(|key| proven.verify(&key));
        checked.map_err(|_| StatementError::Key)?;
        let statement = Statement::Compliance(constraints.clone());
        let entry = certificate::compliance(party, round, &statement, key, &proven, ceremony);
        self.compliance.push(entry);
        Ok(())
    }

    /// Loss and accuracy on examples that are nobody's secret.
    ///
    /// # Errors
    /// [`LearnerError::Training`].
    pub fn evaluate(&self, examples: &Examples) -> Result<Evaluation, LearnerError> {
        Ok(self.model().evaluate(examples)?)
    }

    /// The training certificate: every party signs what it saw. None before the first round.
    ///
    /// # Errors
    /// [`LearnerError::Privacy`].
    pub fn certificate(&self) -> Result<Option<Certificate>, LearnerError> {
        if self.next.round == 0 {
            return Ok(None);
        }
        let signers = self.identities.iter().zip(&self.records).enumerate();
        let signers: Vec<_> = signers
            .map(|(party, (identity, record))| (identity, party as u16, record))
            .collect();
        Ok(conclude(
            &signers,
            &self.compliance,
            Some(digest(self.model())),
        )?)
    }

    /// A party signs what it compiled of the model: circuit id, model commitments' and bundle's SHA-256.
    pub fn deploy(&self, certificate: &mut Certificate, party: u16, bundle: [[u8; 32]; 3]) {
        let [circuit_id, commitment, bundle] = bundle;
        let deployment = Deployment {
            circuit_id,
            commitment,
            bundle,
            party,
            signature: [0; 64],
        };
        let digest = certificate.body.digest();
        certificate.deployment =
            Some(self.identities[usize::from(party)].deploy(&digest, deployment));
    }

    /// The parties.
    pub fn roster(&self) -> &[RosterEntry] {
        &self.next.parties
    }

    /// Writes all of this but the budgets, which are files already. The file holds the parties' secret keys.
    ///
    /// # Errors
    /// [`LearnerError::Checkpoint`].
    pub fn save(&self, path: &Path) -> Result<(), LearnerError> {
        checkpoint::save(self, path)
    }

    /// Goes on from a checkpoint, with the same settings and promise.
    ///
    /// # Errors
    /// [`LearnerError::Checkpoint`]; as [`SecureFederatedLearner::new`].
    pub fn restore(
        path: &Path,
        constraints: Option<Fields>,
        epsilon: f64,
        delta: f64,
        settings: &Settings,
    ) -> Result<Self, LearnerError> {
        checkpoint::restore(path, constraints, Some((epsilon, delta)), settings)
    }

    /// Goes on from a checkpoint of a federation that promises no privacy.
    ///
    /// # Errors
    /// [`LearnerError::Checkpoint`]; as [`SecureFederatedLearner::without_privacy`].
    pub fn restore_without_privacy(
        path: &Path,
        constraints: Option<Fields>,
        settings: &Settings,
    ) -> Result<Self, LearnerError> {
        checkpoint::restore(path, constraints, None, settings)
    }
}

/// Keys of named parties, and a session.
fn draw<R: RngCore + CryptoRng>(parties: &[&str], rng: &mut R) -> (Vec<Identity>, [u8; 32]) {
    let identities = parties
        .iter()
        .map(|name| Identity::generate(name, &mut *rng));
    let identities = identities.collect();
    let mut session = [0; 32];
    rng.fill_bytes(&mut session);
    (identities, session)
}
