//! The one thread that appends: it gives sequence numbers, names the lifecycle entry in force, carries running totals on,
//! and lets many waiting decisions share one durable append.

use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc::{sync_channel, Receiver, SyncSender};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use clearproof_shared::commitment::metadata::metadata_digest;
use clearproof_shared::log::entry::{self, Action, Entry, LeafRef, Lifecycle, Mode};
use clearproof_shared::log::merkle::{leaf_hash, Hash};
use rand_core::{OsRng, RngCore};
use zeroize::Zeroizing;

use super::model::{DecideError, Model, Outcome};
use super::secret::Secret;
use super::store::{is_request_id, searchable, Filter, NewRecord, RecordKind, Store, StoreError};
use super::trade::{Decision, Trade};
use super::Keeper;
use crate::prove::{commit_row, CommittedRow, Row};

/// Most decisions that one append takes.
const MOST_AT_ONCE: usize = 512;
/// Decisions that may wait for the writer before callers are held up.
const WAITING: usize = 4096;

type Models = Arc<RwLock<BTreeMap<Hash, Arc<Model>>>>;
/// A running total: window of time and value after the latest decision.
type Totals = HashMap<Hash, Vec<(u64, i64)>>;

pub(super) struct Writer {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    models: Models,
    state: Arc<Mutex<State>>,
    store: Arc<dyn Store>,
    keeper: Arc<dyn Keeper>,
}

/// What the next entry follows from.
struct State {
    size: u64,
    lifecycle: Option<(LeafRef, Lifecycle)>,
    totals: Totals,
    /// The state after an append that failed: whether it took place is not known until the store has settled.
    unsettled: Option<Box<State>>,
}

impl State {
    /// Finds out whether an append that failed took place after all.
    fn settle(&mut self, size: impl FnOnce() -> Result<u64, StoreError>) -> Result<(), StoreError> {
        let Some(after) = self.unsettled.take() else {
            return Ok(());
        };
        let found = size();
        match &found {
            Ok(size) if *size == after.size => *self = *after,
            Ok(size) if *size == self.size => {}
            _ => self.unsettled = Some(after),
        }
        match (found?, &self.unsettled) {
            (_, None) => Ok(()),
            (size, Some(_)) => Err(StoreError::Corrupt {
                seq: size.min(self.size),
                what: "the store holds another number of entries than were written; restart, which checks them all",
            }),
        }
    }
}

enum Job {
    Decide(Box<Prepared>, SyncSender<Result<Decision, DecideError>>),
    Lifecycle {
        action: Action,
        subject: Hash,
        by: String,
        note: String,
        answer: SyncSender<Result<u64, DecideError>>,
    },
}

/// A trade made ready by its caller: all that needs no order.
struct Prepared {
    model: Arc<Model>,
    request_id: Option<String>,
    metadata: String,
    integers: Vec<i64>,
    saturated: Vec<String>,
    salt: [u8; 32],
    /// Of models without running totals.
    decided: Option<(Outcome, CommittedRow)>,
}

impl Writer {
    pub(super) fn start(
        store: Arc<dyn Store>,
        keeper: Arc<dyn Keeper>,
        models: Models,
        mode: Mode,
    ) -> Result<Self, StoreError> {
        let size = store.size()?;
        let latest = match size {
            0 => None,
            size => store.latest_lifecycle(size - 1)?,
        };
        let lifecycle = match latest {
            None => None,
            Some((seq, bytes)) => match Entry::decode(&bytes) {
                Ok(Entry::Lifecycle(lifecycle)) => Some((lifecycle.leaf_ref(), lifecycle)),
                _ => {
                    return Err(StoreError::Corrupt {
                        seq,
                        what: "the lifecycle entry cannot be read",
                    })
                }
            },
        };
        let state = Arc::new(Mutex::new(State {
            size,
            lifecycle,
            totals: HashMap::new(),
            unsettled: None,
        }));
        let (jobs, inbox) = sync_channel(WAITING);
        let appender = Appender {
            store: Arc::clone(&store),
            keeper: Arc::clone(&keeper),
            models: Arc::clone(&models),
            state: Arc::clone(&state),
            mode,
        };
        let thread = std::thread::Builder::new()
            .name("clearproof-log".into())
            .spawn(move || appender.run(&inbox))
            .map_err(|e| StoreError::Backend(Box::new(e)))?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
            models,
            state,
            store,
            keeper,
        })
    }

    /// Reads a model's running totals back from its latest decision.
    pub(super) fn recover(&self, model: &Model) -> Result<(), StoreError> {
        let digest = model.digest();
        let filter = Filter {
            bundle: Some(digest),
            kind: Some(RecordKind::Prove),
            ..Filter::default()
        };
        let Some(latest) = self.store.history(&filter, 1)?.pop() else {
            return Ok(());
        };
        let corrupt = StoreError::Corrupt {
            seq: latest.seq,
            what: "what was sealed with the record does not open; is this the log's sealing key?",
        };
        let sealed = self.store.sealed(latest.seq..latest.seq + 1)?;
        let opened = sealed.first().and_then(|s| self.keeper.open(latest.seq, s));
        let Some(secret) = opened.and_then(|bytes| Secret::from_bytes(&bytes)) else {
            return Err(corrupt);
        };
        let windows = model.policy.iter().flat_map(|policy| &policy.totals);
        let totals = windows.enumerate().map(|(j, total)| {
            let after = model.total_after(&secret.inputs, j).unwrap_or(0);
            (latest.time_ms / total.window_ms, after)
        });
        let totals = totals.collect();
        self.state().totals.insert(digest, totals);
        Ok(())
    }

    pub(super) fn in_force(&self) -> Result<Hash, DecideError> {
        let state = self.state();
        let in_force = state
            .lifecycle
            .as_ref()
            .map_or(&[][..], |(_, l)| &l.in_force);
        match in_force {
            [one] => Ok(*one),
            [] => Err(DecideError::Model(
                "no model is in force; register one and approve it".into(),
            )),
            _ => Err(DecideError::Model(
                "several models are in force; name the one that is to decide".into(),
            )),
        }
    }

    /// All are sent before the first answer is awaited, so that they share appends and keep their order.
    pub(super) fn decide_all(&self, trades: Vec<Trade>) -> Vec<Result<Decision, DecideError>> {
        let sent: Vec<_> = trades.into_iter().map(|trade| self.send(trade)).collect();
        sent.into_iter()
            .map(|sent| sent?.recv().map_err(|_| DecideError::Stopped)?)
            .collect()
    }

    /// Sends a trade to the one thread that appends; its answer comes once the decision is durable.
    fn send(&self, trade: Trade) -> Result<Receiver<Result<Decision, DecideError>>, DecideError> {
        let digest = match trade.model {
            Some(digest) => digest,
            None => self.in_force()?,
        };
        let models = self.models.read().unwrap_or_else(|e| e.into_inner());
        let Some(model) = models.get(&digest).map(Arc::clone) else {
            return Err(DecideError::Model(
                "the model that is to decide is not loaded here; load its compiled folder".into(),
            ));
        };
        drop(models);
        let (integers, saturated) = model.integers(&trade)?;
        let metadata = match trade.metadata.is_empty() {
            true => String::new(),
            false => serde_json::Value::Object(trade.metadata).to_string(),
        };
        // What the store would refuse must not reach an append that others share.
        searchable(&metadata).map_err(|what| DecideError::Trade(what.into()))?;
        if trade
            .request_id
            .as_ref()
            .is_some_and(|id| !is_request_id(id))
        {
            return Err(DecideError::Trade(
                "the request id is empty, longer than 256 bytes or holds a zero byte".into(),
            ));
        }
        let decided = match model.has_totals() {
            true => None,
            false => Some(decided(&model, integers.clone(), &metadata)?),
        };
        let mut salt = [0; 32];
        OsRng.fill_bytes(&mut salt);
        let prepared = Prepared {
            model,
            request_id: trade.request_id,
            metadata,
            integers,
            saturated,
            salt,
            decided,
        };
        let (answer, wait) = sync_channel(1);
        let jobs = self.jobs.as_ref().ok_or(DecideError::Stopped)?;
        let sent = jobs.send(Job::Decide(Box::new(prepared), answer));
        sent.map_err(|_| DecideError::Stopped)?;
        Ok(wait)
    }

    pub(super) fn lifecycle(
        &self,
        action: Action,
        subject: Hash,
        by: &str,
        note: &str,
    ) -> Result<u64, DecideError> {
        if by.is_empty() || by.len() > entry::MAX_NAME || note.len() > entry::MAX_NOTE {
            return Err(DecideError::Model(format!(
                "say who does it, in at most {} bytes, and why, in at most {}",
                entry::MAX_NAME,
                entry::MAX_NOTE
            )));
        }
        let (answer, wait) = sync_channel(1);
        let jobs = self.jobs.as_ref().ok_or(DecideError::Stopped)?;
        let sent = jobs.send(Job::Lifecycle {
            action,
            subject,
            by: by.to_owned(),
            note: note.to_owned(),
            answer,
        });
        sent.map_err(|_| DecideError::Stopped)?;
        wait.recv().map_err(|_| DecideError::Stopped)?
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Drop for Writer {
    /// What waits is appended before the thread ends.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The integer model's answer, and a fresh commitment to the row.
fn decided(
    model: &Model,
    integers: Vec<i64>,
    metadata: &str,
) -> Result<(Outcome, CommittedRow), DecideError> {
    let outcome = model.eval(&integers);
    let row = Row {
        input: integers,
        metadata: metadata.as_bytes().to_vec(),
    };
    Ok((outcome, commit_row(&model.artifact, row, &mut OsRng)?))
}

struct Appender {
    store: Arc<dyn Store>,
    keeper: Arc<dyn Keeper>,
    models: Models,
    state: Arc<Mutex<State>>,
    mode: Mode,
}

/// An answer that waits for its record to be durable.
enum Answer {
    Decision(Decision, SyncSender<Result<Decision, DecideError>>),
    Lifecycle(u64, SyncSender<Result<u64, DecideError>>),
}

impl Appender {
    fn run(&self, inbox: &Receiver<Job>) {
        while let Ok(first) = inbox.recv() {
            let mut jobs = vec![first];
            while jobs.len() < MOST_AT_ONCE {
                match inbox.try_recv() {
                    Ok(job) => jobs.push(job),
                    Err(_) => break,
                }
            }
            self.append(jobs);
        }
    }

    /// Appends what was asked for, all or nothing, and answers.
    fn append(&self, jobs: Vec<Job>) {
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        if let Err(error) = state.settle(|| self.store.settled_size()) {
            let error = Arc::new(error);
            for job in jobs {
                let error = DecideError::Store(Arc::clone(&error));
                match job {
                    Job::Decide(_, answer) => drop(answer.send(Err(error))),
                    Job::Lifecycle { answer, .. } => drop(answer.send(Err(error))),
                }
            }
            return;
        }
        // 1. Entries, as if each before was in the log already.
        let mut next = State {
            size: state.size,
            lifecycle: state.lifecycle.clone(),
            totals: state.totals.clone(),
            unsettled: None,
        };
        let mut records = Vec::with_capacity(jobs.len());
        let mut answers = Vec::with_capacity(jobs.len());
        let mut named: HashMap<String, usize> = HashMap::new();
        let mut doubled = Vec::new();
        for job in jobs {
            match job {
                Job::Decide(prepared, answer) => {
                    if let Some(id) = &prepared.request_id {
                        if named.contains_key(id) {
                            doubled.push((id.clone(), answer));
                            continue;
                        }
                        match self.before(id) {
                            Ok(None) => {}
                            Ok(Some(decision)) => {
                                let _ = answer.send(Ok(decision));
                                continue;
                            }
                            Err(error) => {
                                let _ = answer.send(Err(error));
                                continue;
                            }
                        }
                    }
                    match self.record(&mut next, *prepared) {
                        Ok((record, decision)) => {
                            if let Some(id) = &record.request_id {
                                named.insert(id.clone(), records.len());
                            }
                            records.push(record);
                            answers.push(Answer::Decision(decision, answer));
                        }
                        Err(error) => {
                            let _ = answer.send(Err(error));
                        }
                    }
                }
                Job::Lifecycle {
                    action,
                    subject,
                    by,
                    note,
                    answer,
                } => match self.change(&mut next, action, subject, by, note) {
                    Ok(record) => {
                        answers.push(Answer::Lifecycle(record.entry.seq(), answer));
                        records.push(record);
                    }
                    Err(error) => {
                        let _ = answer.send(Err(error));
                    }
                },
            }
        }
        // 2. Durable, then told.
        let appended = match records.is_empty() {
            true => Ok(()),
            false => self.store.append(&records).map_err(Arc::new),
        };
        match appended {
            Ok(()) => *state = next,
            Err(_) => state.unsettled = Some(Box::new(next)),
        }
        drop(state);
        for answer in answers {
            let failed = appended.clone().err().map(DecideError::Store);
            match (answer, failed) {
                (Answer::Decision(decision, to), None) => drop(to.send(Ok(decision))),
                (Answer::Decision(_, to), Some(error)) => drop(to.send(Err(error))),
                (Answer::Lifecycle(seq, to), None) => drop(to.send(Ok(seq))),
                (Answer::Lifecycle(_, to), Some(error)) => drop(to.send(Err(error))),
            }
        }
        // 3. The same request twice in one append: the second gets the first one's answer.
        for (id, answer) in doubled {
            let found = match &appended {
                Err(error) => Err(DecideError::Store(Arc::clone(error))),
                Ok(()) => self.before(&id),
            };
            let _ = answer.send(found.and_then(|found| found.ok_or(DecideError::Stopped)));
        }
    }

    /// The decision that a request got before.
    fn before(&self, request_id: &str) -> Result<Option<Decision>, DecideError> {
        let store = |error| DecideError::Store(Arc::new(error));
        let Some(seq) = self.store.by_request_id(request_id).map_err(store)? else {
            return Ok(None);
        };
        let record = self.store.record(seq).map_err(store)?;
        let bytes = self.store.entry(seq).map_err(store)?;
        let Ok(Entry::Decision(entry)) = Entry::decode(&bytes) else {
            return Err(store(StoreError::Corrupt {
                seq,
                what: "the entry of a request is no decision",
            }));
        };
        let models = self.models.read().unwrap_or_else(|e| e.into_inner());
        let model = models.get(&entry.bundle);
        Ok(Some(Decision {
            seq,
            receipt: leaf_hash(&bytes),
            time_ms: entry.time_ms,
            model: entry.bundle,
            compliant: record.compliant,
            reason: record.reason,
            rule: record.reason.and_then(|reason| model?.rule(reason)),
            released: entry.released,
            repeated: true,
            saturated: Vec::new(),
        }))
    }

    fn record(
        &self,
        next: &mut State,
        prepared: Prepared,
    ) -> Result<(NewRecord, Decision), DecideError> {
        let model = prepared.model;
        let bundle = model.digest();
        // 1. In force, here and now.
        let in_force = next.lifecycle.as_ref();
        let in_force = in_force.filter(|(_, l)| l.in_force.binary_search(&bundle).is_ok());
        let Some((lifecycle, _)) = in_force else {
            return Err(DecideError::Model(format!(
                "the model \"{}\" is not in force; approve it first",
                model.name
            )));
        };
        let time_ms = now_ms();
        let seq = next.size;
        // 2. The outcome, with running totals where there are some.
        let (outcome, committed) = match prepared.decided {
            Some(decided) => decided,
            None => {
                let (integers, totals) =
                    carry(&model, next.totals.get(&bundle), prepared.integers, time_ms);
                let made = decided(&model, integers, &prepared.metadata)?;
                next.totals.insert(bundle, totals);
                made
            }
        };
        // 3. Entry and record.
        let entry = Entry::Decision(entry::Decision {
            seq,
            time_ms,
            lifecycle: *lifecycle,
            bundle,
            mode: self.mode,
            commitment: committed.commitment(),
            released: outcome.released.clone(),
            metadata: metadata_digest(&prepared.salt, prepared.metadata.as_bytes()),
        });
        let secret = Secret {
            inputs: Zeroizing::new(committed.row().input.clone()),
            blinding: committed.blinding(),
            salt: prepared.salt,
        };
        let decision = Decision {
            seq,
            receipt: entry.leaf_hash(),
            time_ms,
            model: bundle,
            compliant: outcome.compliant,
            reason: outcome.reason,
            rule: outcome.reason.and_then(|reason| model.rule(reason)),
            released: outcome.released,
            repeated: false,
            saturated: prepared.saturated,
        };
        let record = NewRecord {
            entry,
            request_id: prepared.request_id,
            compliant: outcome.compliant,
            reason: outcome.reason,
            metadata: prepared.metadata,
            sealed: self.keeper.seal(seq, &secret.to_bytes()),
        };
        next.size += 1;
        Ok((record, decision))
    }

    fn change(
        &self,
        next: &mut State,
        action: Action,
        subject: Hash,
        by: String,
        note: String,
    ) -> Result<NewRecord, DecideError> {
        let previous = next.lifecycle.as_ref().map(|(_, lifecycle)| lifecycle);
        let mut lifecycle = Lifecycle::after(previous, next.size, now_ms(), action, subject)?;
        let models = self.models.read().unwrap_or_else(|e| e.into_inner());
        let Some(model) = models.get(&subject) else {
            if action != Action::Retired {
                return Err(DecideError::Model(
                    "the model is not loaded here; load its compiled folder first".into(),
                ));
            }
            drop(models);
            return Ok(self.lifecycle_record(next, lifecycle, by, note));
        };
        lifecycle.name.clone_from(&model.name);
        lifecycle.policy = model
            .policy
            .as_ref()
            .map_or([0; 32], |policy| policy.digest());
        drop(models);
        Ok(self.lifecycle_record(next, lifecycle, by, note))
    }

    fn lifecycle_record(
        &self,
        next: &mut State,
        mut lifecycle: Lifecycle,
        by: String,
        note: String,
    ) -> NewRecord {
        lifecycle.by = by;
        lifecycle.note = note;
        next.lifecycle = Some((lifecycle.leaf_ref(), lifecycle.clone()));
        next.size += 1;
        NewRecord {
            entry: Entry::Lifecycle(lifecycle),
            request_id: None,
            compliant: None,
            reason: None,
            metadata: String::new(),
            sealed: Vec::new(),
        }
    }
}

/// The row with its running totals, and the totals after it. A window of time that begins has zero; a clock that goes back
/// begins none.
fn carry(
    model: &Model,
    before: Option<&Vec<(u64, i64)>>,
    mut integers: Vec<i64>,
    time_ms: u64,
) -> (Vec<i64>, Vec<(u64, i64)>) {
    let totals = model.policy.iter().flat_map(|policy| &policy.totals);
    let mut carried: Vec<(u64, i64)> = Vec::new();
    for (j, total) in totals.enumerate() {
        let now = time_ms / total.window_ms;
        let known = before.and_then(|before| before.get(j)).copied();
        carried.push(match known {
            Some((window, value)) if now <= window => (window, value),
            _ => (now, 0),
        });
    }
    for (j, (_, value)) in carried.iter().enumerate() {
        model.put_total(&mut integers, j, *value, *value);
    }
    // The decision reads the totals before it alone.
    if model.eval(&integers).compliant == Some(true) {
        for (j, share) in model.shares(&integers).into_iter().enumerate() {
            let value = carried[j].1;
            carried[j].1 = value + share;
            model.put_total(&mut integers, j, value, value + share);
        }
    }
    (integers, carried)
}

/// The clock: what it says is recorded, also where it goes backwards.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(size: u64, after: Option<u64>) -> State {
        State {
            size,
            lifecycle: None,
            totals: Totals::default(),
            unsettled: after.map(|size| Box::new(state(size, None))),
        }
    }

    #[test]
    fn a_failed_append_is_settled_before_the_next_one() {
        // It did not take place, it did, nobody can say yet, and something else has happened.
        let failed = || StoreError::Backend("no answer".into());
        let mut settled = state(7, None);
        settled.settle(|| Err(failed())).expect("nothing to settle");
        for (found, size) in [(7, 7), (9, 9)] {
            let mut state = state(7, Some(9));
            assert!(state.settle(|| Err(failed())).is_err());
            state.settle(|| Ok(found)).expect("settled");
            assert_eq!((state.size, state.unsettled.is_none()), (size, true));
        }
        for found in [6, 8, 10] {
            let mut state = state(7, Some(9));
            for _ in 0..2 {
                let error = state.settle(|| Ok(found)).expect_err("another log");
                assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
            }
        }
    }
}
