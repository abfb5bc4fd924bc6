//! How often a key may ask: a bucket of tokens for each key, refilled evenly.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The buckets of all keys; the configuration bounds how many there are.
pub(super) struct Buckets {
    per_second: f64,
    burst: f64,
    buckets: Mutex<HashMap<String, (f64, Instant)>>,
}

impl Buckets {
    pub(super) fn new(per_second: f64, burst: u32) -> Self {
        Self {
            per_second,
            burst: f64::from(burst),
            buckets: Mutex::default(),
        }
    }

    /// Takes a token, if there is one.
    pub(super) fn take(&self, key: &str, now: Instant) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, filled) = buckets.entry(key.to_owned()).or_insert((self.burst, now));
        let since = now.saturating_duration_since(*filled).as_secs_f64();
        *tokens = (*tokens + since * self.per_second).min(self.burst);
        *filled = now;
        let allowed = *tokens >= 1.0;
        if allowed {
            *tokens -= 1.0;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let buckets = Buckets::new(2.0, 3);
        let start = Instant::now();
        let taken = |at: f64| buckets.take("a", start + Duration::from_secs_f64(at));
        assert_eq!([0.0; 4].map(taken), [true, true, true, false]);
        assert_eq!([0.6, 0.6].map(taken), [true, false]);
        assert_eq!([100.0; 4].map(taken), [true, true, true, false]);
        assert!(buckets.take("b", start));
    }
}
