//! Streams and subjects of one log's queue.

use std::time::Duration;

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::consumer::AckPolicy;
use async_nats::jetstream::stream::{Config, RetentionPolicy};
use clearproof_shared::log::merkle::Hash;

use super::ACK_WAIT;
use crate::config::hex;

/// The names, which differ between logs that share a server.
pub(super) struct Names {
    id: String,
}

impl Names {
    /// By the id of the worker key.
    pub(super) fn new(key_id: &[u8; 8]) -> Self {
        Self { id: hex(key_id) }
    }

    /// Subject of the jobs of one model.
    pub(super) fn jobs_of(&self, bundle: &Hash) -> String {
        format!("clearproof.{}.jobs.{}", self.id, hex(bundle))
    }

    /// Subject of results.
    pub(super) fn results(&self) -> String {
        format!("clearproof.{}.results", self.id)
    }

    /// Subject of dead letters.
    pub(super) fn dead(&self) -> String {
        format!("clearproof.{}.dead", self.id)
    }

    /// The stream of jobs.
    pub(super) fn job_stream(&self) -> Config {
        let subject = format!("clearproof.{}.jobs.*", self.id);
        self.work("JOBS", subject, "batches to be proved")
    }

    /// The stream of results.
    pub(super) fn result_stream(&self) -> Config {
        self.work("RESULTS", self.results(), "proofs, and reasons why none")
    }

    /// The stream of dead letters.
    pub(super) fn dead_stream(&self) -> Config {
        Config {
            retention: RetentionPolicy::Limits,
            max_age: DEAD_LETTERS_FOR,
            ..self.work("DEAD", self.dead(), "batches that nobody could prove")
        }
    }

    /// How workers take the jobs of one model.
    pub(super) fn worker(&self, bundle: &Hash) -> pull::Config {
        pull::Config {
            filter_subject: self.jobs_of(bundle),
            ..durable(&format!("workers-{}", hex(&bundle[..8])))
        }
    }

    /// How the service takes results.
    pub(super) fn service(&self) -> pull::Config {
        durable("service")
    }

    fn work(&self, kind: &str, subject: String, description: &str) -> Config {
        Config {
            name: format!("CLEARPROOF_{}_{kind}", self.id),
            description: Some(format!("clearproof: {description}")),
            subjects: vec![subject],
            retention: RetentionPolicy::WorkQueue,
            ..Config::default()
        }
    }
}

fn durable(name: &str) -> pull::Config {
    pull::Config {
        durable_name: Some(name.into()),
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        ..pull::Config::default()
    }
}

const DEAD_LETTERS_FOR: Duration = Duration::from_secs(90 * 24 * 3600);
