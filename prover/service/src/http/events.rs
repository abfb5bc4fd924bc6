//! Progress as server-sent events: appended, proved, verified, failed, checkpoint.

use std::convert::Infallible;

use axum::extract::State as Of;
use axum::response::sse::{self, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use utoipa::ToSchema;

use super::state::Shared;

/// What happened.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(super) enum Event {
    /// A record is durable in the log.
    Appended {
        /// Sequence number.
        seq: u64,
        /// The answer, where there is one.
        compliant: Option<bool>,
    },
    /// A proof is attached.
    Proved {
        /// Its id.
        proof: u64,
        /// Sequence numbers of its rows.
        rows: Vec<u64>,
    },
    /// A proof was checked.
    Verified {
        /// Its id.
        proof: u64,
        /// Sequence numbers of its rows.
        rows: Vec<u64>,
    },
    /// A proof does not hold.
    Failed {
        /// Its id.
        proof: u64,
        /// Why.
        reason: String,
    },
    /// A checkpoint was signed.
    Checkpoint {
        /// Entries.
        size: u64,
    },
    /// The listener was too slow.
    Missed {
        /// How many events it will not see.
        events: u64,
    },
}

impl Event {
    fn name(&self) -> &'static str {
        match self {
            Event::Appended { .. } => "appended",
            Event::Proved { .. } => "proved",
            Event::Verified { .. } => "verified",
            Event::Failed { .. } => "failed",
            Event::Checkpoint { .. } => "checkpoint",
            Event::Missed { .. } => "missed",
        }
    }
}

/// Progress from now on, until the service stops.
#[utoipa::path(get, path = "/v1/events", tag = "log",
    responses((status = 200, description = "Server-sent events; the data of each is JSON", body = Event, content_type = "text/event-stream")))]
pub(super) async fn events(
    Of(state): Of<Shared>,
) -> Sse<impl Stream<Item = Result<sse::Event, Infallible>>> {
    let listener = (state.events.subscribe(), state.stopping.subscribe());
    let events = stream::unfold(listener, |(mut events, mut stopping)| async move {
        let event = tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => return None,
            event = events.recv() => event,
        };
        let event = match event {
            Ok(event) => event,
            Err(RecvError::Lagged(events)) => Event::Missed { events },
            Err(RecvError::Closed) => return None,
        };
        let data = serde_json::to_string(&event).unwrap_or_default();
        let sent = sse::Event::default().event(event.name()).data(data);
        Some((Ok(sent), (events, stopping)))
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}
