//! What a report shows of proved rows, and what is asked of them together.

use super::bundle::PreparedBundle;
use super::draft::{numbered, Draft};
use super::fields;
use super::report::{names, Outcome, Record, ShownMetadata};
use super::rows::StatedRows;
use crate::artifact::evidence::{Evidence, Inputs, Metadata, ProvedRows};
use crate::artifact::policy::PolicyDescription;
use crate::artifact::window::Place;
use crate::encoding::{hex, point_to_bytes};
use crate::order::has_repeated;

/// The records of a proof's rows, as they are shown once its checks have passed.
pub(super) fn of_rows(
    proof: usize,
    bundle: &PreparedBundle,
    rows: &ProvedRows,
    stated: &StatedRows,
) -> Vec<Record> {
    let parts = bundle.parts();
    let digest = hex(bundle.digest());
    let mut records = Vec::with_capacity(stated.leaves.len());
    for (row, leaf) in stated.leaves.iter().enumerate() {
        let values = rows.released_of(row);
        records.push(Record {
            proof,
            row,
            model: parts.name.clone(),
            bundle: digest.clone(),
            commitment: hex(&point_to_bytes(&stated.commitments[row])),
            released: values.to_vec(),
            decision: decision(&parts.released_names, values),
            compliant: compliant(&parts.released_names, values),
            metadata: shown_metadata(rows, row),
            inputs: match &rows.inputs {
                Inputs::Public(inputs) => inputs.get(row).cloned(),
                Inputs::Committed(_) => None,
            },
            leaf: hex(leaf),
            seq: place(rows, row).map(|place| place.seq),
            time_ms: place(rows, row).map(|place| place.time_ms),
            lifecycle: lifecycle(rows, row),
        });
    }
    records
}

fn place(rows: &ProvedRows, row: usize) -> Option<&Place> {
    rows.logged.as_ref()?.places.get(row)
}

/// The lifecycle entry that a row names.
fn lifecycle(rows: &ProvedRows, row: usize) -> Option<u64> {
    let logged = rows.logged.as_ref()?;
    let named = logged.places.get(row)?.lifecycle;
    Some(logged.lifecycles.get(named as usize)?.index)
}

/// What may be shown of a row's metadata.
fn shown_metadata(rows: &ProvedRows, row: usize) -> ShownMetadata {
    match rows.metadata.get(row) {
        Some(Metadata::Shown(bytes)) => readable(bytes),
        Some(Metadata::ShownAlone { metadata, .. }) => readable(metadata),
        Some(Metadata::Hidden(digest)) => ShownMetadata::Hidden(hex(digest)),
        None => ShownMetadata::Hidden(String::new()),
    }
}

fn readable(bytes: &[u8]) -> ShownMetadata {
    match core::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => ShownMetadata::Text(text.to_owned()),
        _ => ShownMetadata::Hex(hex(bytes)),
    }
}

/// The released values in words.
fn decision(released_names: &[String], values: &[i64]) -> String {
    let mut parts = vec![];
    for (index, value) in values.iter().enumerate() {
        let name = released_names.get(index).map(String::as_str);
        parts.push(match (name, value) {
            (Some(DECISION), 1) => "approved".to_owned(),
            (Some(DECISION), 0) => "declined".to_owned(),
            (Some(name), value) => [name, " = ", &value.to_string()].concat(),
            (None, value) => value.to_string(),
        });
    }
    parts.join(", ")
}

/// The decision among the released values.
fn compliant(released_names: &[String], values: &[i64]) -> Option<bool> {
    let index = released_names.iter().position(|name| name == DECISION)?;
    match values.get(index)? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// The fields of all rows whose inputs and metadata are both known.
pub(super) fn check_fields(
    draft: &mut Draft,
    policy: &PolicyDescription,
    index: usize,
    rows: &ProvedRows,
    records: &[Record],
) {
    let mut compared = 0;
    for record in records {
        let (
            Some(inputs),
            Some(
                Metadata::Shown(shown)
                | Metadata::ShownAlone {
                    metadata: shown, ..
                },
            ),
        ) = (&record.inputs, rows.metadata.get(record.row))
        else {
            continue;
        };
        if let Err(reason) = fields::compare(policy, inputs, shown) {
            let inputs = [numbered("proof ", index), numbered(", row ", record.row)].concat();
            draft.add(names::FIELDS, inputs, Outcome::Failed, reason);
            return;
        }
        compared += 1;
    }
    if compared > 0 {
        let inputs = [numbered("proof ", index), numbered(", rows: ", compared)].concat();
        let reason = "What the policy read of the metadata is what the metadata shown says.";
        draft.add(names::FIELDS, inputs, Outcome::Passed, reason);
    }
}

/// Public inputs repeat where inputs do; a committed one repeats only with its randomness.
pub(super) fn check_unique(draft: &mut Draft, evidence: &Evidence) {
    let mut commitments: Vec<&[u8; 32]> = vec![];
    for rows in &evidence.proofs {
        if let Inputs::Committed(committed) = &rows.inputs {
            commitments.extend(committed);
        }
    }
    let count = commitments.len();
    let repeated = has_repeated(commitments);
    let (outcome, reason) = if repeated {
        (
            Outcome::Failed,
            "An input commitment occurs twice: a decision is counted twice or randomness was reused.",
        )
    } else {
        (Outcome::Passed, "No input commitment occurs twice.")
    };
    let inputs = numbered("commitments: ", count);
    draft.add(names::RECORDS_UNIQUE, inputs, outcome, reason);
}

/// The released name whose values 1 and 0 are decisions.
const DECISION: &str = "decision";
