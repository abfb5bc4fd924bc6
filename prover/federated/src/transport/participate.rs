//! A party's process.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clearproof_prover::prove::columns::ColumnBases;
use clearproof_shared::training::manifest::Manifest;
use clearproof_shared::training::terms::Terms;
use rand_core::{CryptoRng, RngCore};
use rustls::pki_types::ServerName;
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use super::certificates::{client, COORDINATOR};
use super::journal::Journal;
use super::provision::{write_new, Folder};
use super::wire::{read_frame, write_frame, Greeting};
use super::TransportError;
use crate::aggregation::party::{Party, Update};
use crate::aggregation::setup::Setup;
use crate::certificate;
use crate::privacy::budget::{Budget, BudgetError};

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
    let connector = TlsConnector::from(Arc::new(client(&folder.material)?));
    let own = folder.path().join(BUDGET);
    debit(&folder.manifest, budget.unwrap_or(&own))?;
    // 1. The seed, bound to the update; then everything that was taken before.
    let seed = seed(&folder, update, rng)?;
    let (mut party, mut outbox) =
        Party::begin(Arc::clone(&setup), &folder.identity()?, update, &seed)?;
    let (mut journal, records) = Journal::open(&folder.state("journal"))?;
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
            &connector,
            address,
            &setup,
            &mut party,
            &mut outbox,
            &mut journal,
            &mut taken,
        );
        let left = end.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left, round).await {
            Ok(Ok(())) => return finished(party),
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
        tokio::time::sleep(pause.min(left)).await;
    }
}

/// Debits the round, once; what aborts stays debited (SOUNDNESS 23).
fn debit(manifest: &Manifest, path: &Path) -> Result<(), TransportError> {
    let terms = Terms::of(manifest).map_err(|e| TransportError::file(path, e))?;
    let Some(terms) = terms else { return Ok(()) };
    let mut budget = Budget::open(path, certificate::target(&terms)?)?;
    match budget.debit(certificate::debit(manifest, &terms)?) {
        // Gone on with: its seed is bound to the same update and noise.
        Ok(_) | Err(BudgetError::Repeated(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn finished(party: Party) -> Result<Party, TransportError> {
    match (party.aggregate(), party.aborted()) {
        (Some(_), _) => Ok(party),
        (None, reason) => Err(TransportError::Aborted(
            reason.unwrap_or("the coordinator closed it").to_owned(),
        )),
    }
}

/// The seed of this round and update, made when there is none.
fn seed(
    folder: &Folder,
    update: &Update,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Zeroizing<[u8; 32]>, TransportError> {
    let mut hash = Sha256::new();
    for value in update.clipped.iter().chain(&update.noise) {
        hash.update(value.to_le_bytes());
    }
    let digest: [u8; 32] = hash.finalize().into();
    let path = folder.state("seed");
    if !path.exists() {
        let mut bytes = Zeroizing::new([0u8; 64]);
        rng.fill_bytes(&mut bytes[..32]);
        bytes[32..].copy_from_slice(&digest);
        write_new(&path, &bytes[..])?;
    }
    let bytes = std::fs::read(&path)
        .map(Zeroizing::new)
        .map_err(|e| TransportError::file(&path, e))?;
    // Dealing two updates in one round would be signing two contributions.
    match bytes.split_first_chunk::<32>() {
        Some((seed, rest)) if rest == digest => Ok(Zeroizing::new(*seed)),
        _ => Err(TransportError::file(
            &path,
            "this round was begun with another update; give the same one, or start a new round",
        )),
    }
}

/// One connection: sends what the coordinator lacks, takes what it sends.
async fn session(
    connector: &TlsConnector,
    address: &str,
    setup: &Setup,
    party: &mut Party,
    outbox: &mut Vec<Vec<u8>>,
    journal: &mut Journal,
    taken: &mut u64,
) -> Result<(), TransportError> {
    let name = ServerName::try_from(COORDINATOR).expect("a name");
    let connect = async {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        connector.connect(name, stream).await
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
