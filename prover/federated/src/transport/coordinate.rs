//! The coordinator's process.
//!
//! It serves every attempt of a training that it knows, by the manifest's digest in a party's greeting: the last one
//! goes on, and a party that lags behind is sent what it missed of those before.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clearproof_prover::prove::columns::ColumnBases;
use clearproof_shared::encoding::hex;
use clearproof_shared::training::certificate::Certificate;
use sha2::{Digest, Sha256};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{watch, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::certificates::server;
use super::journal::{Journal, TIME_UP};
use super::provision::Folder;
use super::training::{self, Course, Training};
use super::wire::{read_frame, write_frame, Greeting};
use super::TransportError;
use crate::aggregation::coordinator::{Coordinator, Delivery, Step};
use crate::aggregation::setup::Setup;
use crate::aggregation::simulation::recipients;

const HANDSHAKE: Duration = Duration::from_secs(10);
/// Time for parties to fetch what is left when the round is over.
const FAREWELL: Duration = Duration::from_secs(5);

/// An attempt's machine with its queues.
struct Core {
    setup: Arc<Setup>,
    coordinator: Coordinator,
    journal: Journal,
    /// Frames for each party, in order.
    queues: Vec<Vec<Arc<Vec<u8>>>>,
    /// Frames taken of each party.
    taken: Vec<u64>,
    /// The connection that serves each party: the last one.
    serving: Vec<u64>,
    since: Instant,
    step: Step,
    /// It is over and what follows it can be joined: the parties are told.
    closed: bool,
}

/// How a round, or a training of several, ended.
#[derive(Debug)]
pub enum Ended {
    /// With a sum (of each round), and a certificate where enough was seen for one.
    Summed(Box<Option<Certificate>>),
    /// Without a sum, for this reason; a training with the certificate of the rounds that gave one, if any did.
    Failed(String, Box<Option<Certificate>>),
}

struct Shared {
    roster: Vec<String>,
    /// All attempts so far; who lags behind is served what it missed.
    cores: Mutex<Vec<Core>>,
    changed: watch::Sender<u64>,
    log: Box<dyn Fn(&str) + Send + Sync>,
}

impl Core {
    /// An attempt as far as it came before.
    fn open(folder: &Folder, setup: Arc<Setup>, ending: bool) -> Result<Self, TransportError> {
        let parties = setup.manifest().parties.len();
        let (journal, records) = Journal::open(&folder.state_of(setup.manifest(), "journal"))?;
        let mut coordinator = Coordinator::new(Arc::clone(&setup));
        if training::is_constrained(folder) {
            coordinator = coordinator.constrained();
        }
        if ending {
            coordinator = coordinator.ending();
        }
        let mut core = Self {
            coordinator,
            setup,
            journal,
            queues: vec![vec![]; parties],
            taken: vec![0; parties],
            serving: vec![0; parties],
            since: Instant::now(),
            step: Step::Contribute,
            closed: false,
        };
        for (from, frame) in records {
            let deliveries = match from {
                TIME_UP => core.coordinator.time_up(),
                from => {
                    core.taken[usize::from(from)] += 1;
                    core.coordinator.receive(from, &frame).unwrap_or_default()
                }
            };
            core.deliver(deliveries);
        }
        Ok(core)
    }

    fn deliver(&mut self, deliveries: Vec<Delivery>) {
        let parties = self.queues.len();
        for (recipient, frame) in deliveries {
            let frame = Arc::new(frame);
            for to in recipients(recipient, parties) {
                self.queues[usize::from(to)].push(Arc::clone(&frame));
            }
        }
        if self.coordinator.step() != self.step {
            self.step = self.coordinator.step();
            self.since = Instant::now();
        }
    }
}

impl Shared {
    fn cores(&self) -> std::sync::MutexGuard<'_, Vec<Core>> {
        self.cores.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        self.changed.send_modify(|count| *count += 1);
    }
}

/// After an attempt that is over opens what follows it, until one is not over or all is done.
fn follow(
    folder: &Folder,
    training: Option<&Training>,
    course: &mut Course,
    cores: &mut Vec<Core>,
) -> Result<Option<Ended>, TransportError> {
    let (rounds, spare) = training.map_or((1, 0), |t| (t.rounds, t.spare));
    loop {
        let last = cores.last_mut().expect("the first is opened at the start");
        if last.step != Step::Over {
            return Ok(None);
        }
        last.closed = true;
        if let Some(reason) = last.coordinator.failure() {
            course.abort(last.setup.manifest().clone());
            if course.record.aborted() as u32 > spare {
                let certificate = match course.record.rounds() == course.round as usize {
                    true => last.coordinator.certificate(&course.record),
                    false => None,
                };
                let certificate = certificate.filter(|c| !c.body.rounds.is_empty());
                return Ok(Some(Ended::Failed(
                    reason.to_owned(),
                    Box::new(certificate),
                )));
            }
        } else {
            last.coordinator.add_to(&mut course.record);
            let after = last.coordinator.after().flatten();
            if after.is_none() && training.is_some() {
                let reason = "too few holders agree on the model that the sum leads to";
                return Ok(Some(Ended::Failed(reason.to_owned(), Box::new(None))));
            }
            course.finish(after.unwrap_or(course.model));
            if course.round >= rounds {
                let complete = course.record.rounds() == course.round as usize;
                let certificate = last.coordinator.certificate(&course.record);
                return Ok(Some(Ended::Summed(Box::new(
                    certificate.filter(|_| complete),
                ))));
            }
        }
        let setup = last.setup.following(course.manifest(&folder.manifest))?;
        let ending = course.ends_with_the_next(spare);
        cores.push(Core::open(folder, Arc::new(setup), ending)?);
    }
}

/// Relays a round (in a training: round after round, and aborted attempts again) until it is over, and gives the training
/// certificate, or the reason where it ended without a sum. Called again after a crash, it goes on. `step_timeout` ends
/// a step that parties let wait.
///
/// # Errors
/// [`TransportError`] for files and certificates that cannot be used.
pub async fn coordinate(
    folder: &Path,
    listener: TcpListener,
    step_timeout: Duration,
    log: Box<dyn Fn(&str) + Send + Sync>,
) -> Result<Ended, TransportError> {
    let folder = Folder::open(folder)?;
    let bases = ColumnBases::transparent(folder.manifest.log_rows);
    let setup = Arc::new(Setup::new(folder.manifest.clone(), bases)?);
    let acceptor = TlsAcceptor::from(Arc::new(server(&folder.material)?));
    let parties = folder.manifest.parties.len();
    // 1. What was taken before.
    let training = training::read(&folder)?;
    let mut course = Course::new(&folder.manifest);
    let mut cores = vec![Core::open(&folder, setup, false)?];
    let mut ended = follow(&folder, training.as_ref(), &mut course, &mut cores)?;
    let shared = Arc::new(Shared {
        roster: folder.roster()?,
        cores: Mutex::new(cores),
        changed: watch::channel(0).0,
        log,
    });
    // 2. Connections, and the clock.
    let slots = Arc::new(Semaphore::new(4 * parties));
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    let mut over: Option<Instant> = None;
    // Ends with this function, however that ends: no connection outlives its coordinator.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, address) = match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => { (shared.log)(&format!("accepting failed: {error}")); continue; }
                };
                let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
                    (shared.log)(&format!("{address}: refused, too many connections"));
                    continue;
                };
                let (shared, acceptor) = (Arc::clone(&shared), acceptor.clone());
                while connections.try_join_next().is_some() {}
                connections.spawn(async move {
                    if let Err(error) = serve(&shared, &acceptor, stream).await {
                        (shared.log)(&format!("{address}: {error}"));
                    }
                    drop(slot);
                });
            }
            _ = tick.tick() => {
                if let Some(result) = ended.take() {
                    let since = *over.get_or_insert_with(Instant::now);
                    let idle = slots.available_permits() == 4 * parties;
                    if since.elapsed() > FAREWELL || (idle && since.elapsed() > FAREWELL / 5) {
                        return Ok(result);
                    }
                    ended = Some(result);
                    continue;
                }
                let mut cores = shared.cores();
                let core = cores.last_mut().expect("the first is opened at the start");
                if core.step == Step::Over {
                    ended = follow(&folder, training.as_ref(), &mut course, &mut cores)?;
                } else if core.since.elapsed() <= step_timeout {
                    continue;
                } else if training.is_some() && core.coordinator.waits_for_model() {
                    // A sum is out: without a word on its model the training cannot go on, nor back.
                    (shared.log)("waiting for parties to say which model the sum leads to");
                    core.since = Instant::now();
                } else {
                    core.journal.append(TIME_UP, &[])?;
                    let deliveries = core.coordinator.time_up();
                    core.since = Instant::now();
                    core.deliver(deliveries);
                }
                drop(cores);
                shared.wake();
            }
        }
    }
}

/// One party's connection.
async fn serve(
    shared: &Shared,
    acceptor: &TlsAcceptor,
    stream: TcpStream,
) -> Result<(), TransportError> {
    stream.set_nodelay(true)?;
    let timed_out = |_| TransportError::Protocol("no handshake in time");
    let mut stream = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream))
        .await
        .map_err(timed_out)??;
    // 1. Who it is: its certificate is one of the roster's.
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let fingerprint = certificates.first().map(|c| hex(&Sha256::digest(c)));
    let party = fingerprint.and_then(|f| shared.roster.iter().position(|known| *known == f));
    let party = party.ok_or(TransportError::Protocol(
        "its certificate is not in the roster",
    ))?;
    // 2. Where it stands.
    let greeting = tokio::time::timeout(HANDSHAKE, Greeting::read_any(&mut stream)).await;
    let greeting = greeting.map_err(timed_out)??;
    let (attempt, taken, connection, most) = {
        let mut cores = shared.cores();
        let known = |core: &Core| *core.setup.digest() == greeting.manifest;
        let attempt = cores.iter().position(known);
        let attempt = attempt.ok_or(TransportError::Protocol("it runs another round"))?;
        let core = &mut cores[attempt];
        core.serving[party] += 1;
        let most = core.setup.most_frame_bytes();
        (attempt, core.taken[party], core.serving[party], most)
    };
    Greeting {
        manifest: greeting.manifest,
        taken,
    }
    .write(&mut stream)
    .await?;
    shared.wake();
    let (mut input, mut output) = tokio::io::split(stream);
    // 3. Both directions until one ends.
    let reading = async {
        while let Some(frame) = read_frame(&mut input, most).await? {
            let mut cores = shared.cores();
            let core = &mut cores[attempt];
            if core.serving[party] != connection {
                return Err(TransportError::Protocol(
                    "a newer connection of this party took over",
                ));
            }
            if core.closed {
                // Too late to have an effect, so not written down.
                core.taken[party] += 1;
                continue;
            }
            core.journal.append(party as u16, &frame)?;
            core.taken[party] += 1;
            match core.coordinator.receive(party as u16, &frame) {
                Ok(deliveries) => core.deliver(deliveries),
                Err(refusal) => (shared.log)(&format!("party {}: {refusal}", party + 1)),
            }
            drop(cores);
            shared.wake();
        }
        Ok::<(), TransportError>(())
    };
    let writing = async {
        let mut changed = shared.changed.subscribe();
        let mut next = usize::try_from(greeting.taken).unwrap_or(usize::MAX);
        loop {
            let (frames, over) = {
                let cores = shared.cores();
                let core = &cores[attempt];
                if core.serving[party] != connection {
                    return Err(TransportError::Protocol(
                        "a newer connection of this party took over",
                    ));
                }
                let frames = core.queues[party].get(next..).map(<[_]>::to_vec);
                let frames = frames.ok_or(TransportError::Protocol(
                    "it took more frames than there are",
                ))?;
                (frames, core.closed)
            };
            for frame in &frames {
                write_frame(&mut output, frame).await?;
            }
            next += frames.len();
            if over && frames.is_empty() {
                return write_frame(&mut output, &[]).await;
            }
            if frames.is_empty() && changed.changed().await.is_err() {
                return Ok(());
            }
        }
    };
    tokio::select! {
        read = reading => read,
        written = writing => written,
    }
}
