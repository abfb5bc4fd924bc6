//! A party's process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clearproof_prover::prove::columns::ColumnBases;
use clearproof_shared::training::certificate::{Certificate, Compliance};
use clearproof_shared::training::manifest::{Manifest, ManifestError};
use clearproof_shared::training::terms::Terms;
use rand_core::{CryptoRng, RngCore};
use rustls::pki_types::ServerName;
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use super::certificates::{client, COORDINATOR};
use super::journal::Journal;
use super::provision::{replace, Folder};
use super::training::{self, State};
use super::wire::{read_frame, write_frame, Greeting};
use super::TransportError;
use crate::aggregation::party::{BeginError, ModelAfter, Party, Update};
use crate::aggregation::setup::{Setup, SetupError};
use crate::certificate::{self, Record};
use crate::constraints::Constraints;
use crate::privacy::budget::{Budget, BudgetError};
use crate::privacy::discrete_gaussian::DiscreteGaussian;
use crate::training::trainer::{digest, Trainer};
use crate::training::{Examples, Model};

/// Longest wait between attempts to connect.
const MAX_PAUSE: Duration = Duration::from_secs(5);
const CONNECT: Duration = Duration::from_secs(10);
/// The budget in a party's folder.
const BUDGET: &str = "budget.json";

/// Takes part in a round until it is over; called again after a crash, it goes on. Where the manifest promises
/// privacy, the round is debited from the budget in `budget` (else from the folder's own) before anything is dealt.
///
/// # Errors
/// [`TransportError`]; after [`TransportError::TimedOut`] the round can be gone on with.
pub async fn participate(
    folder: &Path,
    address: &str,
    update: &Update,
    budget: Option<&Path>,
    timeout: Duration,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Party, TransportError> {
    let folder = Folder::open(folder)?;
    let bases = ColumnBases::transparent(folder.manifest.log_rows);
    let setup = Arc::new(Setup::new(folder.manifest.clone(), bases)?);
    let line = Line::new(&folder, address, budget, timeout)?;
    let alone = Following::default();
    let party = attempt(&folder, &line, &setup, update, alone, rng).await?;
    match why_not(&party) {
        None => Ok(party),
        Some(reason) => Err(TransportError::Aborted(reason)),
    }
}

/// What a party brings to a training of several rounds, and how long it waits.
#[derive(Clone, Copy, Debug)]
pub struct Trainee<'a> {
    /// Its data.
    pub examples: &'a Examples,
    /// Its private fields, where the training asks for proofs about them.
    pub fields: Option<&'a BTreeMap<String, i64>>,
    /// Its budget, where it is not the folder's own.
    pub budget: Option<&'a Path>,
    /// How long an attempt may last.
    pub timeout: Duration,
}

/// What a party has in the end.
#[derive(Debug)]
pub struct Trained {
    /// The model after the rounds that gave a sum.
    pub model: Model,
    /// Their certificate.
    pub certificate: Option<Certificate>,
    /// Why the training ended before all rounds, if it did.
    pub ended: Option<String>,
}

/// What happened in a training.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Progress {
    /// A round, from 0, gave the sum of these parties.
    Summed(u32, Vec<u16>),
    /// An attempt of a round gave none.
    Aborted(u32, String),
}

/// Takes part in all rounds of a training, until they gave their sums or too many attempts gave none; called again after a
/// crash, it goes on. Every attempt's sample and noise are drawn once, debited, and dealt.
///
/// # Errors
/// [`TransportError`]; after [`TransportError::TimedOut`] the training can be gone on with.
pub async fn train(
    folder: &Path,
    address: &str,
    trainee: Trainee<'_>,
    rng: &mut (impl RngCore + CryptoRng),
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Trained, TransportError> {
    let folder = Folder::open(folder)?;
    let plan = training::read(&folder)?;
    let plan = plan.ok_or(TransportError::NoTraining)?;
    let line = Line::new(&folder, address, trainee.budget, trainee.timeout)?;
    let mut state = State::open(&folder, plan.steps)?;
    let constraints = training::constraints(&folder)?;
    // What cannot be proved is refused before anything is debited or said.
    let fields = match (&constraints, trainee.fields) {
        (None, None) => None,
        (None, Some(_)) => return Err(TransportError::Unasked),
        (Some(constraints), None) => {
            let names = constraints.fields().fields.join(", ");
            return Err(TransportError::NoFields(names));
        }
        (Some(constraints), Some(fields)) => {
            constraints.record(fields, rng)?;
            Some((constraints, fields))
        }
    };
    let own = folder.identity()?.entry();
    let me = folder.manifest.parties.iter().position(|p| *p == own);
    let me = me.ok_or(BeginError::NotInRoster(own.name))? as u16;
    let mut before: Option<Arc<Setup>> = None;
    let mut ended = None;
    while state.course.round < plan.rounds {
        if state.course.record.aborted() as u32 > plan.spare {
            ended.get_or_insert_with(|| "too many attempts gave none".to_owned());
            break;
        }
        // 1. What attempts before left behind was for them alone.
        for manifest in state.course.record.latest() {
            training::forget(&folder, manifest)?;
        }
        let manifest = state.course.manifest(&folder.manifest);
        let setup = Arc::new(match &before {
            Some(setup) => setup.following(manifest.clone())?,
            None => {
                let bases = ColumnBases::transparent(manifest.log_rows);
                Setup::new(manifest.clone(), bases)?
            }
        });
        before = Some(Arc::clone(&setup));
        // 2. The update, drawn once.
        let update = match training::kept(&folder, &manifest)? {
            Some(update) => update,
            None => {
                let update = draw(&state.trainer, trainee.examples, &manifest, rng)?;
                training::keep(&folder, &manifest, &update)?;
                update
            }
        };
        // 3. The proof of the constraints, made once, until the party is in a sum.
        let proof = match fields {
            Some((constraints, fields)) if !state.course.record.complied(me) => {
                Some(match training::kept_proof(&folder, &manifest)? {
                    Some(proof) => proof,
                    None => {
                        let (attempt, round) = (setup.digest(), state.course.round);
                        let proof = constraints.prove((attempt, me), round, fields, rng)?;
                        training::keep_proof(&folder, &manifest, &proof)?;
                        proof
                    }
                })
            }
            _ => None,
        };
        // 4. The attempt, and the model that its sum leads to.
        let trainer = state.trainer.clone();
        let after: Arc<ModelAfter> = Arc::new(move |sum| trainer.after(sum).ok());
        let following = Following {
            training: Some((state.course.record.clone(), after)),
            constraints: constraints.clone(),
            proof,
            ending: state.course.ends_with_the_next(plan.spare),
        };
        let round = state.course.round;
        let party = attempt(&folder, &line, &setup, &update, following, rng).await?;
        match why_not(&party) {
            None => {
                let aggregate = party.aggregate().expect("a finished party has a sum");
                let set = &aggregate.certificate.survivors.survivors;
                state.trainer.step(&aggregate.sum)?;
                state.course.finish(digest(state.trainer.model()));
                state.course.record = party.record().expect("there is a sum");
                state.certificate = party.certificate();
                state.save(&folder)?;
                progress(Progress::Summed(
                    round,
                    set.iter().map(|s| s.party).collect(),
                ));
            }
            Some(reason) => {
                state.course.abort(manifest);
                // Where the training ends with it, its certificate lists it.
                state.certificate = party.certificate().or(state.certificate);
                state.save(&folder)?;
                progress(Progress::Aborted(round, reason.clone()));
                ended = Some(reason);
            }
        }
    }
    for manifest in state.course.record.latest() {
        training::forget(&folder, manifest)?;
    }
    Ok(Trained {
        model: state.trainer.model().clone(),
        certificate: state.certificate,
        ended: ended.filter(|_| state.course.round < plan.rounds),
    })
}

/// A sample's update, and the noise that the manifest promises.
fn draw(
    trainer: &Trainer,
    examples: &Examples,
    manifest: &Manifest,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Update, TransportError> {
    let (clipped, _) = trainer.local_update(examples, rng)?;
    let mut noise = vec![0; clipped.len()];
    let terms = Terms::of(manifest).map_err(ManifestError::Format);
    if let Some(terms) = terms.map_err(SetupError::Manifest)? {
        let (numerator, denominator) = terms.share_variance;
        DiscreteGaussian::new(numerator, denominator)?.fill(rng, &mut noise);
    }
    Ok(Update { clipped, noise })
}

/// How a party reaches the coordinator, and what it keeps to.
struct Line<'a> {
    connector: TlsConnector,
    address: &'a str,
    budget: PathBuf,
    timeout: Duration,
}

impl<'a> Line<'a> {
    fn new(
        folder: &Folder,
        address: &'a str,
        budget: Option<&Path>,
        timeout: Duration,
    ) -> Result<Self, TransportError> {
        let own = folder.path().join(BUDGET);
        Ok(Self {
            connector: TlsConnector::from(Arc::new(client(&folder.material)?)),
            address,
            budget: budget.map_or(own, Path::to_owned),
            timeout,
        })
    }
}

/// What makes a round one of a training.
#[derive(Default)]
struct Following {
    /// The rounds before, and the model that a sum leads to.
    training: Option<(Record, Arc<ModelAfter>)>,
    constraints: Option<Arc<Constraints>>,
    /// The own proof of them, where it is due.
    proof: Option<Compliance>,
    /// Without a sum the training is over.
    ending: bool,
}

/// One attempt of a round, until it is over, with or without a sum.
async fn attempt(
    folder: &Folder,
    line: &Line<'_>,
    setup: &Arc<Setup>,
    update: &Update,
    following: Following,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Party, TransportError> {
    let manifest = setup.manifest();
    let timeout = line.timeout;
    // 1. The seed, bound to the update; the debit; then everything that was taken before.
    let (seed, fresh) = seed(&folder.state_of(manifest, "seed"), update, rng)?;
    debit(manifest, &line.budget, fresh)?;
    let (mut party, mut outbox) =
        Party::begin(Arc::clone(setup), &folder.identity()?, update, &seed)?;
    if let Some((history, after)) = following.training {
        party = party.following(history, after);
    }
    if following.ending {
        party = party.ending();
    }
    if let Some(constraints) = following.constraints {
        let first = party.complying(constraints, following.proof);
        outbox.splice(0..0, first);
    }
    let (mut journal, records) = Journal::open(&folder.state_of(manifest, "journal"))?;
    let mut taken = records.len() as u64;
    for (_, frame) in &records {
        outbox.extend(party.receive(frame).unwrap_or_default());
    }
    // 2. Connect until the round is over.
    let end = Instant::now() + timeout;
    let mut pause = Duration::from_millis(100);
    loop {
        let before = taken;
        let round = session(
            line,
            setup,
            &mut party,
            &mut outbox,
            &mut journal,
            &mut taken,
        );
        let left = end.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left, round).await {
            Ok(Ok(())) => return Ok(party),
            Ok(Err(error @ (TransportError::Protocol(_) | TransportError::File { .. }))) => {
                return Err(error)
            }
            Ok(Err(_)) => {}
            Err(_) => return Err(TransportError::TimedOut(timeout.as_secs())),
        }
        pause = if taken > before {
            Duration::from_millis(100)
        } else {
            (2 * pause).min(MAX_PAUSE)
        };
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            // A refused connection is quicker than a timer of no time.
            return Err(TransportError::TimedOut(timeout.as_secs()));
        }
        tokio::time::sleep(pause.min(left)).await;
    }
}

/// Debits the round, once; what aborts stays debited (SOUNDNESS 23). `fresh` is false where the same update was begun
/// with before.
fn debit(manifest: &Manifest, path: &Path, fresh: bool) -> Result<(), TransportError> {
    let terms = Terms::of(manifest).map_err(|e| TransportError::file(path, e))?;
    let Some(terms) = terms else { return Ok(()) };
    let mut budget = Budget::open(path, certificate::target(&terms)?)?;
    match budget.debit(certificate::debit(manifest, &terms)?) {
        Ok(_) => Ok(()),
        // Gone on with: its seed is bound to the same update and noise.
        Err(BudgetError::Repeated(_)) if !fresh => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Why a round that is over gave no sum, if it did not.
fn why_not(party: &Party) -> Option<String> {
    match (party.aggregate(), party.aborted()) {
        (Some(_), _) => None,
        (None, reason) => Some(reason.unwrap_or("the coordinator closed it").to_owned()),
    }
}

/// The seed of this round and update, and whether it was made now: there was none.
fn seed(
    path: &Path,
    update: &Update,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<(Zeroizing<[u8; 32]>, bool), TransportError> {
    let mut hash = Sha256::new();
    for value in update.clipped.iter().chain(&update.noise) {
        hash.update(value.to_le_bytes());
    }
    let digest: [u8; 32] = hash.finalize().into();
    let fresh = !path.exists();
    if fresh {
        let mut bytes = Zeroizing::new([0u8; 64]);
        rng.fill_bytes(&mut bytes[..32]);
        bytes[32..].copy_from_slice(&digest);
        replace(path, &bytes[..]).map_err(|e| TransportError::file(path, e))?;
    }
    let bytes = std::fs::read(path)
        .map(Zeroizing::new)
        .map_err(|e| TransportError::file(path, e))?;
    // Dealing two updates in one round would be signing two contributions.
    match bytes.split_first_chunk::<32>() {
        Some((seed, rest)) if rest == digest => Ok((Zeroizing::new(*seed), fresh)),
        _ => Err(TransportError::file(
            path,
            "this round was begun with another update; give the same one, or start a new round",
        )),
    }
}

/// One connection: sends what the coordinator lacks, takes what it sends.
async fn session(
    line: &Line<'_>,
    setup: &Setup,
    party: &mut Party,
    outbox: &mut Vec<Vec<u8>>,
    journal: &mut Journal,
    taken: &mut u64,
) -> Result<(), TransportError> {
    let name = ServerName::try_from(COORDINATOR).expect("a name");
    let connect = async {
        let stream = TcpStream::connect(line.address).await?;
        stream.set_nodelay(true)?;
        line.connector.connect(name, stream).await
    };
    let connection = tokio::time::timeout(CONNECT, connect).await;
    let mut stream =
        connection.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
    Greeting {
        manifest: *setup.digest(),
        taken: *taken,
    }
    .write(&mut stream)
    .await?;
    let greeting = Greeting::read(&mut stream, setup.digest()).await?;
    let mut sent = usize::try_from(greeting.taken).unwrap_or(usize::MAX);
    if sent > outbox.len() {
        return Err(TransportError::Protocol(
            "it has more frames of this party than there are",
        ));
    }
    let most = setup.most_frame_bytes();
    let (mut input, mut output) = tokio::io::split(stream);
    loop {
        // Reading goes on while frames are written, so that neither side waits for the other.
        let read = read_frame(&mut input, most);
        let write = async {
            for frame in &outbox[sent..] {
                write_frame(&mut output, frame).await?;
            }
            Ok::<(), TransportError>(())
        };
        let (frame, written) = tokio::join!(read, write);
        written?;
        sent = outbox.len();
        let Some(frame) = frame? else { return Ok(()) };
        journal.append(0, &frame)?;
        *taken += 1;
        // A refusal is the round's affair; it is in the machine's list of the blamed.
        outbox.extend(party.receive(&frame).unwrap_or_default());
    }
}
