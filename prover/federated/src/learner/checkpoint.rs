//! A learner on the disk.
//!
//! Layout: CBOR array of version, model (ONNX), optimizer (JSON), session, next round, next attempt, the parties (name,
//! secret keys), their records. Written beside, synced and renamed, for its owner alone: it holds secret keys. The
//! budgets are not in it: a checkpoint put back does not give back privacy.

use std::fs;
use std::path::Path;

use clearproof_shared::artifact::cbor::{Decoder, Encoder};
use clearproof_shared::artifact::FormatError;
use zeroize::Zeroizing;

use super::{Fields, LearnerError, SecureFederatedLearner, Settings};
use crate::aggregation::identity::{Identity, IDENTITY_BYTES};
use crate::certificate::Record;
use crate::training::onnx;
use crate::training::optimizer::Optimizer;
use crate::transport::provision::replace;

fn failed(path: &Path, cause: &dyn std::fmt::Display) -> LearnerError {
    LearnerError::Checkpoint {
        path: path.to_owned(),
        cause: cause.to_string(),
    }
}

pub(super) fn save(learner: &SecureFederatedLearner, path: &Path) -> Result<(), LearnerError> {
    let mut out = Encoder::default();
    out.array(8);
    out.uint(VERSION);
    out.bytes(&onnx::write(learner.model()));
    let optimizer =
        serde_json::to_string(learner.trainer.optimizer()).map_err(|e| failed(path, &e))?;
    out.text(&optimizer);
    out.bytes(&learner.next.session);
    out.uint(learner.next.round);
    out.uint(learner.next.attempt.into());
    out.array(learner.identities.len());
    for identity in &learner.identities {
        out.array(2);
        out.text(&identity.entry().name);
        out.bytes(&identity.to_bytes()[..]);
    }
    out.array(learner.records.len());
    for record in &learner.records {
        out.bytes(&record.encode(&learner.compliance));
    }
    let bytes = Zeroizing::new(out.finish());
    replace(path, &bytes).map_err(|error| failed(path, &error))
}

pub(super) fn restore(
    path: &Path,
    constraints: Option<Fields>,
    promise: Option<(f64, f64)>,
    settings: &Settings,
) -> Result<SecureFederatedLearner, LearnerError> {
    let bytes = fs::read(path)
        .map(Zeroizing::new)
        .map_err(|e| failed(path, &e))?;
    let saved = Saved::decode(&bytes).map_err(|e| failed(path, &e))?;
    let model = onnx::read(&saved.model)?;
    let optimizer: Optimizer =
        serde_json::from_str(&saved.optimizer).map_err(|e| failed(path, &e))?;
    let (identities, session) = (saved.identities, saved.session);
    let mut learner = SecureFederatedLearner::with_identities(
        model,
        identities,
        constraints,
        promise,
        settings,
        session,
    )?;
    if saved.records.len() != learner.identities.len() {
        return Err(failed(path, &"it has records of another number of parties"));
    }
    learner.records.clear();
    for bytes in &saved.records {
        let (record, compliance) = Record::decode(bytes).map_err(|e| failed(path, &e))?;
        learner.records.push(record);
        learner.compliance = compliance;
    }
    learner.trainer.restore(optimizer)?;
    (learner.next.round, learner.next.attempt) = (saved.round, saved.attempt);
    Ok(learner)
}

struct Saved {
    model: Vec<u8>,
    optimizer: String,
    session: [u8; 32],
    round: u64,
    attempt: u32,
    identities: Vec<Identity>,
    records: Vec<Vec<u8>>,
}

impl Saved {
    fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut input = Decoder::new(bytes);
        if input.array(8, "checkpoint")? != 8 {
            return Err(FormatError::Unexpected("checkpoint"));
        }
        let version = input.uint(u64::MAX, "version")?;
        if version != VERSION {
            return Err(FormatError::Version(version));
        }
        let most = bytes.len();
        let saved = Self {
            model: input.bytes(most, "model")?.to_vec(),
            optimizer: input.text(most, "optimizer")?.to_owned(),
            session: input.array_of_bytes("session")?,
            round: input.uint(u64::MAX, "round")?,
            attempt: input.uint(u32::MAX.into(), "attempt")? as u32,
            identities: input.list(most, "parties", |input| {
                if input.array(2, "party")? != 2 {
                    return Err(FormatError::Unexpected("party"));
                }
                let name = input.text(most, "party name")?.to_owned();
                let keys = Zeroizing::new(input.array_of_bytes::<IDENTITY_BYTES>("keys")?);
                Identity::from_bytes(&name, &keys).ok_or(FormatError::Unexpected("keys"))
            })?,
            records: input.list(most, "records", |input| {
                Ok(input.bytes(most, "record")?.to_vec())
            })?,
        };
        input.finish()?;
        Ok(saved)
    }
}

const VERSION: u64 = 1;
