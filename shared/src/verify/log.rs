//! The window of a log: that its entries stand in the signed tree, that none is missing, and what they say together.
//!
//! 1. Claim: with every check passed, the entries of the window are exactly those of the checkpoint's tree from its first
//!    sequence number to its last, each decision names the latest lifecycle entry before it, and its bundle is in force there.
//! 2. Steps: checkpoint and signatures; inclusion of all known leaves at once; completeness; lifecycle; clock; growth since an
//!    earlier checkpoint.
//! 3. Assumed: of a log's key, that the auditor has it from a source they trust. A decision that was never logged is out of
//!    reach, and so is a second log.
//! 4. Source: RFC 6962, C2SP tlog-checkpoint; SOUNDNESS conditions 18 and 19.

use super::report::{names, Lifecycle, LogReport, Outcome, TreeHead, Unproven};
use crate::artifact::evidence::{Evidence, ProvedRows};
use crate::artifact::window::LogWindow;
use crate::encoding::hex;
use crate::log::checkpoint::{Checkpoint, CheckpointError};
use crate::log::entry::{self, Action, Decision, Entry, Mode};
use crate::log::merkle::{leaf_hash, verify_set, Hash};
use crate::log::note::{NoteError, VerifierKey};
use crate::order::by_key;

/// A check, to be added to the report.
pub(super) struct LogCheck {
    pub(super) name: &'static str,
    pub(super) inputs: String,
    pub(super) outcome: Outcome,
    pub(super) reason: String,
}

/// What was found out about a window.
pub(super) struct Checked {
    pub(super) checks: Vec<LogCheck>,
    pub(super) report: LogReport,
    pub(super) not_checked: Vec<String>,
}

/// Sequence numbers and leaf hashes, ascending.
type Leaves = Vec<(u64, Hash)>;

/// An entry of the window or before it.
struct Seen {
    seq: u64,
    time_ms: u64,
    kind: Kind,
}

enum Kind {
    Lifecycle(Box<entry::Lifecycle>),
    Decision {
        lifecycle: entry::LeafRef,
        bundle: Hash,
        proved: bool,
        mode: Mode,
    },
}

/// Checks the window of a file. `leaves`: of each proof's rows; `bundles`: SHA-256 of each of the file's bundles.
pub(super) fn check(
    evidence: &Evidence,
    window: &LogWindow,
    leaves: &[Vec<Hash>],
    bundles: &[Hash],
    log_keys: &[&str],
    witness_keys: &[&str],
) -> Checked {
    let mut checked = Checked {
        checks: vec![],
        report: LogReport {
            origin: evidence.origin.clone(),
            size: 0,
            root: String::new(),
            from: window.from,
            to: window.to,
            earlier: None,
            unproven: vec![],
            lifecycle: vec![],
        },
        not_checked: vec![],
    };
    // 1. The checkpoint.
    let checkpoint = match Checkpoint::parse(&window.checkpoint) {
        Ok(checkpoint) if checkpoint.origin == evidence.origin => checkpoint,
        Ok(_) => {
            checked.failed(
                names::LOG_CHECKPOINT,
                "The checkpoint is another log's than the file names.",
            );
            return checked;
        }
        Err(error) => {
            let reason = ["The checkpoint is refused: ", &error.to_string(), "."].concat();
            checked.add(
                names::LOG_CHECKPOINT,
                String::new(),
                Outcome::Failed,
                reason,
            );
            return checked;
        }
    };
    checked.report.size = checkpoint.size;
    checked.report.root = hex(&checkpoint.root);
    checked.signature(&checkpoint, log_keys);
    checked.witnesses(&checkpoint, witness_keys);
    // Entries of rows follow from their bundle: without it nothing can be said of the window.
    let rows = evidence.proofs.iter().zip(leaves);
    let mut counts = rows.map(|(rows, leaves)| (rows.inputs.rows(), leaves.len()));
    if counts.any(|(rows, leaves)| rows != leaves) {
        for name in [
            names::LOG_INCLUSION,
            names::LOG_WINDOW,
            names::LOG_PROVED,
            names::LOG_LIFECYCLE,
        ] {
            checked.add(name, String::new(), Outcome::Unknown, NO_LEAVES);
        }
        checked.growth(window, &checkpoint, log_keys);
        return checked;
    }
    // 2. Everything known, in order.
    let Some((seen, known)) = checked.collect(evidence, window, leaves, bundles) else {
        return checked;
    };
    // 3. Inclusion.
    let inputs = [
        &known.len().to_string(),
        " leaves, tree of ",
        &checkpoint.size.to_string(),
    ]
    .concat();
    match verify_set(checkpoint.size, &checkpoint.root, &known, &window.inclusion) {
        Ok(()) => checked.add(
            names::LOG_INCLUSION,
            inputs,
            Outcome::Passed,
            "Every entry of the file stands at its place in the signed tree.",
        ),
        Err(error) => {
            let reason = [
                "An entry does not stand in the signed tree: ",
                &error.to_string(),
                ".",
            ];
            checked.add(
                names::LOG_INCLUSION,
                inputs,
                Outcome::Failed,
                reason.concat(),
            );
        }
    }
    checked.completeness(window, &seen);
    checked.lifecycle(window, &seen);
    checked.clock(window, &seen);
    checked.growth(window, &checkpoint, log_keys);
    if !window.timestamps.is_empty() {
        checked.not_checked.push(super::report::TIMESTAMPS.into());
    }
    checked
        .not_checked
        .extend(NOT_SHOWN.iter().map(|text| (*text).to_owned()));
    checked
}

impl Checked {
    fn add(
        &mut self,
        name: &'static str,
        inputs: String,
        outcome: Outcome,
        reason: impl Into<String>,
    ) {
        self.checks.push(LogCheck {
            name,
            inputs,
            outcome,
            reason: reason.into(),
        });
    }

    fn failed(&mut self, name: &'static str, reason: &str) {
        self.add(name, String::new(), Outcome::Failed, reason);
    }

    /// The log's own signature.
    fn signature(&mut self, checkpoint: &Checkpoint, keys: &[&str]) {
        let inputs = [
            "log ",
            &checkpoint.origin,
            ", size ",
            &checkpoint.size.to_string(),
        ]
        .concat();
        let (outcome, reason) = signed(checkpoint, keys);
        self.add(names::LOG_CHECKPOINT, inputs, outcome, reason);
    }

    fn witnesses(&mut self, checkpoint: &Checkpoint, keys: &[&str]) {
        if keys.is_empty() {
            self.not_checked.push(NO_WITNESS.into());
            return;
        }
        let mut names_of = vec![];
        let mut bad = vec![];
        for text in keys {
            match VerifierKey::parse(text).map(|key| (checkpoint.verify_witness(&key), key)) {
                Ok((Ok(_), key)) => names_of.push(key.name().to_owned()),
                Ok((Err(CheckpointError::Note(NoteError::NotSigned)), _)) => {}
                _ => bad.push(*text),
            }
        }
        let inputs = names_of.join(", ");
        let (outcome, reason) = match (names_of.len(), bad.is_empty()) {
            (_, false) => (
                Outcome::Failed,
                "A witness's key cannot be read, or its signature is false.",
            ),
            (0, _) => (Outcome::Unknown, "None of the witnesses that you named signed this checkpoint."),
            _ => (
                Outcome::Passed,
                "Witnesses that you named saw this checkpoint, and no larger tree that contradicts it.",
            ),
        };
        self.add(names::LOG_WITNESSES, inputs, outcome, reason);
    }

    /// All entries in order with their leaves; `None` if they are no ascending list.
    fn collect(
        &mut self,
        evidence: &Evidence,
        window: &LogWindow,
        leaves: &[Vec<Hash>],
        bundles: &[Hash],
    ) -> Option<(Vec<Seen>, Leaves)> {
        let mut seen: Vec<(Seen, Hash)> = vec![];
        for (rows, leaves) in evidence.proofs.iter().zip(leaves) {
            let bundle = bundles.get(rows.bundle).copied().unwrap_or_default();
            seen.extend(proved(rows, bundle, leaves));
        }
        for bytes in &window.entries {
            let Ok(entry) = Entry::decode(bytes) else {
                self.failed(names::LOG_WINDOW, "An entry is no canonical one.");
                return None;
            };
            let (seq, time_ms) = (entry.seq(), entry.time_ms());
            let kind = match entry {
                Entry::Lifecycle(lifecycle) => {
                    self.report.lifecycle.push(told(&lifecycle));
                    Kind::Lifecycle(Box::new(lifecycle))
                }
                Entry::Decision(decision) => {
                    self.report.unproven.push(unproven(&decision));
                    Kind::Decision {
                        lifecycle: decision.lifecycle,
                        bundle: decision.bundle,
                        proved: false,
                        mode: decision.mode,
                    }
                }
            };
            seen.push((Seen { seq, time_ms, kind }, leaf_hash(bytes)));
        }
        let seen = by_key(seen, |(seen, _)| seen.seq);
        if !seen.is_sorted_by(|a, b| a.0.seq < b.0.seq) {
            self.failed(
                names::LOG_WINDOW,
                "A sequence number occurs twice: a decision is covered by two proofs, or by a proof and an entry.",
            );
            return None;
        }
        let known = seen.iter().map(|(seen, leaf)| (seen.seq, *leaf)).collect();
        Some((seen.into_iter().map(|(seen, _)| seen).collect(), known))
    }

    /// That nothing of the window is missing, and that all of it is proved.
    fn completeness(&mut self, window: &LogWindow, seen: &[Seen]) {
        let inside = |seen: &&Seen| (window.from..window.to).contains(&seen.seq);
        let count = seen.iter().filter(inside).count() as u64;
        let stray = seen.iter().find(|seen| {
            let before = seen.seq < window.from && matches!(seen.kind, Kind::Lifecycle(_));
            !before && !inside(seen)
        });
        let inputs = [
            "entries ",
            &window.from.to_string(),
            " to ",
            &(window.to - 1).to_string(),
        ]
        .concat();
        if let Some(stray) = stray {
            let reason = [
                "Entry ",
                &stray.seq.to_string(),
                " is outside the window that the file names.",
            ];
            self.add(names::LOG_WINDOW, inputs, Outcome::Failed, reason.concat());
        } else if count < window.to - window.from {
            let mut next = window.from;
            for seen in seen.iter().filter(inside) {
                if seen.seq != next {
                    break;
                }
                next += 1;
            }
            let missing = (window.to - window.from - count).to_string();
            let reason = [
                "Of the window ",
                &missing,
                " entries are missing, entry ",
                &next.to_string(),
                " first.",
            ];
            self.add(names::LOG_WINDOW, inputs, Outcome::Failed, reason.concat());
        } else {
            let reason = "Every entry of the window is in the file, each once and in order.";
            self.add(names::LOG_WINDOW, inputs, Outcome::Passed, reason);
        }
        let waiting = |seen: &&Seen| {
            matches!(
                seen.kind,
                Kind::Decision {
                    proved: false,
                    mode: Mode::Prove,
                    ..
                }
            )
        };
        let never = |seen: &&Seen| {
            matches!(
                seen.kind,
                Kind::Decision {
                    mode: Mode::DecideOnly,
                    ..
                }
            )
        };
        let (waiting, never) = (
            seen.iter().filter(waiting).count(),
            seen.iter().filter(never).count(),
        );
        let inputs = ["not proved: ", &(waiting + never).to_string()].concat();
        let (outcome, reason) = match (waiting, never) {
            (0, 0) => (Outcome::Passed, "Every decision of the window is proved in this file."),
            (0, _) => (
                Outcome::Unknown,
                "Decisions of the window were made for development, without a proof; nothing is said of them.",
            ),
            _ => (
                Outcome::Unknown,
                "Decisions of the window are not proved in this file; nothing is said of them.",
            ),
        };
        self.add(names::LOG_PROVED, inputs, outcome, reason);
    }

    /// That each decision names the latest lifecycle entry, under which its bundle is in force.
    fn lifecycle(&mut self, window: &LogWindow, seen: &[Seen]) {
        let mut latest: Option<&entry::Lifecycle> = None;
        let mut decisions = 0usize;
        let mut wrong: Option<(u64, String)> = None;
        for seen in seen {
            let found = match &seen.kind {
                Kind::Lifecycle(lifecycle) => {
                    // Before the window entries may be left out between two.
                    let follows = match seen.seq >= window.from || lifecycle.previous.is_none() {
                        true => match (latest, &lifecycle.previous) {
                            (None, Some(_)) => Ok(()),
                            (previous, _) => lifecycle.follows(previous),
                        },
                        false => Ok(()),
                    };
                    latest = Some(lifecycle);
                    follows
                }
                Kind::Decision {
                    lifecycle, bundle, ..
                } => {
                    decisions += 1;
                    match latest {
                        Some(latest) if latest.leaf_ref() == *lifecycle => {
                            match latest.in_force.binary_search(bundle) {
                                Ok(_) => Ok(()),
                                Err(_) => Err(entry::TransitionError::NotInForce),
                            }
                        }
                        _ => Err(entry::TransitionError::Previous),
                    }
                }
            };
            if let Err(error) = found {
                wrong.get_or_insert((seen.seq, error.to_string()));
            }
        }
        let inputs = ["decisions: ", &decisions.to_string()].concat();
        match wrong {
            Some((seq, error)) => {
                let reason = ["Entry ", &seq.to_string(), ": ", &error, "."].concat();
                self.add(names::LOG_LIFECYCLE, inputs, Outcome::Failed, reason);
            }
            None => {
                let reason = "Each decision names the latest change of what is in force, and its model is in force there.";
                self.add(names::LOG_LIFECYCLE, inputs, Outcome::Passed, reason);
            }
        }
        if seen.first().is_none_or(|first| first.seq < window.from) {
            self.not_checked.push(LIFECYCLE_BEFORE.into());
        }
    }

    /// What the backend's clock did.
    fn clock(&mut self, window: &LogWindow, seen: &[Seen]) {
        let inside = seen.iter().filter(|seen| seen.seq >= window.from);
        let times: Vec<(u64, u64)> = inside.map(|seen| (seen.seq, seen.time_ms)).collect();
        let back: Vec<u64> = times
            .windows(2)
            .filter(|pair| pair[1].1 < pair[0].1)
            .map(|pair| pair[1].0)
            .collect();
        let inputs = ["times backwards: ", &back.len().to_string()].concat();
        let reason = match back.first() {
            None => "The times of the window never go backwards.".to_owned(),
            Some(first) => {
                let first = first.to_string();
                [
                    "The backend's clock went backwards, first at entry ",
                    &first,
                    "; the order is the log's.",
                ]
                .concat()
            }
        };
        self.add(names::LOG_CLOCK, inputs, Outcome::Passed, reason);
    }

    /// That the log only grew since an earlier checkpoint.
    fn growth(&mut self, window: &LogWindow, checkpoint: &Checkpoint, keys: &[&str]) {
        let Some(earlier) = &window.earlier else {
            self.not_checked.push(NO_EARLIER.into());
            return;
        };
        let read = Checkpoint::parse(&earlier.checkpoint);
        let (inputs, outcome, reason) = match &read {
            Err(error) => (
                String::new(),
                Outcome::Failed,
                [
                    "The earlier checkpoint is refused: ",
                    &error.to_string(),
                    ".",
                ]
                .concat(),
            ),
            Ok(before) => {
                self.report.earlier = Some(TreeHead {
                    size: before.size,
                    root: hex(&before.root),
                });
                let inputs = ["from size ", &before.size.to_string()].concat();
                let (signature, reason) = signed(before, keys);
                match (signature, checkpoint.extends(before, &earlier.consistency)) {
                    (Outcome::Passed, Ok(())) => {
                        let reason =
                            "The log holds all that it held at the earlier checkpoint, unchanged.";
                        (inputs, Outcome::Passed, reason.to_owned())
                    }
                    (_, Err(error)) => {
                        let reason = ["The log did not only grow: ", &error.to_string(), "."];
                        (inputs, Outcome::Failed, reason.concat())
                    }
                    (outcome, Ok(())) => (inputs, outcome, reason.to_owned()),
                }
            }
        };
        self.add(names::LOG_CONSISTENCY, inputs, outcome, reason);
    }
}

/// Whether a key of the auditor's signed the checkpoint.
fn signed(checkpoint: &Checkpoint, keys: &[&str]) -> (Outcome, &'static str) {
    if keys.is_empty() {
        return (
            Outcome::Unknown,
            "You supplied no key of a log: the signature is not checked.",
        );
    }
    let mut outcome = (
        Outcome::Unknown,
        "No key that you supplied is this log's: the signature is not checked.",
    );
    for text in keys {
        let Ok(key) = VerifierKey::parse(text) else {
            outcome = (
                Outcome::Failed,
                "A log key that you supplied cannot be read.",
            );
            continue;
        };
        match checkpoint.verify_log(&key) {
            Ok(()) => {
                return (
                    Outcome::Passed,
                    "The log signed the checkpoint with a key that you supplied.",
                )
            }
            Err(CheckpointError::OtherKey) => {}
            Err(_) => {
                outcome = (
                    Outcome::Failed,
                    "The checkpoint bears no true signature of the log's key that you supplied.",
                );
            }
        }
    }
    outcome
}

/// The rows of a proof.
fn proved<'a>(
    rows: &'a ProvedRows,
    bundle: Hash,
    leaves: &'a [Hash],
) -> impl Iterator<Item = (Seen, Hash)> + 'a {
    let logged = rows.logged.iter();
    let places = logged.flat_map(|logged| logged.places.iter().map(move |place| (logged, place)));
    places
        .zip(leaves)
        .filter_map(move |((logged, place), leaf)| {
            let seen = Seen {
                seq: place.seq,
                time_ms: place.time_ms,
                kind: Kind::Decision {
                    lifecycle: *logged.lifecycles.get(place.lifecycle as usize)?,
                    bundle,
                    proved: true,
                    mode: Mode::Prove,
                },
            };
            Some((seen, *leaf))
        })
}

fn unproven(decision: &Decision) -> Unproven {
    Unproven {
        seq: decision.seq,
        time_ms: decision.time_ms,
        bundle: hex(&decision.bundle),
        commitment: hex(&decision.commitment),
        released: decision.released.clone(),
        lifecycle: decision.lifecycle.index,
        development: decision.mode == Mode::DecideOnly,
    }
}

fn told(lifecycle: &entry::Lifecycle) -> Lifecycle {
    Lifecycle {
        seq: lifecycle.seq,
        time_ms: lifecycle.time_ms,
        action: match lifecycle.action {
            Action::Registered => "registered",
            Action::Approved => "approved",
            Action::Changed { .. } => "changed",
            Action::Retired => "retired",
        },
        bundle: hex(&lifecycle.subject),
        replaced: match lifecycle.action {
            Action::Changed { replaced } => Some(hex(&replaced)),
            _ => None,
        },
        policy: hex(&lifecycle.policy),
        name: lifecycle.name.clone(),
        by: lifecycle.by.clone(),
        note: lifecycle.note.clone(),
    }
}

const NO_LEAVES: &str =
    "The entries of some rows cannot be computed: their bundle or their statement cannot be used.";
const NO_WITNESS: &str = "That others saw the same log: you named no witness.";
const NO_EARLIER: &str =
    "That the log only grew since you last saw it: the file has no earlier checkpoint.";
const LIFECYCLE_BEFORE: &str =
    "That no change of what is in force stands between the lifecycle entries shown and the window.";
const NOT_SHOWN: &[&str] = &[
    "A decision that was never logged, a second log, and inputs tried but not logged: compare with the records of a venue \
     or broker (`clearproof audit reconcile`).",
    "That the fields of the metadata which a policy read are those of the metadata shown, but where the inputs are disclosed.",
];
