//! Counters and times in Prometheus' text format, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clearproof_prover::engine::EngineStats;

/// Requests by route: the routes' number bounds how many series there are.
#[derive(Default)]
pub(super) struct Metrics {
    requests: Mutex<BTreeMap<(String, String, u16), u64>>,
    times: Mutex<BTreeMap<(String, String), Histogram>>,
}

#[derive(Default)]
struct Histogram {
    buckets: [u64; BOUNDS.len()],
    count: u64,
    sum: f64,
}

impl Metrics {
    /// Counts one answered request.
    pub(super) fn count(&self, method: &str, route: &str, status: u16, took: Duration) {
        let key = (method.to_owned(), route.to_owned());
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests
            .entry((key.0.clone(), key.1.clone(), status))
            .or_default() += 1;
        drop(requests);
        let seconds = took.as_secs_f64();
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let histogram = times.entry(key).or_default();
        histogram.count += 1;
        histogram.sum += seconds;
        for (bucket, bound) in histogram.buckets.iter_mut().zip(BOUNDS) {
            *bucket += u64::from(seconds <= bound);
        }
    }

    /// All of it, with the log's counts.
    pub(super) fn text(&self, stats: &EngineStats, checkpoint: u64) -> String {
        let mut text = String::new();
        let counts = &stats.counts;
        for (name, help, value) in [
            ("log_entries", "Entries of the log.", counts.total),
            (
                "checkpoint_entries",
                "Entries at the latest checkpoint.",
                checkpoint,
            ),
            ("decisions", "Decisions in the log.", stats.decisions),
            (
                "decisions_compliant",
                "Decisions that are compliant.",
                counts.compliant,
            ),
            (
                "decisions_violating",
                "Decisions that are not compliant.",
                counts.violations,
            ),
            (
                "decisions_pending",
                "Decisions that wait for a proof.",
                counts.pending,
            ),
            (
                "decisions_failed",
                "Decisions of which proving failed.",
                counts.failed,
            ),
            ("decisions_proven", "Decisions with a proof.", counts.proven),
            (
                "decisions_verified",
                "Decisions with a checked proof.",
                counts.verified,
            ),
            (
                "decisions_unproven",
                "Decisions of which no proof follows.",
                counts.decide_only,
            ),
        ] {
            let _ = writeln!(text, "# HELP clearproof_{name} {help}\n# TYPE clearproof_{name} gauge\nclearproof_{name} {value}");
        }
        text += "# HELP clearproof_requests_total Requests answered.\n# TYPE clearproof_requests_total counter\n";
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        for ((method, route, status), count) in requests.iter() {
            let _ = writeln!(text, "clearproof_requests_total{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}} {count}");
        }
        drop(requests);
        text += "# HELP clearproof_request_seconds Time until a request was answered.\n# TYPE clearproof_request_seconds histogram\n";
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        for ((method, route), histogram) in times.iter() {
            let labels = format!("method=\"{method}\",route=\"{route}\"");
            for (bound, count) in BOUNDS.iter().zip(histogram.buckets) {
                let _ = writeln!(
                    text,
                    "clearproof_request_seconds_bucket{{{labels},le=\"{bound}\"}} {count}"
                );
            }
            let (count, sum) = (histogram.count, histogram.sum);
            let _ = writeln!(text, "clearproof_request_seconds_bucket{{{labels},le=\"+Inf\"}} {count}\nclearproof_request_seconds_sum{{{labels}}} {sum}\nclearproof_request_seconds_count{{{labels}}} {count}");
        }
        text
    }
}

/// Upper ends in seconds.
const BOUNDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10.0];
