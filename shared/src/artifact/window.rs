//! What an evidence file says of the log: where its rows stand, and a window of the log's entries.
//!
//! 1. Claim: one window has one encoding. A proved row costs about ten bytes: its entry follows from the proof's row.
//! 2. Layout: deterministic CBOR, docs/evidence.cddl, `window` and `logged-rows`.
//! 3. Assumed: whether the entries stand in the log is [`crate::verify`]'s work.
//! 4. Source: docs/design/log.md; SOUNDNESS conditions 18 to 20.

use super::cbor::{Decoder, Encoder, FormatError};
use super::evidence::MAX_ROWS;
use crate::log::entry::{LeafRef, MAX_ENTRY, MAX_SEQ, MAX_TIME_MS};
use crate::log::merkle::Hash;

/// Where the rows of a proof stand in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRows {
    /// The lifecycle entries that the rows name.
    pub lifecycles: Vec<LeafRef>,
    /// One for each row, in the order of the log.
    pub places: Vec<Place>,
}

/// What an entry of the log holds beside a proof's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Sequence number.
    pub seq: u64,
    /// Unix time in milliseconds.
    pub time_ms: u64,
    /// Position in [`LoggedRows::lifecycles`].
    pub lifecycle: u32,
}

/// A window of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogWindow {
    /// The signed checkpoint, cosignatures included.
    pub checkpoint: Vec<u8>,
    /// First sequence number of the window.
    pub from: u64,
    /// Sequence number after its last.
    pub to: u64,
    /// Entries that no proof's row stands for, ascending: those of the window, and lifecycle entries before it.
    pub entries: Vec<Vec<u8>>,
    /// Proof that rows and entries stand in the checkpoint's tree, [`crate::log::merkle::root_of`].
    pub inclusion: Vec<Hash>,
    /// An earlier checkpoint that this one grew from.
    pub earlier: Option<Earlier>,
    /// Proofs that running totals go on from decision to decision, one for each bundle that has totals, in the order of
    /// the file's bundles.
    pub totals: Vec<Vec<u8>>,
    /// RFC 3161 tokens over the checkpoint.
    pub timestamps: Vec<Vec<u8>>,
}

/// An earlier checkpoint, and the proof that the log only grew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// The signed checkpoint.
    pub checkpoint: Vec<u8>,
    /// The consistency proof.
    pub consistency: Vec<Hash>,
}

impl LoggedRows {
    pub(super) fn encode(&self, out: &mut Encoder) {
        out.array(2);
        out.array(self.lifecycles.len());
        for lifecycle in &self.lifecycles {
            out.array(2);
            out.uint(lifecycle.index);
            out.bytes(&lifecycle.leaf);
        }
        out.array(self.places.len());
        for place in &self.places {
            out.array(3);
            out.uint(place.seq);
            out.uint(place.time_ms);
            out.uint(u64::from(place.lifecycle));
        }
    }

    pub(super) fn decode(input: &mut Decoder<'_>, rows: usize) -> Result<Self, FormatError> {
        exactly(input, 2, "places in the log")?;
        let lifecycles = input.list(MAX_LIFECYCLES, "lifecycle entries of rows", |input| {
            exactly(input, 2, "lifecycle entry of a row")?;
            Ok(LeafRef {
                index: input.uint(MAX_SEQ, "lifecycle entry of a row")?,
                leaf: input.array_of_bytes("lifecycle entry of a row")?,
            })
        })?;
        let places = input.list(MAX_ROWS, "places in the log", |input| {
            exactly(input, 3, "place in the log")?;
            Ok(Place {
                seq: input.uint(MAX_SEQ, "sequence number")?,
                time_ms: input.uint(MAX_TIME_MS, "time")?,
                lifecycle: input.uint(u64::from(u32::MAX), "lifecycle entry of a row")? as u32,
            })
        })?;
        let ascending = places.is_sorted_by(|a, b| a.seq < b.seq);
        let named = |place: &Place| {
            let lifecycle = lifecycles.get(place.lifecycle as usize);
            lifecycle.is_some_and(|lifecycle| lifecycle.index < place.seq)
        };
        if places.len() != rows || !ascending || !places.iter().all(named) {
            return Err(FormatError::Inconsistent("places in the log"));
        }
        Ok(Self { lifecycles, places })
    }
}

impl LogWindow {
    pub(super) fn encode(&self, out: &mut Encoder) {
        out.array(FIELDS);
        out.bytes(&self.checkpoint);
        out.uint(self.from);
        out.uint(self.to);
        encode_list(out, &self.entries);
        out.bytes(self.inclusion.as_flattened());
        match &self.earlier {
            None => out.array(0),
            Some(earlier) => {
                out.array(2);
                out.bytes(&earlier.checkpoint);
                out.bytes(earlier.consistency.as_flattened());
            }
        }
        encode_list(out, &self.totals);
        encode_list(out, &self.timestamps);
    }

    pub(super) fn decode(input: &mut Decoder<'_>) -> Result<Self, FormatError> {
        exactly(input, FIELDS, "window of the log")?;
        let window = Self {
            checkpoint: input.bytes(MAX_NOTE, "checkpoint")?.to_vec(),
            from: input.uint(MAX_SEQ, "start of the window")?,
            to: input.uint(MAX_SEQ, "end of the window")?,
            entries: input.list(MAX_ENTRIES, "entries of the log", |input| {
                Ok(input.bytes(MAX_ENTRY, "log entry")?.to_vec())
            })?,
            inclusion: hashes(input, MAX_HASHES, "inclusion proof")?,
            earlier: match input.array(2, "earlier checkpoint")? {
                0 => None,
                2 => Some(Earlier {
                    checkpoint: input.bytes(MAX_NOTE, "earlier checkpoint")?.to_vec(),
                    consistency: hashes(input, 128, "consistency proof")?,
                }),
                _ => return Err(FormatError::Unexpected("earlier checkpoint")),
            },
            totals: input.list(MAX_TOTALS, "proofs of totals", |input| {
                Ok(input.bytes(MAX_TOTALS_PROOF, "proof of totals")?.to_vec())
            })?,
            timestamps: input.list(MAX_TIMESTAMPS, "timestamps", |input| {
                Ok(input.bytes(MAX_NOTE, "timestamp")?.to_vec())
            })?,
        };
        match window.from < window.to {
            true => Ok(window),
            false => Err(FormatError::Inconsistent("window of the log")),
        }
    }
}

fn encode_list(out: &mut Encoder, list: &[Vec<u8>]) {
    out.array(list.len());
    for bytes in list {
        out.bytes(bytes);
    }
}

fn hashes(
    input: &mut Decoder<'_>,
    most: usize,
    what: &'static str,
) -> Result<Vec<Hash>, FormatError> {
    let (hashes, rest) = input.bytes(32 * most, what)?.as_chunks::<32>();
    match rest {
        [] => Ok(hashes.to_vec()),
        _ => Err(FormatError::Inconsistent(what)),
    }
}

fn exactly(input: &mut Decoder<'_>, length: usize, what: &'static str) -> Result<(), FormatError> {
    match input.array(length, what)? == length {
        true => Ok(()),
        false => Err(FormatError::Unexpected(what)),
    }
}

const FIELDS: usize = 8;
const MAX_NOTE: usize = 1 << 16;
const MAX_LIFECYCLES: usize = 1 << 12;
const MAX_ENTRIES: usize = 1 << 20;
const MAX_HASHES: usize = 1 << 20;
const MAX_TOTALS: usize = 64;
const MAX_TOTALS_PROOF: usize = 1 << 20;
const MAX_TIMESTAMPS: usize = 16;
