//! What goes on behind the requests: proving, checking, and signing checkpoints, each on a thread of its own.

use std::collections::BTreeMap;
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, Sender};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clearproof_prover::engine::store::{Filter, ProofStatus, StoreError};
use clearproof_shared::log::entry::Mode;

use super::events::Event;
use super::state::{Shared, State};
use crate::queue::{Dispatcher, Outcome};

/// The threads; dropping their senders asks them to end.
pub(super) struct Behind {
    threads: Vec<(Sender<()>, JoinHandle<()>)>,
}

impl Behind {
    /// With a dispatcher, other machines prove.
    pub(super) fn start(state: &Shared, dispatcher: Option<Dispatcher>) -> std::io::Result<Self> {
        let mut threads = vec![spawn("clearproof-checkpoint", state, sign)?];
        match (state.config.mode, dispatcher) {
            (Mode::DecideOnly, _) => {}
            (Mode::Prove, None) => threads.push(spawn("clearproof-prove", state, prove)?),
            (Mode::Prove, Some(dispatcher)) => {
                let work =
                    move |state: &State, stop: &Receiver<()>| hand_out(state, stop, dispatcher);
                threads.push(spawn("clearproof-queue", state, work)?);
            }
        }
        Ok(Self { threads })
    }

    /// Asks the threads to end and waits so long at most; a batch that is in proof then waits in the store again. Returns
    /// whether all ended.
    pub(super) fn stop(self, most: Duration) -> bool {
        let until = Instant::now() + most;
        let (senders, threads): (Vec<_>, Vec<_>) = self.threads.into_iter().unzip();
        drop(senders);
        while threads.iter().any(|thread| !thread.is_finished()) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        threads.iter().all(JoinHandle::is_finished)
    }
}

fn spawn(
    name: &str,
    state: &Shared,
    work: impl FnOnce(&State, &Receiver<()>) + Send + 'static,
) -> std::io::Result<(Sender<()>, JoinHandle<()>)> {
    let (sender, stop) = channel();
    let state = Arc::clone(state);
    let thread = std::thread::Builder::new().name(name.into());
    let thread = thread.spawn(move || work(&state, &stop))?;
    Ok((sender, thread))
}

/// Whether the thread is to end; waits so long for it.
fn ended(stop: &Receiver<()>, wait: Duration) -> bool {
    stop.recv_timeout(wait) != Err(RecvTimeoutError::Timeout)
}

fn sign(state: &State, stop: &Receiver<()>) {
    while !ended(stop, state.config.checkpoint_every) {
        // An empty log needs no checkpoint.
        match state.engine.store().size() {
            Ok(0) => continue,
            Ok(_) => {}
            Err(error) => {
                state.log(&format!("no checkpoint: {error}"));
                continue;
            }
        }
        if let Err(problem) = state.checkpoint() {
            state.log(&format!("no checkpoint: {}", problem.detail));
        }
    }
}

fn prove(state: &State, stop: &Receiver<()>) {
    check_left_over(state, stop);
    // What waits, a batch of each model at a time.
    let mut wait = Duration::ZERO;
    while !ended(stop, wait) {
        let proved = state.engine.prove_pending().unwrap_or_else(|error| {
            state.log(&format!("nothing is proved: {error}"));
            vec![]
        });
        wait = match proved.is_empty() {
            true => state.config.prove_every,
            false => Duration::ZERO,
        };
        for batch in proved {
            state.tell(Event::Proved {
                proof: batch.proof,
                rows: batch.rows.clone(),
            });
            check(state, batch.proof, batch.rows);
        }
    }
}

/// Hands what waits to workers, and takes what they answer.
fn hand_out(state: &State, stop: &Receiver<()>, mut dispatcher: Dispatcher) {
    check_left_over(state, stop);
    let mut trouble = None;
    let mut wait = Duration::ZERO;
    while !ended(stop, wait) {
        wait = state.config.prove_every;
        let turn = dispatcher.turn(&state.engine, &mut |outcome| match outcome {
            Outcome::Proved(batch) => {
                let (proof, rows) = (batch.proof, batch.rows);
                state.tell(Event::Proved {
                    proof,
                    rows: rows.clone(),
                });
                state.tell(Event::Verified { proof, rows });
            }
            Outcome::Failed { rows, reason } => {
                let first = rows.first().copied().unwrap_or_default();
                state.log(&format!(
                    "{} decisions from {first} on cannot be proved: {reason}",
                    rows.len()
                ));
            }
        });
        // The same trouble is told once.
        let now = turn.err().map(|error| error.to_string());
        if now != trouble {
            match &now {
                Some(error) => state.log(&format!("the queue does not answer: {error}")),
                None => state.log("the queue answers again"),
            }
        }
        if now.is_some() {
            wait = wait.max(AFTER_TROUBLE);
        }
        trouble = now;
    }
}

/// Checks the proofs that a stop left unchecked.
fn check_left_over(state: &State, stop: &Receiver<()>) {
    match unchecked(state, stop) {
        Ok(proofs) => {
            for (proof, rows) in proofs {
                if ended(stop, Duration::ZERO) {
                    return;
                }
                check(state, proof, rows);
            }
        }
        Err(error) => state.log(&format!("unchecked proofs are not found: {error}")),
    }
}

fn check(state: &State, proof: u64, rows: Vec<u64>) {
    match state.engine.verify(proof) {
        Ok(()) => state.tell(Event::Verified { proof, rows }),
        Err(error) => {
            let reason = error.to_string();
            state.log(&format!("proof {proof} is not verified: {reason}"));
            state.tell(Event::Failed { proof, reason });
        }
    }
}

/// Attached proofs that were never checked.
fn unchecked(state: &State, stop: &Receiver<()>) -> Result<BTreeMap<u64, Vec<u64>>, StoreError> {
    let mut proofs: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    let mut filter = Filter {
        status: Some(ProofStatus::Proven),
        ..Filter::default()
    };
    loop {
        let page = state.engine.history(&filter, PAGE)?;
        for record in &page {
            if let Some(proof) = record.proof {
                proofs.entry(proof).or_default().insert(0, record.seq);
            }
        }
        filter.before = page.last().map(|record| record.seq);
        if page.len() < PAGE || ended(stop, Duration::ZERO) {
            return Ok(proofs);
        }
    }
}

const PAGE: usize = 1000;
const AFTER_TROUBLE: Duration = Duration::from_secs(1);
