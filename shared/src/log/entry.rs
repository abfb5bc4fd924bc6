//! The log's entries: decisions and the lifecycle of the bundles that they name.
//!
//! 1. Claim: an entry has one encoding, and its sequence number is the index of its leaf. A decision
//!    names the latest lifecycle entry before it, a lifecycle entry the lifecycle entry before it, each by
//!    index and leaf hash; so the bundles in force at a decision follow from one entry.
//! 2. Layout: deterministic CBOR, docs/log.cddl; times are Unix times in milliseconds. An entry
//!    fits in the 16-bit length of a tlog-tiles entry bundle.
//! 3. Assumed: that the leaf stands in the tree is [`super::merkle`]'s work, that a decision's
//!    commitment and released values are true is a proof's.
//! 4. Source: docs/design/log.md; SOUNDNESS condition 18.

use thiserror::Error;

use super::merkle::{leaf_hash, Hash};
use crate::artifact::cbor::{Decoder, Encoder};
use crate::artifact::FormatError;

/// One leaf of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A decision of a model.
    Decision(Decision),
    /// A change to what is in force.
    Lifecycle(Lifecycle),
}

/// Another leaf, named so that it cannot be exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeafRef {
    /// Its sequence number.
    pub index: u64,
    /// Its leaf hash.
    pub leaf: Hash,
}

/// A decision of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Sequence number: the leaf's index.
    pub seq: u64,
    /// When it was decided, in milliseconds of Unix time, by the clock of the backend.
    pub time_ms: u64,
    /// The latest lifecycle entry before it.
    pub lifecycle: LeafRef,
    /// SHA-256 of the bundle that decided.
    pub bundle: Hash,
    /// Whether a proof is to follow.
    pub mode: Mode,
    /// Compressed commitment to the inputs.
    pub commitment: [u8; 32],
    /// The released values, [`MAX_RELEASED`] at most.
    pub released: Vec<i64>,
    /// Salted digest of the metadata.
    pub metadata: Hash,
}

/// Whether a proof is to follow a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// A proof follows.
    Prove,
    /// None ever does: for development.
    DecideOnly,
}

/// A change to what is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifecycle {
    /// Sequence number: the leaf's index.
    pub seq: u64,
    /// When it was made, in milliseconds of Unix time, by the clock of the backend.
    pub time_ms: u64,
    /// The lifecycle entry before it; the log's first has none.
    pub previous: Option<LeafRef>,
    /// What happened to the subject.
    pub action: Action,
    /// SHA-256 of the bundle that it happened to.
    pub subject: Hash,
    /// SHA-256 of the policy that the bundle holds; zeros if none.
    pub policy: Hash,
    /// The model's name, [`MAX_NAME`] bytes at most.
    pub name: String,
    /// Who did it, [`MAX_NAME`] bytes at most.
    pub by: String,
    /// Why, [`MAX_NOTE`] bytes at most.
    pub note: String,
    /// The bundles registered and not yet in force after this entry, ascending, [`MAX_BUNDLES`] at most.
    pub registered: Vec<Hash>,
    /// The bundles in force after this entry, ascending, [`MAX_BUNDLES`] at most.
    pub in_force: Vec<Hash>,
}

/// What happens to the subject of a lifecycle entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It becomes known, and may be approved.
    Registered,
    /// Registered before, it comes into force.
    Approved,
    /// Registered before, it comes into force in another's place.
    Changed {
        /// The bundle that is no longer in force.
        replaced: Hash,
    },
    /// It is neither in force nor registered any more.
    Retired,
}

/// Why a lifecycle entry cannot stand after another, or a decision after a lifecycle entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TransitionError {
    /// The entry before is another one than it names.
    #[error("the lifecycle entry before it is not the one that it names")]
    Previous,
    /// A known bundle is registered.
    #[error("the bundle is registered or in force already")]
    Known,
    /// An unknown bundle is approved.
    #[error("the bundle is not registered")]
    NotRegistered,
    /// The replaced bundle is not in force, or decides without being so.
    #[error("the bundle is not in force")]
    NotInForce,
    /// An unknown bundle is retired.
    #[error("the bundle is neither registered nor in force")]
    Unknown,
    /// The lists are not those that the action leaves.
    #[error("the lists of bundles are not those that the action leaves")]
    Lists,
    /// More than a list holds.
    #[error("more than {MAX_BUNDLES} bundles are registered or in force")]
    TooMany,
}

impl Entry {
    /// Sequence number: the leaf's index.
    pub fn seq(&self) -> u64 {
        match self {
            Entry::Decision(decision) => decision.seq,
            Entry::Lifecycle(lifecycle) => lifecycle.seq,
        }
    }

    /// Milliseconds of Unix time.
    pub fn time_ms(&self) -> u64 {
        match self {
            Entry::Decision(decision) => decision.time_ms,
            Entry::Lifecycle(lifecycle) => lifecycle.time_ms,
        }
    }

    /// The bundle that decided, or that the lifecycle entry is about.
    pub fn bundle(&self) -> &Hash {
        match self {
            Entry::Decision(decision) => &decision.bundle,
            Entry::Lifecycle(lifecycle) => &lifecycle.subject,
        }
    }

    /// The canonical encoding. What exceeds a field's limit is encoded and not read back.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Entry::Decision(decision) => decision.encode(),
            Entry::Lifecycle(lifecycle) => lifecycle.encode(),
        }
    }

    /// Reads an entry.
    ///
    /// # Errors
    /// [`FormatError`] for any bytes that [`Entry::encode`] does not write.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.len() > MAX_ENTRY {
            return Err(FormatError::TooLarge("log entry"));
        }
        let input = &mut Decoder::new(bytes);
        let fields = input.array(LIFECYCLE_FIELDS, "log entry")?;
        let entry = match (input.uint(u64::MAX, "kind of log entry")?, fields) {
            (KIND_DECISION, DECISION_FIELDS) => Entry::Decision(Decision::decode(input)?),
            (KIND_LIFECYCLE, LIFECYCLE_FIELDS) => Entry::Lifecycle(Lifecycle::decode(input)?),
            _ => return Err(FormatError::Unexpected("kind of log entry")),
        };
        input.clone().finish()?;
        Ok(entry)
    }

    /// The hash of its leaf.
    pub fn leaf_hash(&self) -> Hash {
        leaf_hash(&self.encode())
    }
}

impl Decision {
    /// The canonical encoding; see [`Entry::encode`].
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        out.array(DECISION_FIELDS);
        out.uint(KIND_DECISION);
        out.uint(self.seq);
        out.uint(self.time_ms);
        encode_leaf_ref(&mut out, Some(&self.lifecycle));
        out.bytes(&self.bundle);
        out.uint(match self.mode {
            Mode::Prove => 0,
            Mode::DecideOnly => 1,
        });
        out.bytes(&self.commitment);
        out.ints(&self.released);
        out.bytes(&self.metadata);
        out.finish()
    }

    fn decode(input: &mut Decoder<'_>) -> Result<Self, FormatError> {
        let decision = Self {
            seq: input.uint(MAX_SEQ, "sequence number")?,
            time_ms: input.uint(MAX_TIME_MS, "time")?,
            lifecycle: decode_leaf_ref(input)?.ok_or(FormatError::Unexpected("lifecycle entry"))?,
            bundle: input.array_of_bytes("bundle")?,
            mode: match input.uint(1, "mode")? {
                0 => Mode::Prove,
                _ => Mode::DecideOnly,
            },
            commitment: input.array_of_bytes("input commitment")?,
            released: input.list(MAX_RELEASED, "released values", |input| {
                input.int("released value")
            })?,
            metadata: input.array_of_bytes("metadata digest")?,
        };
        if decision.lifecycle.index >= decision.seq {
            return Err(FormatError::Inconsistent("lifecycle entry"));
        }
        Ok(decision)
    }

    /// That the lifecycle entry it names is this one, and its bundle in force there.
    ///
    /// # Errors
    /// [`TransitionError::Previous`] or [`TransitionError::NotInForce`].
    pub fn is_under(&self, lifecycle: &Lifecycle) -> Result<(), TransitionError> {
        if self.lifecycle != lifecycle.leaf_ref() {
            return Err(TransitionError::Previous);
        }
        match lifecycle.in_force.binary_search(&self.bundle) {
            Ok(_) => Ok(()),
            Err(_) => Err(TransitionError::NotInForce),
        }
    }
}

impl Lifecycle {
    /// This entry as others name it.
    pub fn leaf_ref(&self) -> LeafRef {
        LeafRef {
            index: self.seq,
            leaf: leaf_hash(&self.encode()),
        }
    }

    /// The canonical encoding; see [`Entry::encode`].
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        out.array(LIFECYCLE_FIELDS);
        out.uint(KIND_LIFECYCLE);
        out.uint(self.seq);
        out.uint(self.time_ms);
        encode_leaf_ref(&mut out, self.previous.as_ref());
        match &self.action {
            Action::Changed { replaced } => {
                out.array(2);
                out.uint(ACTION_CHANGED);
                out.bytes(replaced);
            }
            action => {
                out.array(1);
                out.uint(match action {
                    Action::Registered => ACTION_REGISTERED,
                    Action::Approved => ACTION_APPROVED,
                    _ => ACTION_RETIRED,
                });
            }
        }
        out.bytes(&self.subject);
        out.bytes(&self.policy);
        out.text(&self.name);
        out.text(&self.by);
        out.text(&self.note);
        for bundles in [&self.registered, &self.in_force] {
            out.array(bundles.len());
            for bundle in bundles {
                out.bytes(bundle);
            }
        }
        out.finish()
    }

    fn decode(input: &mut Decoder<'_>) -> Result<Self, FormatError> {
        let lifecycle = Self {
            seq: input.uint(MAX_SEQ, "sequence number")?,
            time_ms: input.uint(MAX_TIME_MS, "time")?,
            previous: decode_leaf_ref(input)?,
            action: {
                let length = input.array(2, "action")?;
                match (input.uint(u64::MAX, "action")?, length) {
                    (ACTION_REGISTERED, 1) => Action::Registered,
                    (ACTION_APPROVED, 1) => Action::Approved,
                    (ACTION_CHANGED, 2) => Action::Changed {
                        replaced: input.array_of_bytes("replaced bundle")?,
                    },
                    (ACTION_RETIRED, 1) => Action::Retired,
                    _ => return Err(FormatError::Unexpected("action")),
                }
            },
            subject: input.array_of_bytes("subject")?,
            policy: input.array_of_bytes("policy digest")?,
            name: input.text(MAX_NAME, "name of the model")?.to_owned(),
            by: input.text(MAX_NAME, "name of who did it")?.to_owned(),
            note: input.text(MAX_NOTE, "note")?.to_owned(),
            registered: decode_bundles(input, "registered bundles")?,
            in_force: decode_bundles(input, "bundles in force")?,
        };
        let index = lifecycle.previous.map(|previous| previous.index);
        if index.is_some_and(|index| index >= lifecycle.seq) {
            return Err(FormatError::Inconsistent("previous lifecycle entry"));
        }
        Ok(lifecycle)
    }

    /// The entry that an action leads to after `previous`, with empty texts and no policy.
    ///
    /// # Errors
    /// [`TransitionError`] if the action is not possible then.
    pub fn after(
        previous: Option<&Lifecycle>,
        seq: u64,
        time_ms: u64,
        action: Action,
        subject: Hash,
    ) -> Result<Self, TransitionError> {
        let [registered, in_force] = lists_after(previous, action, &subject)?;
        Ok(Self {
            seq,
            time_ms,
            previous: previous.map(Lifecycle::leaf_ref),
            action,
            subject,
            policy: [0; 32],
            name: String::new(),
            by: String::new(),
            note: String::new(),
            registered,
            in_force,
        })
    }

    /// That this entry may stand after `previous`, the latest lifecycle entry before it (`None` if
    /// there is none): it names it, and its lists are what its action makes of the lists there.
    ///
    /// # Errors
    /// [`TransitionError`], the first reason.
    pub fn follows(&self, previous: Option<&Lifecycle>) -> Result<(), TransitionError> {
        let named = previous.map(Lifecycle::leaf_ref);
        if self.previous != named || named.is_some_and(|named| named.index >= self.seq) {
            return Err(TransitionError::Previous);
        }
        let [registered, in_force] = lists_after(previous, self.action, &self.subject)?;
        if self.registered != registered || self.in_force != in_force {
            return Err(TransitionError::Lists);
        }
        Ok(())
    }
}

/// The registered bundles and those in force after an action.
fn lists_after(
    previous: Option<&Lifecycle>,
    action: Action,
    subject: &Hash,
) -> Result<[Vec<Hash>; 2], TransitionError> {
    let mut registered = previous.map_or_else(Vec::new, |p| p.registered.clone());
    let mut in_force = previous.map_or_else(Vec::new, |p| p.in_force.clone());
    let in_lists = [&registered, &in_force].map(|list| list.binary_search(subject).is_ok());
    match action {
        Action::Registered if in_lists != [false, false] => return Err(TransitionError::Known),
        Action::Registered => insert(&mut registered, subject),
        Action::Retired if in_lists == [false, false] => return Err(TransitionError::Unknown),
        Action::Retired => {
            remove(&mut registered, subject);
            remove(&mut in_force, subject);
        }
        Action::Approved | Action::Changed { .. } => {
            if !remove(&mut registered, subject) {
                return Err(TransitionError::NotRegistered);
            }
            if let Action::Changed { replaced } = action {
                if !remove(&mut in_force, &replaced) {
                    return Err(TransitionError::NotInForce);
                }
            }
            insert(&mut in_force, subject);
        }
    }
    if registered.len().max(in_force.len()) > MAX_BUNDLES {
        return Err(TransitionError::TooMany);
    }
    Ok([registered, in_force])
}

fn insert(list: &mut Vec<Hash>, item: &Hash) {
    if let Err(place) = list.binary_search(item) {
        list.insert(place, *item);
    }
}

/// Whether it was there.
fn remove(list: &mut Vec<Hash>, item: &Hash) -> bool {
    let place = list.binary_search(item);
    place.map(|place| list.remove(place)).is_ok()
}

fn encode_leaf_ref(out: &mut Encoder, leaf_ref: Option<&LeafRef>) {
    let Some(leaf_ref) = leaf_ref else {
        return out.array(0);
    };
    out.array(2);
    out.uint(leaf_ref.index);
    out.bytes(&leaf_ref.leaf);
}

fn decode_leaf_ref(input: &mut Decoder<'_>) -> Result<Option<LeafRef>, FormatError> {
    match input.array(2, "named leaf")? {
        0 => Ok(None),
        2 => Ok(Some(LeafRef {
            index: input.uint(MAX_SEQ, "index of the named leaf")?,
            leaf: input.array_of_bytes("hash of the named leaf")?,
        })),
        _ => Err(FormatError::Unexpected("named leaf")),
    }
}

fn decode_bundles(input: &mut Decoder<'_>, what: &'static str) -> Result<Vec<Hash>, FormatError> {
    let bundles: Vec<Hash> = input.list(MAX_BUNDLES, what, |input| input.array_of_bytes(what))?;
    match bundles.is_sorted_by(|a, b| a < b) {
        true => Ok(bundles),
        false => Err(FormatError::NotCanonical),
    }
}

/// Largest sequence number: what a database's signed integers hold.
pub const MAX_SEQ: u64 = (1 << 62) - 1;
/// Largest time, in milliseconds.
pub const MAX_TIME_MS: u64 = (1 << 62) - 1;
/// Largest encoded entry, in bytes: entry bundles have 16-bit lengths.
pub const MAX_ENTRY: usize = (1 << 16) - 1;
/// Most released values of a decision.
pub const MAX_RELEASED: usize = 4096;
/// Longest name, in bytes.
pub const MAX_NAME: usize = 256;
/// Longest note, in bytes.
pub const MAX_NOTE: usize = 1024;
/// Most bundles of one list.
pub const MAX_BUNDLES: usize = 256;

const KIND_DECISION: u64 = 1;
const KIND_LIFECYCLE: u64 = 2;
const DECISION_FIELDS: usize = 9;
const LIFECYCLE_FIELDS: usize = 12;
const ACTION_REGISTERED: u64 = 0;
const ACTION_APPROVED: u64 = 1;
const ACTION_CHANGED: u64 = 2;
const ACTION_RETIRED: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::evidence::tests::refuses_mutations;

    fn registered() -> Lifecycle {
        let first = Lifecycle::after(None, 0, 1_700_000_000_000, Action::Registered, [1; 32]);
        Lifecycle {
            policy: [9; 32],
            name: "credit".into(),
            by: "ops@example".into(),
            note: "first".into(),
            ..first.expect("nothing is known yet")
        }
    }

    fn next(
        previous: &Lifecycle,
        action: Action,
        subject: u8,
    ) -> Result<Lifecycle, TransitionError> {
        let seq = previous.seq + 2;
        Lifecycle::after(
            Some(previous),
            seq,
            1_700_000_000_001,
            action,
            [subject; 32],
        )
    }

    fn approved() -> (Lifecycle, Lifecycle) {
        let first = registered();
        let second = next(&first, Action::Approved, 1).expect("registered before");
        (first, second)
    }

    fn decision() -> Decision {
        let (_, approved) = approved();
        Decision {
            seq: 7,
            time_ms: 1_700_000_000_002,
            lifecycle: approved.leaf_ref(),
            bundle: [1; 32],
            mode: Mode::Prove,
            commitment: [4; 32],
            released: vec![1, -300],
            metadata: [5; 32],
        }
    }

    #[test]
    fn round_trips_and_refuses_the_rest() {
        let (first, second) = approved();
        let known = next(&second, Action::Registered, 2).expect("not known yet");
        let replaced = [1; 32];
        let changed = next(&known, Action::Changed { replaced }, 2).expect("both are known");
        let mut entries: Vec<Entry> = [first, second, known, changed].map(Entry::Lifecycle).into();
        entries.push(Entry::Decision(decision()));
        entries.push(Entry::Decision(Decision {
            mode: Mode::DecideOnly,
            released: vec![],
            ..decision()
        }));
        for entry in entries {
            let bytes = entry.encode();
            assert_eq!(Entry::decode(&bytes), Ok(entry));
            refuses_mutations(&bytes, |b| Entry::decode(b).ok().map(|x| x.encode()));
        }
    }

    #[test]
    fn limits_hold() {
        let most = Decision {
            seq: MAX_SEQ,
            time_ms: MAX_TIME_MS,
            released: vec![i64::MIN; MAX_RELEASED],
            ..decision()
        };
        let refused = |decision: Decision| Entry::decode(&Entry::Decision(decision).encode());
        assert_eq!(refused(most.clone()), Ok(Entry::Decision(most.clone())));
        let time_ms = MAX_TIME_MS + 1;
        let late = Decision {
            time_ms,
            ..most.clone()
        };
        assert_eq!(refused(late), Err(FormatError::TooLarge("time")));
        let released = vec![0; MAX_RELEASED + 1];
        let long = Decision { released, ..most };
        assert_eq!(refused(long), Err(FormatError::TooLarge("released values")));
        let own = Decision {
            seq: 2,
            ..decision()
        };
        assert_eq!(
            refused(own),
            Err(FormatError::Inconsistent("lifecycle entry"))
        );

        let full: Vec<Hash> = (0..MAX_BUNDLES).map(|i| [i as u8; 32]).collect();
        let most = Entry::Lifecycle(Lifecycle {
            registered: full.clone(),
            in_force: full.clone(),
            name: "n".repeat(MAX_NAME),
            by: "b".repeat(MAX_NAME),
            note: "n".repeat(MAX_NOTE),
            ..approved().1
        });
        assert_eq!(Entry::decode(&most.encode()), Ok(most));
        for in_force in [vec![[1; 32], [1; 32]], vec![[2; 32], [1; 32]]] {
            let entry = Entry::Lifecycle(Lifecycle {
                in_force,
                ..approved().1
            });
            assert_eq!(
                Entry::decode(&entry.encode()),
                Err(FormatError::NotCanonical)
            );
        }
        let full = Lifecycle {
            registered: full,
            ..approved().1
        };
        let mut subject = [7; 32];
        subject[0] = 8;
        let one_more = Lifecycle::after(Some(&full), 9, 0, Action::Registered, subject);
        assert_eq!(one_more, Err(TransitionError::TooMany));
    }

    #[test]
    fn a_bundle_is_registered_approved_changed_and_retired() {
        let (first, second) = approved();
        assert_eq!(first.follows(None), Ok(()));
        assert_eq!(second.follows(Some(&first)), Ok(()));
        assert_eq!(
            (&second.registered[..], &second.in_force[..]),
            (&[][..], &[[1; 32]][..])
        );
        let third = next(&second, Action::Registered, 2).expect("unknown so far");
        assert_eq!(third.in_force, second.in_force);
        let change = Action::Changed { replaced: [1; 32] };
        let fourth = next(&third, change, 2).expect("one in force, the other registered");
        assert_eq!(
            (&fourth.registered[..], &fourth.in_force[..]),
            (&[][..], &[[2; 32]][..])
        );
        let fifth = next(&fourth, Action::Retired, 2).expect("in force");
        assert_eq!(fifth.follows(Some(&fourth)), Ok(()));
        assert_eq!(fifth.in_force, Vec::<Hash>::new());
    }

    #[test]
    fn impossible_transitions_are_refused() {
        let (first, second) = approved();
        let unknown = Action::Changed { replaced: [3; 32] };
        for (previous, action, subject, error) in [
            (&first, Action::Registered, 1, TransitionError::Known),
            (&second, Action::Registered, 1, TransitionError::Known),
            (&second, Action::Approved, 1, TransitionError::NotRegistered),
            (&first, Action::Approved, 2, TransitionError::NotRegistered),
            (&first, Action::Retired, 2, TransitionError::Unknown),
            (&second, unknown, 1, TransitionError::NotRegistered),
            (&first, unknown, 1, TransitionError::NotInForce),
        ] {
            assert_eq!(next(previous, action, subject), Err(error), "{action:?}");
            let forged = Lifecycle {
                action,
                subject: [subject; 32],
                previous: Some(previous.leaf_ref()),
                ..second.clone()
            };
            let forged = Lifecycle { seq: 9, ..forged };
            assert_eq!(forged.follows(Some(previous)), Err(error), "{action:?}");
        }
    }

    #[test]
    fn lists_and_links_cannot_be_forged() {
        let (first, second) = approved();
        let refused = |forged: Lifecycle, error| {
            assert_eq!(forged.follows(Some(&first)), Err(error));
        };
        let good = second.clone();
        refused(
            Lifecycle {
                in_force: vec![],
                ..good.clone()
            },
            TransitionError::Lists,
        );
        refused(
            Lifecycle {
                in_force: vec![[1; 32], [2; 32]],
                ..good.clone()
            },
            TransitionError::Lists,
        );
        refused(
            Lifecycle {
                registered: vec![[1; 32]],
                ..good.clone()
            },
            TransitionError::Lists,
        );
        refused(
            Lifecycle {
                previous: None,
                ..good.clone()
            },
            TransitionError::Previous,
        );
        refused(
            Lifecycle {
                seq: 0,
                ..good.clone()
            },
            TransitionError::Previous,
        );
        let other = Lifecycle {
            note: "another".into(),
            ..first.clone()
        };
        refused(
            Lifecycle {
                previous: Some(other.leaf_ref()),
                ..good.clone()
            },
            TransitionError::Previous,
        );
        assert_eq!(good.follows(None), Err(TransitionError::Previous));
    }

    #[test]
    fn a_decision_is_under_the_entry_that_it_names() {
        let (first, second) = approved();
        assert_eq!(decision().is_under(&second), Ok(()));
        assert_eq!(decision().is_under(&first), Err(TransitionError::Previous));
        let other = Decision {
            bundle: [2; 32],
            ..decision()
        };
        assert_eq!(other.is_under(&second), Err(TransitionError::NotInForce));
        let early = Decision {
            lifecycle: first.leaf_ref(),
            ..decision()
        };
        assert_eq!(early.is_under(&first), Err(TransitionError::NotInForce));
    }
}
