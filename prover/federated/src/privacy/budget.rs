//! The privacy budget of one party's data, kept in a file.
//!
//! 1. Claim: [`Budget::debit`] returns only after the round is in the file and on disk, and refuses a round
//!    with which the total would exceed the promise. Debits are never taken back: a round that aborts may
//!    already have shown its output to somebody.
//! 2. Loss: the composition of all rounds by [`super::accountant::epsilon`] at the promised delta less the
//!    rounds' slack in delta, plus their slack in epsilon.
//! 3. Assumed: the file is this party's alone; an older copy put back is not noticed.
//! 4. Source: SOUNDNESS conditions 23 and 24; Rogers, Roth, Ullman, Vadhan 2016 for why the parameters of
//!    all rounds must be fixed or the sum bounded by the accountant at every step, as here.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::accountant::{epsilon, Mechanism};
use super::distributed::Slack;
use super::{Adjacency, PrivacyError, PrivacyTarget};

/// An open budget; its file is locked meanwhile.
#[derive(Debug)]
pub struct Budget {
    path: PathBuf,
    ledger: Ledger,
    /// Held until dropped.
    _lock: File,
}

/// What the file holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ledger {
    version: u32,
    target: PrivacyTarget,
    rounds: Vec<Debit>,
}

/// One round's entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Debit {
    /// What identifies the round, such as the digest of its manifest, hexadecimal. Debited once only.
    pub round: String,
    /// Its mechanism.
    pub mechanism: Mechanism,
    /// Between which databases its sensitivity is measured.
    pub adjacency: Adjacency,
    /// Added to epsilon: discretisation, sampler.
    pub slack_epsilon: f64,
    /// Added to delta.
    pub slack_delta: f64,
}

impl Debit {
    /// An entry.
    pub fn new(round: &str, mechanism: Mechanism, adjacency: Adjacency, slack: Slack) -> Self {
        Self {
            round: round.into(),
            mechanism,
            adjacency,
            slack_epsilon: slack.epsilon,
            slack_delta: slack.delta,
        }
    }
}

/// Why a budget cannot be opened or debited.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BudgetError {
    /// The round is refused; nothing was written.
    #[error("with this round epsilon would be {would_spend:.4}, above the budget of {epsilon} at delta {delta}; stop, or agree on a new budget")]
    Exceeded {
        /// Loss with the round.
        would_spend: f64,
        /// The promise.
        epsilon: f64,
        /// The promise.
        delta: f64,
    },
    /// The round is in the file already.
    #[error("round {0} has been debited before; its noise must not be drawn again")]
    Repeated(String),
    /// The file is of another promise.
    #[error("the budget {} promises epsilon {epsilon} and delta {delta}, not what is asked for; a promise is never changed", path.display())]
    OtherPromise {
        /// The file.
        path: PathBuf,
        /// Its promise.
        epsilon: f64,
        /// Its promise.
        delta: f64,
    },
    /// Not a budget.
    #[error("{} is no privacy budget ({reason}); restore it from a copy, never start anew", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// Another process has it open.
    #[error("{} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// The disk.
    #[error("cannot {doing} {}: {error}", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The accountant.
    #[error(transparent)]
    Privacy(#[from] PrivacyError),
}

impl Budget {
    /// Opens the budget in a file, or starts one.
    ///
    /// # Errors
    /// [`BudgetError::OtherPromise`], [`BudgetError::Malformed`], [`BudgetError::InUse`], [`BudgetError::File`].
    pub fn open(path: &Path, target: PrivacyTarget) -> Result<Self, BudgetError> {
        // 1. A lock beside the file, since the file itself is replaced.
        let lock_path = beside(path, "lock");
        let lock = File::options().create(true).append(true).open(&lock_path);
        let lock = lock.map_err(|error| file_error("open", &lock_path, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(BudgetError::InUse(path.into())),
            Err(TryLockError::Error(error)) => return Err(file_error("lock", &lock_path, error)),
        }
        // 2. What was spent before.
        let ledger = match File::open(path) {
            Ok(file) => read(path, file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ledger {
                version: VERSION,
                target,
                rounds: vec![],
            },
            Err(error) => return Err(file_error("open", path, error)),
        };
        if ledger.target != target {
            return Err(BudgetError::OtherPromise {
                path: path.into(),
                epsilon: ledger.target.epsilon,
                delta: ledger.target.delta,
            });
        }
        let budget = Self {
            path: path.into(),
            ledger,
            _lock: lock,
        };
        budget.write(&budget.ledger)?;
        Ok(budget)
    }

    /// The promise.
    pub fn target(&self) -> PrivacyTarget {
        self.ledger.target
    }

    /// The rounds debited so far.
    pub fn rounds(&self) -> &[Debit] {
        &self.ledger.rounds
    }

    /// Epsilon spent so far, at the promised delta.
    ///
    /// # Errors
    /// [`BudgetError::Privacy`].
    pub fn spent(&self) -> Result<f64, BudgetError> {
        Ok(spent(&self.ledger)?)
    }

    /// Debits a round before anything of it leaves this machine; returns epsilon spent with it.
    ///
    /// # Errors
    /// [`BudgetError::Exceeded`], [`BudgetError::Repeated`]; [`PrivacyError::Adjacency`];
    /// [`BudgetError::File`], after which the round must not be run.
    pub fn debit(&mut self, debit: Debit) -> Result<f64, BudgetError> {
        let target = self.ledger.target;
        if debit.adjacency != target.adjacency {
            let (expected, got) = (target.adjacency, debit.adjacency);
            return Err(PrivacyError::Adjacency { expected, got }.into());
        }
        debit_is_sound(&debit)?;
        if self.ledger.rounds.iter().any(|r| r.round == debit.round) {
            return Err(BudgetError::Repeated(debit.round));
        }
        let mut with = self.ledger.clone();
        with.rounds.push(debit);
        let would_spend = spent(&with)?;
        // A NaN is above.
        if would_spend
            .partial_cmp(&target.epsilon)
            .is_none_or(|order| order.is_gt())
        {
            return Err(BudgetError::Exceeded {
                would_spend,
                epsilon: target.epsilon,
                delta: target.delta,
            });
        }
        self.write(&with)?;
        self.ledger = with;
        Ok(would_spend)
    }

    /// Writes beside, syncs, renames, syncs the directory.
    fn write(&self, ledger: &Ledger) -> Result<(), BudgetError> {
        let text = serde_json::to_string_pretty(ledger).expect("numbers and strings");
        let new = beside(&self.path, "new");
        let written = File::create(&new).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(|error| file_error("write", &new, error))?;
        let renamed = fs::rename(&new, &self.path).and_then(|()| {
            let directory = self.path.parent().filter(|p| !p.as_os_str().is_empty());
            File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
        });
        renamed.map_err(|error| file_error("replace", &self.path, error))
    }
}

fn read(path: &Path, file: File) -> Result<Ledger, BudgetError> {
    let malformed = |reason: String| BudgetError::Malformed {
        path: path.into(),
        reason,
    };
    let mut text = String::new();
    file.take(MOST_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|e| malformed(e.to_string()))?;
    if text.len() as u64 > MOST_BYTES {
        return Err(malformed("it is larger than 64 MiB".into()));
    }
    let ledger: Ledger = serde_json::from_str(&text).map_err(|e| malformed(e.to_string()))?;
    if ledger.version != VERSION {
        return Err(malformed(format!("version {} is unknown", ledger.version)));
    }
    for debit in &ledger.rounds {
        debit_is_sound(debit).map_err(|e| malformed(e.to_string()))?;
        if debit.adjacency != ledger.target.adjacency {
            return Err(malformed("its rounds differ in adjacency".into()));
        }
    }
    Ok(ledger)
}

fn debit_is_sound(debit: &Debit) -> Result<(), PrivacyError> {
    debit.mechanism.check()?;
    if debit.adjacency == Adjacency::AddRemoveParty {
        let q = debit.mechanism.sampling_rate;
        super::check(q == 1.0, "sampling rate of parties", q, "1")?;
    }
    for slack in [debit.slack_epsilon, debit.slack_delta] {
        super::check(
            slack.is_finite() && slack >= 0.0,
            "slack",
            slack,
            "a number not below zero",
        )?;
    }
    Ok(())
}

fn spent(ledger: &Ledger) -> Result<f64, PrivacyError> {
    // Equal rounds are one mechanism of more steps.
    let mut mechanisms: Vec<Mechanism> = vec![];
    let (mut slack_epsilon, mut slack_delta) = (0.0, 0.0);
    for debit in &ledger.rounds {
        let new = debit.mechanism;
        let equal = |m: &&mut Mechanism| {
            m.noise_multiplier == new.noise_multiplier && m.sampling_rate == new.sampling_rate
        };
        match mechanisms.iter_mut().find(equal) {
            Some(known) => known.steps = known.steps.saturating_add(new.steps),
            None => mechanisms.push(new),
        }
        slack_epsilon += debit.slack_epsilon;
        slack_delta += debit.slack_delta;
    }
    let delta = ledger.target.delta - slack_delta;
    if delta <= 0.0 {
        return Ok(f64::INFINITY);
    }
    Ok((epsilon(&mechanisms, delta)? + slack_epsilon) * (1.0 + f64::EPSILON))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

fn file_error(doing: &'static str, path: &Path, error: io::Error) -> BudgetError {
    BudgetError::File {
        doing,
        path: path.into(),
        error,
    }
}

const VERSION: u32 = 1;
const MOST_BYTES: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn target(epsilon: f64) -> PrivacyTarget {
        PrivacyTarget::new(epsilon, 1e-5, Adjacency::AddRemoveRecord).unwrap()
    }

    fn round(name: &str) -> Debit {
        let slack = Slack {
            epsilon: 1e-9,
            delta: 1e-12,
        };
        let mechanism = Mechanism::new(2.0, 0.1, 10).unwrap();
        Debit::new(name, mechanism, Adjacency::AddRemoveRecord, slack)
    }

    #[test]
    fn the_round_that_would_exceed_it_is_refused_also_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("budget.json");
        let mut budget = Budget::open(&path, target(1.0)).unwrap();
        let mut rounds = 0;
        let refused = loop {
            let before = fs::read(&path).unwrap();
            match budget.debit(round(&rounds.to_string())) {
                Ok(spent) => assert!(spent <= 1.0 && spent == budget.spent().unwrap()),
                Err(error) => {
                    assert_eq!(fs::read(&path).unwrap(), before, "nothing is written");
                    break error;
                }
            }
            rounds += 1;
        };
        assert!(matches!(refused, BudgetError::Exceeded { would_spend, .. } if would_spend > 1.0));
        assert!(rounds >= 1);
        let spent = budget.spent().unwrap();
        drop(budget);
        let mut budget = Budget::open(&path, target(1.0)).unwrap();
        assert_eq!(
            (budget.rounds().len(), budget.spent().unwrap()),
            (rounds, spent)
        );
        assert!(matches!(
            budget.debit(round("again")),
            Err(BudgetError::Exceeded { .. })
        ));
        assert!(matches!(
            budget.debit(round("0")),
            Err(BudgetError::Repeated(_))
        ));
    }

    #[test]
    fn promises_and_adjacencies_do_not_change() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("budget.json");
        let mut budget = Budget::open(&path, target(3.0)).unwrap();
        let mut other = round("0");
        other.adjacency = Adjacency::AddRemoveParty;
        let refused = budget.debit(other).unwrap_err();
        assert!(matches!(
            refused,
            BudgetError::Privacy(PrivacyError::Adjacency { .. })
        ));
        assert!(matches!(
            Budget::open(&path, target(3.0)),
            Err(BudgetError::InUse(_))
        ));
        drop(budget);
        assert!(matches!(
            Budget::open(&path, target(4.0)),
            Err(BudgetError::OtherPromise { .. })
        ));
    }

    #[test]
    fn parties_are_not_amplified() {
        let directory = tempfile::tempdir().unwrap();
        let target = PrivacyTarget::new(3.0, 1e-5, Adjacency::AddRemoveParty).unwrap();
        let mut budget = Budget::open(&directory.path().join("b"), target).unwrap();
        let mut debit = round("0");
        debit.adjacency = Adjacency::AddRemoveParty;
        let refused = budget.debit(debit.clone()).unwrap_err();
        assert!(
            refused.to_string().contains("sampling rate of parties"),
            "{refused}"
        );
        debit.mechanism = Mechanism::new(20.0, 1.0, 1).unwrap();
        assert!(budget.debit(debit).is_ok());
    }

    #[test]
    fn slack_counts() {
        let directory = tempfile::tempdir().unwrap();
        let mut budget = Budget::open(&directory.path().join("b"), target(1.0)).unwrap();
        let plain = budget.debit(round("0")).unwrap();
        let mut loose = round("1");
        (loose.mechanism.noise_multiplier, loose.slack_epsilon) = (1000.0, 0.1);
        assert!(budget.debit(loose).unwrap() > plain + 0.1);
        let mut loose = round("2");
        loose.slack_delta = 1e-5;
        assert!(matches!(
            budget.debit(loose),
            Err(BudgetError::Exceeded { .. })
        ));
        let mut bad = round("3");
        bad.slack_epsilon = -1.0;
        assert!(matches!(budget.debit(bad), Err(BudgetError::Privacy(_))));
    }

    #[test]
    fn damaged_files_are_refused_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("budget.json");
        Budget::open(&path, target(1.0))
            .unwrap()
            .debit(round("0"))
            .unwrap();
        let good = fs::read_to_string(&path).unwrap();
        let bad = [
            String::new(),
            good[..good.len() / 2].into(),
            good.replace("\"version\": 1", "\"version\": 2"),
            good.replace("\"steps\": 10", "\"steps\": 0"),
            good.replace("\"slack_epsilon\": 1e-9", "\"slack_epsilon\": -5.0"),
            good.replace("\"rounds\"", "\"sounds\""),
        ];
        for text in bad {
            assert_ne!(text, good);
            fs::write(&path, &text).unwrap();
            let error = Budget::open(&path, target(1.0)).unwrap_err();
            assert!(matches!(error, BudgetError::Malformed { .. }), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
