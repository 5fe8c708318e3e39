//! Waits between attempts to load what failed.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// At first and at most.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Waits that grow while attempts follow each other.
pub(crate) struct Backoff {
    waits: ExponentialBackoff,
    began: Instant,
}

impl Backoff {
    /// Of what begins now.
    pub(crate) fn new() -> Self {
        let waits = ExponentialBuilder::new().with_min_delay(FIRST_WAIT).with_max_delay(LONGEST_WAIT);
        Self { waits: waits.without_max_times().with_jitter().build(), began: Instant::now() }
    }

    /// Notes that an attempt begins.
    pub(crate) fn begin(&mut self) {
        self.began = Instant::now();
    }

    /// How long to wait after a failure before the next attempt begins.
    pub(crate) fn wait(&mut self) -> Duration {
        // What fails now and then is not what fails at once.
        if self.began.elapsed() > LONGEST_WAIT {
            *self = Self::new();
        }
        self.waits.next().unwrap_or(LONGEST_WAIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_until_an_attempt_lasts() {
        let mut backoff = Backoff::new();
        let waits: Vec<_> = (0..20).map(|_| backoff.wait()).collect();
        // Up to as much again is added, so that many do not come at once.
        assert!(FIRST_WAIT <= waits[0] && waits[0] <= 2 * FIRST_WAIT, "{waits:?}");
        assert!(waits[19] >= LONGEST_WAIT && waits[19] <= 2 * LONGEST_WAIT, "{waits:?}");
        backoff.began = Instant::now().checked_sub(2 * LONGEST_WAIT).unwrap();
        assert!(backoff.wait() <= 2 * FIRST_WAIT);
    }
}
