//! The evidence file: proofs of decisions with their records.
//!
//! 1. Claim: one evidence has one encoding. A row costs 32 bytes and its metadata beside the proof.
//! 2. Layout: deterministic CBOR, docs/evidence.cddl, `evidence`.
//! 3. Assumed: whether anything in it is true is [`crate::verify`]'s work.
//! 4. Source: docs/design/contracts.md, "Bundle and evidence".

use super::bundle::MAX_PROOF;
use super::cbor::{Decoder, Encoder, FormatError};
use super::window::{LogWindow, LoggedRows};

/// Proofs of decisions with their records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The bundles that the proofs refer to by position.
    pub bundles: Vec<BundleRef>,
    /// Origin line of the log that the records stand in; empty if in none.
    pub origin: String,
    /// The proofs.
    pub proofs: Vec<ProvedRows>,
    /// The window of the log that the file is about, if its rows stand in one.
    pub window: Option<LogWindow>,
}

/// A bundle inside the file, or only its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BundleRef {
    /// The encoded bundle.
    Embedded(Vec<u8>),
    /// SHA-256 of the encoded bundle, which the auditor has.
    Digest([u8; 32]),
}

/// One proof and the rows it covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvedRows {
    /// Position in [`Evidence::bundles`].
    pub bundle: usize,
    /// The rows' inputs.
    pub inputs: Inputs,
    /// Released values, row after row.
    pub released: Vec<i64>,
    /// Salt from which the salts of [`Metadata::Shown`] rows follow; present iff there is such a row,
    /// and then no row is hidden (its metadata could be guessed).
    pub batch_salt: Option<[u8; 32]>,
    /// Metadata of each row.
    pub metadata: Vec<Metadata>,
    /// Rows whose committed inputs are shown, ascending.
    pub disclosures: Vec<Disclosure>,
    /// The Halo2 proof with the link at its end.
    pub proof: Vec<u8>,
    /// Where the rows stand in the log, if they do.
    pub logged: Option<LoggedRows>,
}

/// What the file says of the rows' inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inputs {
    /// The compressed input commitment of each row.
    Committed(Vec<[u8; 32]>),
    /// The input of each row in full; the commitment follows without blinding.
    Public(Vec<Vec<i64>>),
}

impl Inputs {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            Inputs::Committed(commitments) => commitments.len(),
            Inputs::Public(rows) => rows.len(),
        }
    }
}

/// A row's metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Metadata {
    /// Shown; its salt follows from the batch salt.
    Shown(Vec<u8>),
    /// Shown with its own salt, other rows being hidden.
    ShownAlone {
        /// The row's salt.
        salt: [u8; 32],
        /// The metadata.
        metadata: Vec<u8>,
    },
    /// Only the digest.
    Hidden([u8; 32]),
}

/// The committed inputs of one row, opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disclosure {
    /// Row within the proof.
    pub row: u32,
    /// The inputs.
    pub inputs: Vec<i64>,
    /// Proof that the commitment opens to them.
    pub proof: Vec<u8>,
}

impl Evidence {
    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        out.map(4 + usize::from(self.window.is_some()));
        out.uint(KEY_VERSION);
        out.uint(VERSION);
        out.uint(KEY_BUNDLES);
        out.array(self.bundles.len());
        for bundle in &self.bundles {
            match bundle {
                BundleRef::Embedded(bytes) => out.bytes(bytes),
                BundleRef::Digest(digest) => {
                    out.array(1);
                    out.bytes(digest);
                }
            }
        }
        out.uint(KEY_ORIGIN);
        out.text(&self.origin);
        out.uint(KEY_PROOFS);
        out.array(self.proofs.len());
        for proof in &self.proofs {
            proof.encode(&mut out);
        }
        if let Some(window) = &self.window {
            out.uint(KEY_WINDOW);
            window.encode(&mut out);
        }
        out.finish()
    }

    /// Reads an evidence file.
    ///
    /// # Errors
    /// [`FormatError`] for any bytes that [`Evidence::encode`] does not write.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let input = &mut Decoder::new(bytes);
        let mut map = input.map("evidence")?;
        map.required(input, KEY_VERSION, "version")?;
        let version = input.uint(u64::MAX, "version")?;
        if version != VERSION {
            return Err(FormatError::Version(version));
        }
        map.required(input, KEY_BUNDLES, "bundles")?;
        let bundles = input.list(MAX_BUNDLES, "bundles", bundle_ref)?;
        map.required(input, KEY_ORIGIN, "log origin")?;
        let origin = input.text(MAX_ORIGIN, "log origin")?.to_owned();
        map.required(input, KEY_PROOFS, "proofs")?;
        let proofs = input.list(MAX_PROOFS, "proofs", ProvedRows::decode)?;
        let window = match map.optional(input, KEY_WINDOW)? {
            true => Some(LogWindow::decode(input)?),
            false => None,
        };
        map.finish()?;
        input.clone().finish()?;
        if proofs.iter().any(|proof| proof.bundle >= bundles.len()) {
            return Err(FormatError::Inconsistent("bundle of a proof"));
        }
        // Rows in a log need its name; a proof's statement holds it.
        let in_log = window.is_some() || proofs.iter().any(|proof| proof.logged.is_some());
        if in_log && (origin.is_empty() || proofs.iter().any(|proof| proof.logged.is_none())) {
            return Err(FormatError::Inconsistent("log origin"));
        }
        Ok(Self {
            bundles,
            origin,
            proofs,
            window,
        })
    }
}

impl ProvedRows {
    /// Released values of one row.
    pub fn released_of(&self, row: usize) -> &[i64] {
        let per_row = self.released.len() / self.inputs.rows().max(1);
        self.released
            .get(row * per_row..(row + 1) * per_row)
            .unwrap_or_default()
    }

    /// One proof's entry by itself, as a store keeps it; [`ProvedRows::from_bytes`] reads it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        self.encode(&mut out);
        out.finish()
    }

    /// Reads what [`ProvedRows::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`FormatError`] for any other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        let input = &mut Decoder::new(bytes);
        let rows = Self::decode(input)?;
        input.clone().finish()?;
        Ok(rows)
    }

    fn encode(&self, out: &mut Encoder) {
        let optional = [
            self.batch_salt.is_some(),
            !self.disclosures.is_empty(),
            self.logged.is_some(),
        ];
        out.map(5 + optional.iter().filter(|present| **present).count());
        out.uint(KEY_BUNDLE);
        out.uint(self.bundle as u64);
        match &self.inputs {
            Inputs::Committed(commitments) => {
                out.uint(KEY_COMMITMENTS);
                out.bytes(commitments.as_flattened());
            }
            Inputs::Public(rows) => {
                out.uint(KEY_PUBLIC);
                out.array(rows.len());
                for row in rows {
                    out.ints(row);
                }
            }
        }
        out.uint(KEY_RELEASED);
        out.ints(&self.released);
        if let Some(salt) = &self.batch_salt {
            out.uint(KEY_SALT);
            out.bytes(salt);
        }
        out.uint(KEY_METADATA);
        out.array(self.metadata.len());
        for metadata in &self.metadata {
            match metadata {
                Metadata::Shown(bytes) => out.bytes(bytes),
                Metadata::ShownAlone { salt, metadata } => {
                    out.array(2);
                    out.bytes(salt);
                    out.bytes(metadata);
                }
                Metadata::Hidden(digest) => {
                    out.array(1);
                    out.bytes(digest);
                }
            }
        }
        if !self.disclosures.is_empty() {
            out.uint(KEY_DISCLOSURES);
            out.array(self.disclosures.len());
            for disclosure in &self.disclosures {
                out.array(3);
                out.uint(u64::from(disclosure.row));
                out.ints(&disclosure.inputs);
                out.bytes(&disclosure.proof);
            }
        }
        out.uint(KEY_PROOF);
        out.bytes(&self.proof);
        if let Some(logged) = &self.logged {
            out.uint(KEY_LOGGED);
            logged.encode(out);
        }
    }

    fn decode(input: &mut Decoder<'_>) -> Result<Self, FormatError> {
        let mut map = input.map("proof")?;
        map.required(input, KEY_BUNDLE, "bundle of a proof")?;
        let bundle = input.uint(MAX_BUNDLES as u64, "bundle of a proof")? as usize;
        let inputs = if map.optional(input, KEY_COMMITMENTS)? {
            let bytes = input.bytes(32 * MAX_ROWS, "input commitments")?;
            let (commitments, rest) = bytes.as_chunks::<32>();
            if !rest.is_empty() {
                return Err(FormatError::Inconsistent("input commitments"));
            }
            Inputs::Committed(commitments.to_vec())
        } else {
            map.required(input, KEY_PUBLIC, "inputs")?;
            Inputs::Public(input.list(MAX_ROWS, "public inputs", |input| {
                input.list(MAX_ROW, "public inputs", |input| input.int("input"))
            })?)
        };
        let rows = inputs.rows();
        map.required(input, KEY_RELEASED, "released values")?;
        let released = input.list(MAX_RELEASED, "released values", |input| {
            input.int("released value")
        })?;
        let batch_salt = match map.optional(input, KEY_SALT)? {
            true => Some(input.array_of_bytes("batch salt")?),
            false => None,
        };
        map.required(input, KEY_METADATA, "metadata")?;
        let metadata = input.list(MAX_ROWS, "metadata", metadata)?;
        let disclosures = match map.optional(input, KEY_DISCLOSURES)? {
            true => input.list(MAX_ROWS, "disclosures", disclosure)?,
            false => vec![],
        };
        let disclosed = batch_salt.is_some();
        map.required(input, KEY_PROOF, "proof bytes")?;
        let proof = input.bytes(MAX_PROOF, "proof bytes")?.to_vec();
        let logged = match map.optional(input, KEY_LOGGED)? {
            true => Some(LoggedRows::decode(input, rows)?),
            false => None,
        };
        map.finish()?;
        // What the fields say together.
        if rows == 0 || !released.len().is_multiple_of(rows) {
            return Err(FormatError::Inconsistent("released values"));
        }
        if metadata.len() != rows {
            return Err(FormatError::Inconsistent("metadata"));
        }
        let shown = |m: &Metadata| matches!(m, Metadata::Shown(_));
        let salt_fits = if disclosed {
            metadata.iter().all(shown)
        } else {
            !metadata.iter().any(shown)
        };
        if !salt_fits {
            return Err(FormatError::Inconsistent("batch salt"));
        }
        let ascending = disclosures.windows(2).all(|pair| pair[0].row < pair[1].row);
        let inside = disclosures.iter().all(|d| (d.row as usize) < rows);
        let committed = disclosures.is_empty() || matches!(inputs, Inputs::Committed(_));
        if !(ascending && inside && committed) {
            return Err(FormatError::Inconsistent("disclosures"));
        }
        Ok(Self {
            bundle,
            inputs,
            released,
            batch_salt,
            metadata,
            disclosures,
            proof,
            logged,
        })
    }
}

fn bundle_ref(input: &mut Decoder<'_>) -> Result<BundleRef, FormatError> {
    if input.at_bytes() {
        let bytes = input.bytes(MAX_BUNDLE, "bundle")?;
        return Ok(BundleRef::Embedded(bytes.to_vec()));
    }
    match input.array(1, "bundle digest")? {
        1 => Ok(BundleRef::Digest(input.array_of_bytes("bundle digest")?)),
        _ => Err(FormatError::Unexpected("bundle digest")),
    }
}

fn metadata(input: &mut Decoder<'_>) -> Result<Metadata, FormatError> {
    if input.at_bytes() {
        let bytes = input.bytes(MAX_METADATA, "metadata")?;
        return Ok(Metadata::Shown(bytes.to_vec()));
    }
    match input.array(2, "metadata")? {
        1 => Ok(Metadata::Hidden(input.array_of_bytes("metadata digest")?)),
        2 => Ok(Metadata::ShownAlone {
            salt: input.array_of_bytes("metadata salt")?,
            metadata: input.bytes(MAX_METADATA, "metadata")?.to_vec(),
        }),
        _ => Err(FormatError::Unexpected("metadata")),
    }
}

fn disclosure(input: &mut Decoder<'_>) -> Result<Disclosure, FormatError> {
    if input.array(3, "disclosure")? != 3 {
        return Err(FormatError::Unexpected("disclosure"));
    }
    Ok(Disclosure {
        row: input.uint(u64::from(u32::MAX), "disclosed row")? as u32,
        inputs: input.list(MAX_ROW, "disclosed inputs", |input| input.int("input"))?,
        proof: input.bytes(MAX_PROOF, "disclosure proof")?.to_vec(),
    })
}

const VERSION: u64 = 1;
const KEY_VERSION: u64 = 0;
const KEY_BUNDLES: u64 = 1;
const KEY_ORIGIN: u64 = 2;
const KEY_PROOFS: u64 = 3;
const KEY_WINDOW: u64 = 4;

const KEY_BUNDLE: u64 = 0;
const KEY_COMMITMENTS: u64 = 1;
const KEY_PUBLIC: u64 = 2;
const KEY_RELEASED: u64 = 3;
const KEY_SALT: u64 = 4;
const KEY_METADATA: u64 = 5;
const KEY_DISCLOSURES: u64 = 6;
const KEY_PROOF: u64 = 7;
const KEY_LOGGED: u64 = 8;

const MAX_BUNDLES: usize = 64;
const MAX_BUNDLE: usize = 1 << 28;
const MAX_ORIGIN: usize = 256;
const MAX_PROOFS: usize = 1 << 16;
pub(super) const MAX_ROWS: usize = 1 << 17;
const MAX_ROW: usize = 1 << 20;
const MAX_RELEASED: usize = 1 << 22;
const MAX_METADATA: usize = 1 << 16;

#[cfg(test)]
pub(crate) mod tests {
    use super::super::window::{Earlier, Place};
    use super::*;
    use crate::log::entry::LeafRef;

    /// Truncation anywhere, a byte more, and any flipped bit either fail or decode to something
    /// that encodes to exactly the flipped bytes.
    pub(crate) fn refuses_mutations(bytes: &[u8], recode: impl Fn(&[u8]) -> Option<Vec<u8>>) {
        for length in 0..bytes.len() {
            assert_eq!(recode(&bytes[..length]), None, "cut at {length}");
        }
        let mut longer = bytes.to_vec();
        longer.push(0);
        assert_eq!(recode(&longer), None);
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Some(recoded) = recode(&flipped) {
                assert_eq!(recoded, flipped, "bit {bit}");
            }
        }
    }

    fn rows(count: u8) -> ProvedRows {
        ProvedRows {
            bundle: 0,
            inputs: Inputs::Committed((0..count).map(|i| [i; 32]).collect()),
            released: (0..i64::from(count)).map(|i| i % 2 - 1).collect(),
            batch_salt: Some([5; 32]),
            metadata: (0..count)
                .map(|i| Metadata::Shown(vec![i; usize::from(i)]))
                .collect(),
            disclosures: vec![],
            proof: vec![6; 40],
            logged: None,
        }
    }

    fn sample() -> Evidence {
        let mixed = ProvedRows {
            batch_salt: None,
            metadata: vec![
                Metadata::Hidden([1; 32]),
                Metadata::ShownAlone {
                    salt: [2; 32],
                    metadata: vec![3; 5],
                },
            ],
            disclosures: vec![Disclosure {
                row: 1,
                inputs: vec![-300, 4],
                proof: vec![9; 8],
            }],
            ..rows(2)
        };
        let public = ProvedRows {
            bundle: 1,
            inputs: Inputs::Public(vec![vec![1, -2], vec![i64::MIN, i64::MAX]]),
            ..rows(2)
        };
        Evidence {
            bundles: vec![BundleRef::Digest([7; 32]), BundleRef::Embedded(vec![8; 10])],
            origin: "log.example/1".into(),
            proofs: vec![rows(3), mixed, public],
            window: None,
        }
    }

    #[test]
    fn round_trips_and_refuses_the_rest() {
        let evidence = sample();
        let bytes = evidence.encode();
        assert_eq!(Evidence::decode(&bytes).as_ref(), Ok(&evidence));
        refuses_mutations(&bytes, |b| Evidence::decode(b).ok().map(|x| x.encode()));
    }

    /// The sample, in a log.
    fn logged() -> Evidence {
        let mut evidence = sample();
        let mut seq = 7;
        for proof in &mut evidence.proofs {
            let mut places = vec![];
            for _row in 0..proof.inputs.rows() {
                seq += 2;
                places.push(Place {
                    seq,
                    time_ms: 1_700_000_000_000 + seq,
                    lifecycle: 0,
                });
            }
            proof.logged = Some(LoggedRows {
                lifecycles: vec![LeafRef {
                    index: 3,
                    leaf: [8; 32],
                }],
                places,
            });
        }
        evidence.window = Some(LogWindow {
            checkpoint: b"note".to_vec(),
            from: 3,
            to: 30,
            entries: vec![vec![1, 2], vec![3]],
            inclusion: vec![[4; 32], [5; 32]],
            earlier: Some(Earlier {
                checkpoint: b"older".to_vec(),
                consistency: vec![[6; 32]],
            }),
            totals: vec![vec![7; 40]],
            timestamps: vec![vec![1]],
        });
        evidence
    }

    #[test]
    fn windows_round_trip_and_refuse_the_rest() {
        let evidence = logged();
        let bytes = evidence.encode();
        assert_eq!(Evidence::decode(&bytes).as_ref(), Ok(&evidence));
        refuses_mutations(&bytes, |b| Evidence::decode(b).ok().map(|x| x.encode()));
        let refused = |change: &dyn Fn(&mut Evidence), what| {
            let mut evidence = logged();
            change(&mut evidence);
            let decoded = Evidence::decode(&evidence.encode());
            assert_eq!(decoded, Err(FormatError::Inconsistent(what)));
        };
        refused(&|e| e.origin.clear(), "log origin");
        refused(&|e| e.proofs[1].logged = None, "log origin");
        refused(&|e| e.window.as_mut().unwrap().to = 3, "window of the log");
        let places = |e: &mut Evidence, change: &dyn Fn(&mut Vec<Place>)| {
            change(&mut e.proofs[0].logged.as_mut().unwrap().places);
        };
        refused(&|e| places(e, &|p| p.truncate(1)), "places in the log");
        refused(
            &|e| places(e, &|p| p[1].seq = p[0].seq),
            "places in the log",
        );
        refused(&|e| places(e, &|p| p[1].lifecycle = 1), "places in the log");
        refused(&|e| places(e, &|p| p[0].seq = 3), "places in the log");
    }

    #[test]
    fn fields_must_fit_each_other() {
        let refused = |change: &dyn Fn(&mut ProvedRows), what| {
            let mut evidence = sample();
            change(&mut evidence.proofs[1]);
            let decoded = Evidence::decode(&evidence.encode());
            assert_eq!(decoded, Err(FormatError::Inconsistent(what)));
        };
        refused(&|p| p.released.push(0), "released values");
        refused(&|p| p.inputs = Inputs::Committed(vec![]), "released values");
        refused(&|p| p.batch_salt = Some([0; 32]), "batch salt");
        refused(&|p| p.metadata[0] = Metadata::Shown(vec![]), "batch salt");
        refused(&|p| drop(p.metadata.pop()), "metadata");
        refused(&|p| p.disclosures[0].row = 2, "disclosures");
        refused(
            &|p| p.disclosures.push(p.disclosures[0].clone()),
            "disclosures",
        );
        refused(&|p| p.bundle = 2, "bundle of a proof");
    }

    #[test]
    fn one_row_costs_a_hundred_bytes_and_many_rows_sixty() {
        let one = Evidence {
            bundles: vec![BundleRef::Digest([7; 32])],
            origin: String::new(),
            proofs: vec![ProvedRows {
                proof: vec![6; 1600],
                ..rows(1)
            }],
            window: None,
        };
        assert!(one.encode().len() < 1600 + 130, "{}", one.encode().len());
        let many = Evidence {
            proofs: vec![ProvedRows {
                inputs: Inputs::Committed((0..1000).map(|_| [1; 32]).collect()),
                released: vec![1; 1000],
                metadata: vec![Metadata::Shown(vec![0; 20]); 1000],
                proof: vec![6; 1600],
                ..rows(1)
            }],
            ..one
        };
        let per_row = (many.encode().len() - 1600) / 1000;
        assert!(per_row < 60, "{per_row} bytes a row");
    }
}
