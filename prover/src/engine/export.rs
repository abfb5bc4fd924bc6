//! Evidence files: a window of the log with its proofs, and what of it is shown.

use std::collections::btree_map;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use clearproof_shared::artifact::evidence::{
    BundleRef, Disclosure, Evidence, Metadata, ProvedRows,
};
use clearproof_shared::artifact::window::{Earlier, LogWindow};
use clearproof_shared::commitment::disclosure::{self, Disclosed};
use clearproof_shared::commitment::totals::{self, totals_of, Chain, Opening};
use clearproof_shared::log::entry::{Entry, Mode};
use clearproof_shared::log::merkle::Hash;
use clearproof_shared::verify::StatedRows;
use ff::Field;
use halo2curves::bn256::Fr;
use rand_core::OsRng;

use super::model::Model;
use super::proving::ProvingError;
use super::store::{StoreError, StoredCheckpoint};
use super::Engine;
use crate::prove::export::scalar_to_ark;
use crate::prove::LoggedRow;

/// Why no evidence is written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Openings and proofs.
    #[error(transparent)]
    Proving(#[from] ProvingError),
    /// The window is empty, or not in the log yet.
    #[error("the log has {size} entries, and the window from {from} to {to} is not in it")]
    Window {
        /// Entries at the checkpoint.
        size: u64,
        /// First sequence number asked for.
        from: u64,
        /// Sequence number after the last.
        to: u64,
    },
    /// A record to be disclosed has no proof.
    #[error("record {seq} has no proof yet; prove it first")]
    NotProved {
        /// The record.
        seq: u64,
    },
    /// There is no checkpoint of that size.
    #[error("the log has no checkpoint of size {size}")]
    Earlier {
        /// The size asked for.
        size: u64,
    },
}

/// What an evidence file shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Export {
    /// Show the records' metadata, and not its digests alone.
    pub metadata: bool,
    /// Records whose inputs are shown.
    pub disclose: BTreeSet<u64>,
    /// Carry the bundles, and not their digests alone.
    pub bundles: bool,
    /// Size of an earlier checkpoint that the log is shown to have grown from.
    pub earlier: Option<u64>,
    /// RFC 3161 tokens over the checkpoint.
    pub timestamps: Vec<Vec<u8>>,
}

impl Engine {
    /// An evidence file of a window of the log, under the latest checkpoint (a new one, if entries came since).
    ///
    /// A proof whose rows reach beyond the window widens it: every row of a proof stands in the file.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn export(&self, window: Range<u64>, export: &Export) -> Result<Vec<u8>, ExportError> {
        let checkpoint = self.checkpoint()?;
        let size = checkpoint.size;
        if window.is_empty() || window.end > size {
            return Err(ExportError::Window {
                size,
                from: window.start,
                to: window.end,
            });
        }
        // 1. The proofs, and the window that holds all of their rows.
        let (window, proofs) = self.proofs_of(window, size)?;
        let mut rest: BTreeSet<u64> = window.clone().collect();
        let mut numbers: BTreeMap<Hash, usize> = BTreeMap::new();
        let mut bundles = vec![];
        let mut proved = vec![];
        let mut chains: BTreeMap<Hash, Vec<(LoggedRow, Hash)>> = BTreeMap::new();
        for (rows, bundle, bytes) in proofs {
            let number = match numbers.get(&bundle) {
                Some(number) => *number,
                None => {
                    numbers.insert(bundle, bundles.len());
                    bundles.push(bundle);
                    bundles.len() - 1
                }
            };
            for row in &rows {
                rest.remove(row);
            }
            let mut entry = ProvedRows::from_bytes(&bytes).map_err(|cause| StoreError::Entry {
                seq: rows.first().copied().unwrap_or_default(),
                cause,
            })?;
            entry.bundle = number;
            let model = self.model(&bundle).ok_or(ProvingError::Model)?;
            let opened = export.metadata
                || model.has_totals()
                || rows.iter().any(|row| export.disclose.contains(row));
            if opened {
                let opened = self.logged_rows(&rows)?;
                let leaves = self.show(&mut entry, &model, &bundle, &opened, export)?;
                if model.has_totals() {
                    let chain = chains.entry(bundle).or_default();
                    chain.extend(opened.into_iter().zip(leaves));
                }
            }
            proved.push(entry);
        }
        if let Some(seq) = export.disclose.intersection(&rest).next() {
            return Err(ExportError::NotProved { seq: *seq });
        }
        // 2. What no proof stands for, and the lifecycle entries that decisions name.
        let mut entries: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        for seq in rest {
            entries.insert(seq, self.store.entry(seq)?);
        }
        let mut named: BTreeSet<u64> = BTreeSet::new();
        for rows in &proved {
            let logged = rows.logged.iter().flat_map(|logged| &logged.lifecycles);
            named.extend(logged.map(|lifecycle| lifecycle.index));
        }
        for bytes in entries.values() {
            if let Ok(Entry::Decision(decision)) = Entry::decode(bytes) {
                named.insert(decision.lifecycle.index);
            }
        }
        for seq in named {
            if let btree_map::Entry::Vacant(place) = entries.entry(seq) {
                place.insert(self.store.entry(seq)?);
            }
        }
        // 3. Where all of it stands.
        let mut known: BTreeSet<u64> = entries.keys().copied().collect();
        for rows in &proved {
            let places = rows.logged.iter().flat_map(|logged| &logged.places);
            known.extend(places.map(|place| place.seq));
        }
        let known: Vec<u64> = known.into_iter().collect();
        let inclusion = self.store.prove_set(size, &known)?;
        let earlier = match export.earlier {
            None => None,
            Some(at) => Some(self.earlier(at, size)?),
        };
        let totals = self.totals(&bundles, &chains, &entries)?;
        let reference = |bundle: &Hash| match export.bundles {
            true => match self.model(bundle) {
                Some(model) => BundleRef::Embedded(model.artifact.bundle_bytes().to_vec()),
                None => BundleRef::Digest(*bundle),
            },
            false => BundleRef::Digest(*bundle),
        };
        let evidence = Evidence {
            bundles: bundles.iter().map(reference).collect(),
            origin: self.keeper.origin().to_owned(),
            proofs: proved,
            window: Some(LogWindow {
                checkpoint: checkpoint.note,
                from: window.start,
                to: window.end,
                entries: entries.into_values().collect(),
                inclusion,
                earlier,
                totals,
                timestamps: export.timestamps.clone(),
            }),
        };
        Ok(evidence.encode())
    }

    /// The proofs that touch a window, with the window widened to hold all of their rows.
    #[allow(clippy::type_complexity)] // rows, bundle and bytes of each proof
    fn proofs_of(
        &self,
        mut window: Range<u64>,
        size: u64,
    ) -> Result<(Range<u64>, Vec<(Vec<u64>, Hash, Vec<u8>)>), ExportError> {
        let mut ids: BTreeSet<u64> = BTreeSet::new();
        let mut proofs: BTreeMap<u64, (Vec<u64>, Hash, Vec<u8>)> = BTreeMap::new();
        let mut looked = window.start..window.start;
        while looked != window {
            let fresh = (window.start..looked.start).chain(looked.end..window.end);
            let mut found: BTreeSet<u64> = BTreeSet::new();
            for seq in fresh {
                found.extend(self.store.record(seq)?.proof);
            }
            looked = window.clone();
            for id in found {
                if !ids.insert(id) {
                    continue;
                }
                let stored = self.store.proof(id)?.proof;
                let (Some(first), Some(last)) = (stored.rows.first(), stored.rows.last()) else {
                    continue;
                };
                // Rows appended since the checkpoint would not stand in its tree.
                if *last >= size {
                    continue;
                }
                window.start = window.start.min(*first);
                window.end = window.end.max(last + 1);
                proofs.insert(*first, (stored.rows, stored.bundle, stored.proof));
            }
        }
        Ok((window, proofs.into_values().collect()))
    }

    /// Shows metadata and inputs of a proof's rows; returns the leaf hashes.
    fn show(
        &self,
        entry: &mut ProvedRows,
        model: &Model,
        bundle: &Hash,
        rows: &[LoggedRow],
        export: &Export,
    ) -> Result<Vec<Hash>, ExportError> {
        let artifact = &model.artifact;
        let key = artifact.prepared.key();
        let first = rows.first().map_or(0, |row| row.seq);
        let stated =
            StatedRows::read(key, bundle, entry).ok_or(ProvingError::Entry { seq: first })?;
        for (i, row) in rows.iter().enumerate() {
            if export.metadata || export.disclose.contains(&row.seq) {
                entry.metadata[i] = Metadata::ShownAlone {
                    salt: row.salt,
                    metadata: row.committed.row().metadata.clone(),
                };
            }
            if !export.disclose.contains(&row.seq) {
                continue;
            }
            let inputs = &row.committed.row().input;
            let disclosed = Disclosed {
                circuit_id: &artifact.circuit_id(),
                leaf: &stated.leaves[i],
                commitment: &stated.commitments[i],
                inputs,
            };
            let nonces: Vec<_> = (0..disclosure::nonce_count(key)).map(|_| nonce()).collect();
            let blinding = row.committed.blinding_scalar();
            let proof = disclosure::prove(key, &disclosed, &blinding, &nonces);
            entry.disclosures.push(Disclosure {
                row: i as u32,
                inputs: inputs.clone(),
                proof: proof.expect("as many nonces as it asks for"),
            });
        }
        Ok(stated.leaves)
    }

    /// The consistency proof from an earlier checkpoint.
    fn earlier(&self, at: u64, size: u64) -> Result<Earlier, ExportError> {
        let StoredCheckpoint { size: at, note, .. } = self
            .store
            .checkpoint(at)?
            .ok_or(ExportError::Earlier { size: at })?;
        Ok(Earlier {
            checkpoint: note,
            consistency: self.store.prove_consistency(at, size)?,
        })
    }

    /// Proofs that running totals go on, for each bundle that has some, in the file's order of bundles.
    fn totals(
        &self,
        bundles: &[Hash],
        chains: &BTreeMap<Hash, Vec<(LoggedRow, Hash)>>,
        entries: &BTreeMap<u64, Vec<u8>>,
    ) -> Result<Vec<Vec<u8>>, ExportError> {
        let mut proofs = vec![];
        for bundle in bundles {
            let Some(model) = self.model(bundle).filter(|model| model.has_totals()) else {
                continue;
            };
            let Some(rows) = chains.get(bundle) else {
                continue;
            };
            // A decision between that is not proved breaks the chain; the file says so.
            let last = rows.iter().map(|(row, _)| row.seq).max().unwrap_or(0);
            let between = entries.range(..last).any(|(_, bytes)| {
                matches!(Entry::decode(bytes), Ok(Entry::Decision(d)) if d.bundle == *bundle && d.mode == Mode::Prove)
            });
            if between {
                proofs.push(vec![]);
                continue;
            }
            proofs.push(prove_totals(&model, rows));
        }
        Ok(proofs)
    }
}

fn prove_totals(model: &Model, rows: &[(LoggedRow, Hash)]) -> Vec<u8> {
    let artifact = &model.artifact;
    let key = artifact.prepared.key();
    let mut order: Vec<&(LoggedRow, Hash)> = rows.iter().collect();
    order.sort_by_key(|(row, _)| row.seq);
    let times: Vec<u64> = order.iter().map(|(row, _)| row.time_ms).collect();
    let policy = model.policy.as_ref().expect("totals are a policy's");
    let totals = totals_of(policy, key.input_rows.len(), &times).expect("the policy's own circuit");
    let leaves: Vec<Hash> = order.iter().map(|(_, leaf)| *leaf).collect();
    let commitments: Vec<_> = order.iter().map(|(row, _)| row.committed.point()).collect();
    let blindings: Vec<_> = order
        .iter()
        .map(|(row, _)| row.committed.blinding_scalar())
        .collect();
    let openings: Vec<Opening<'_>> = order
        .iter()
        .zip(&blindings)
        .map(|((row, _), blinding)| Opening {
            inputs: &row.committed.row().input,
            blinding,
        })
        .collect();
    let chain = Chain {
        circuit_id: &artifact.circuit_id(),
        leaves: &leaves,
        commitments: &commitments,
        totals: &totals,
    };
    let count = totals::nonce_count(key, totals.len());
    let nonces: Vec<_> = (0..count).map(|_| nonce()).collect();
    totals::prove(key, &chain, &openings, &nonces).expect("the parts are of one circuit")
}

/// A fresh uniform scalar from the operating system.
fn nonce() -> clearproof_shared::bn254::Fr {
    scalar_to_ark(&Fr::random(&mut OsRng))
}
