//! Deciding, and what was decided.

use axum::extract::State as Of;
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json as Answer};
use clearproof_prover::engine::store::{Filter, ProofStatus, Record, RecordKind};
use clearproof_prover::engine::{Decision, Features, Trade};
use clearproof_shared::log::merkle::Hash;
use rand_core::{OsRng, RngCore};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::events::Event;
use super::extract::{Json, Numbers, Object, Query, Segment, MOST_NUMBER};
use super::problem::Problem;
use super::routes::Caller;
use super::state::{blocking, Shared, State};
use crate::config::{hex, unhex, Role};

/// What is to be decided.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TradeBody {
    /// The model's inputs: a list in its order, or an object by name.
    #[schema(value_type = Object, example = json!({"size": 0.5, "leverage": 2.0}))]
    features: Numbers,
    /// What is said about the trade; a policy may read fields of it.
    #[serde(default)]
    #[schema(value_type = Object, example = json!({"symbol": "BTC-USD"}))]
    metadata: Object,
    /// SHA-256 of the bundle that is to decide, hexadecimal; the one in force where none is named.
    model: Option<String>,
}

/// A trade of a batch.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BatchTrade {
    /// The trade's features, as of a single decision.
    #[schema(value_type = Object)]
    features: Numbers,
    /// Its metadata, likewise.
    #[serde(default)]
    #[schema(value_type = Object)]
    metadata: Object,
    /// SHA-256 of the bundle that is to decide.
    model: Option<String>,
    /// What the `Idempotency-Key` is to a single decision.
    idempotency_key: Option<String>,
}

/// Trades that are decided in their order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BatchBody {
    /// The trades.
    trades: Vec<BatchTrade>,
}

/// What was decided.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DecisionAnswer {
    /// Sequence number in the log.
    seq: u64,
    /// Leaf hash of the entry, hexadecimal: the receipt that the order can carry.
    receipt: String,
    /// Unix time in milliseconds.
    time_ms: u64,
    /// SHA-256 of the bundle that decided, hexadecimal.
    model: String,
    /// Whether the trade is compliant; null where the model releases something else than a decision.
    compliant: Option<bool>,
    /// Number of the first rule that failed, from 1 on.
    reason: Option<u32>,
    /// Name of that rule.
    rule: Option<String>,
    /// What a proof releases: whole numbers as text, since JavaScript's hold no more than 53 bits.
    released: Vec<String>,
    /// Whether it was decided before, under the same `Idempotency-Key`.
    repeated: bool,
    /// Features that were outside their declared range, and stand at its end.
    saturated: Vec<String>,
}

impl From<Decision> for DecisionAnswer {
    fn from(decision: Decision) -> Self {
        Self {
            seq: decision.seq,
            receipt: hex(&decision.receipt),
            time_ms: decision.time_ms,
            model: hex(&decision.model),
            compliant: decision.compliant,
            reason: decision.reason,
            rule: decision.rule,
            released: decision.released.iter().map(ToString::to_string).collect(),
            repeated: decision.repeated,
            saturated: decision.saturated,
        }
    }
}

/// One trade's answer in a batch.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum BatchItem {
    /// It was decided.
    Decision(DecisionAnswer),
    /// It was not.
    Problem(Problem),
}

/// The answers of a batch, in its order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BatchAnswer {
    results: Vec<BatchItem>,
}

/// A record of the log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RecordAnswer {
    /// Sequence number.
    seq: u64,
    /// Unix time in milliseconds.
    time_ms: u64,
    /// `prove`, `decide-only` or `lifecycle`.
    kind: &'static str,
    /// SHA-256 of the bundle, hexadecimal.
    model: String,
    /// Leaf hash of the entry, hexadecimal.
    receipt: String,
    /// Name of the key that asked, `/`, and its `Idempotency-Key`.
    request_id: Option<String>,
    /// The answer.
    compliant: Option<bool>,
    /// Number of the first rule that failed, from 1 on.
    reason: Option<u32>,
    /// The metadata.
    #[schema(value_type = Option<Object>)]
    metadata: serde_json::Value,
    /// `unproven`, `pending`, `failed`, `proven` or `verified`.
    status: &'static str,
    /// The proof's id.
    proof: Option<u64>,
    /// The failure's id.
    failure: Option<u64>,
}

impl RecordAnswer {
    fn new(state: &State, record: Record) -> Result<Self, Problem> {
        let receipt = state.engine.store().node(0, record.seq)?;
        Ok(Self {
            seq: record.seq,
            time_ms: record.time_ms,
            kind: kind_name(record.kind),
            model: hex(&record.bundle),
            receipt: hex(&receipt),
            request_id: record.request_id,
            compliant: record.compliant,
            reason: record.reason,
            metadata: serde_json::from_str(&record.metadata).unwrap_or_default(),
            status: record.status.name(),
            proof: record.proof,
            failure: record.failure,
        })
    }
}

/// Records, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HistoryAnswer {
    records: Vec<RecordAnswer>,
    /// What to give as `before` for the next page; null at the end.
    next: Option<u64>,
}

/// Which records are shown.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct HistoryQuery {
    /// Sequence numbers below this one: `next` of the page before.
    before: Option<u64>,
    /// Unix times in milliseconds from this one on.
    from_ms: Option<u64>,
    /// Times before this one.
    until_ms: Option<u64>,
    /// `prove`, `decide-only` or `lifecycle`.
    kind: Option<String>,
    /// SHA-256 of a bundle, hexadecimal.
    model: Option<String>,
    /// With this answer.
    compliant: Option<bool>,
    /// `unproven`, `pending`, `failed`, `proven` or `verified`.
    status: Option<String>,
    /// A member of the metadata, with `metadata_value`.
    metadata_key: Option<String>,
    /// Its value as text.
    metadata_value: Option<String>,
    /// Most records of the page, 1 to 1000; 100 where it is not given.
    limit: Option<usize>,
}

/// Decides, and answers once the decision is durable in the log.
#[utoipa::path(post, path = "/v1/decisions", tag = "decisions", request_body = TradeBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "The caller's name for the request: asked again, it is answered as before")),
    responses((status = 200, body = DecisionAnswer), (status = 422, body = Problem), (status = 409, description = "No model is in force", body = Problem)))]
pub(super) async fn decide(
    Of(state): Of<Shared>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Json(body): Json<TradeBody>,
) -> Result<Answer<DecisionAnswer>, Problem> {
    let key = match headers.get("idempotency-key") {
        None => None,
        Some(key) => Some(key.to_str().map_err(|_| bad_key())?.to_owned()),
    };
    let trade = trade(
        &caller,
        body.features,
        body.metadata,
        body.model.as_deref(),
        key,
    )?;
    let decision = blocking(&state, move |state| {
        let decision = state.engine.decide(trade)?;
        tell(state, &decision);
        Ok(decision)
    });
    Ok(Answer(decision.await?.into()))
}

/// Decides several trades in their order; one that is refused does not hold up the others.
#[utoipa::path(post, path = "/v1/decisions/batch", tag = "decisions", request_body = BatchBody,
    responses((status = 200, body = BatchAnswer), (status = 400, body = Problem)))]
pub(super) async fn decide_batch(
    Of(state): Of<Shared>,
    Extension(caller): Extension<Caller>,
    Json(body): Json<BatchBody>,
) -> Result<Answer<BatchAnswer>, Problem> {
    let most = state.config.limits.batch;
    if body.trades.is_empty() || body.trades.len() > most {
        return Err(Problem::unprocessable(format!(
            "a batch has 1 to {most} trades"
        )));
    }
    let trades: Vec<Result<Trade, Problem>> = body
        .trades
        .into_iter()
        .map(|t| {
            trade(
                &caller,
                t.features,
                t.metadata,
                t.model.as_deref(),
                t.idempotency_key,
            )
        })
        .collect();
    let decided = blocking(&state, move |state| {
        let good = trades.iter().flatten().cloned().collect();
        let mut decided = state.engine.decide_all(good).into_iter();
        let results = trades.into_iter().map(|trade| match trade {
            Err(problem) => BatchItem::Problem(problem),
            Ok(_) => match decided.next() {
                Some(Ok(decision)) => {
                    tell(state, &decision);
                    BatchItem::Decision(decision.into())
                }
                Some(Err(error)) => BatchItem::Problem(error.into()),
                None => BatchItem::Problem(Problem::internal()),
            },
        });
        Ok(results.collect())
    });
    Ok(Answer(BatchAnswer {
        results: decided.await?,
    }))
}

/// A record. A trader sees those that its own key asked for.
#[utoipa::path(get, path = "/v1/decisions/{seq}", tag = "decisions", params(("seq" = u64, Path)),
    responses((status = 200, body = RecordAnswer), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn decision(
    Of(state): Of<Shared>,
    Extension(caller): Extension<Caller>,
    seq: Segment,
) -> Result<Answer<RecordAnswer>, Problem> {
    let seq = seq.number("seq")?;
    let record = blocking(&state, move |state| {
        let found = state.engine.store().record(seq);
        let own = |record: &Record| {
            let id = record.request_id.as_deref();
            let rest = id.and_then(|id| id.strip_prefix(caller.name.as_str()));
            rest.is_some_and(|rest| rest.starts_with('/'))
        };
        if caller.role == Role::Trader && !found.as_ref().is_ok_and(own) {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "a trader's key sees the decisions that it asked for",
            ));
        }
        RecordAnswer::new(state, found?)
    });
    record.await.map(Answer)
}

/// Records that pass every condition given, newest first.
#[utoipa::path(get, path = "/v1/history", tag = "decisions", params(HistoryQuery),
    responses((status = 200, body = HistoryAnswer), (status = 400, body = Problem)))]
pub(super) async fn history(
    Of(state): Of<Shared>,
    Query(query): Query<HistoryQuery>,
) -> Result<Answer<HistoryAnswer>, Problem> {
    let (filter, limit) = query.filter()?;
    let answer = blocking(&state, move |state| {
        let found = state.engine.history(&filter, limit)?;
        let last = found.last().map(|record| record.seq);
        let next = last.filter(|seq| found.len() == limit && *seq > 0);
        let records = found
            .into_iter()
            .map(|record| RecordAnswer::new(state, record));
        Ok(HistoryAnswer {
            records: records.collect::<Result<_, _>>()?,
            next,
        })
    });
    answer.await.map(Answer)
}

impl HistoryQuery {
    fn filter(self) -> Result<(Filter, usize), Problem> {
        let bad = |sentence: String| Problem::bad_request(sentence);
        let limit = self.limit.unwrap_or(100);
        if !(1..=MOST_RECORDS).contains(&limit) {
            return Err(bad(format!("limit: give 1 to {MOST_RECORDS}")));
        }
        for (name, number) in [
            ("before", self.before),
            ("from_ms", self.from_ms),
            ("until_ms", self.until_ms),
        ] {
            if number.is_some_and(|number| number > MOST_NUMBER) {
                return Err(bad(format!("{name}: at most {MOST_NUMBER}")));
            }
        }
        let metadata = match (self.metadata_key, self.metadata_value) {
            (None, None) => None,
            (Some(key), Some(value)) => Some((key, value)),
            _ => return Err(bad("give metadata_key and metadata_value together".into())),
        };
        let filter = Filter {
            before: self.before,
            from_ms: self.from_ms,
            until_ms: self.until_ms,
            kind: named(self.kind.as_deref(), "kind", &KINDS, kind_name)?,
            bundle: self.model.as_deref().map(read_hash).transpose()?,
            compliant: self.compliant,
            status: named(
                self.status.as_deref(),
                "status",
                &STATUSES,
                ProofStatus::name,
            )?,
            metadata,
        };
        Ok((filter, limit))
    }
}

/// One of these, by its name.
fn named<T: Copy>(
    given: Option<&str>,
    what: &str,
    all: &[T],
    name: fn(T) -> &'static str,
) -> Result<Option<T>, Problem> {
    let Some(given) = given else { return Ok(None) };
    let found = all.iter().find(|item| name(**item) == given);
    found.copied().map(Some).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|item| name(*item)).collect();
        Problem::bad_request(format!("{what}: give one of {}", names.join(", ")))
    })
}

fn kind_name(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::Prove => "prove",
        RecordKind::DecideOnly => "decide-only",
        RecordKind::Lifecycle => "lifecycle",
    }
}

/// A SHA-256 in hexadecimal.
pub(super) fn read_hash(text: &str) -> Result<Hash, Problem> {
    unhex(text).ok_or_else(|| Problem::bad_request("a model is named by 64 hexadecimal digits"))
}

fn trade(
    caller: &Caller,
    features: Numbers,
    Object(metadata): Object,
    model: Option<&str>,
    key: Option<String>,
) -> Result<Trade, Problem> {
    let key = match key {
        Some(key) => {
            let proper =
                (1..=128).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
            Some(key).filter(|_| proper).ok_or_else(bad_key)?
        }
        None => {
            let mut random = [0; 16];
            OsRng.fill_bytes(&mut random);
            hex(&random)
        }
    };
    let features = match features {
        Numbers::Listed(values) => Features::Listed(values),
        Numbers::Named(values) => Features::Named(values),
    };
    Ok(Trade {
        features,
        metadata: metadata.into_iter().collect(),
        // Under the key's name, so that no caller gets another's answer, and each finds its own.
        request_id: Some(format!("{}/{key}", caller.name)),
        model: model.map(read_hash).transpose()?,
    })
}

fn bad_key() -> Problem {
    Problem::bad_request("an Idempotency-Key has 1 to 128 visible ASCII characters")
}

fn tell(state: &State, decision: &Decision) {
    if !decision.repeated {
        state.tell(Event::Appended {
            seq: decision.seq,
            compliant: decision.compliant,
        });
    }
}

const KINDS: [RecordKind; 3] = [
    RecordKind::Prove,
    RecordKind::DecideOnly,
    RecordKind::Lifecycle,
];
const STATUSES: [ProofStatus; 5] = [
    ProofStatus::Unproven,
    ProofStatus::Pending,
    ProofStatus::Failed,
    ProofStatus::Proven,
    ProofStatus::Verified,
];
const MOST_RECORDS: usize = 1000;
