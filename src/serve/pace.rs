use std::io;
use std::time::Instant;

use super::limits::Limits;

/// How fast something arrives that is not whole yet: a body, or a row of a stream.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Since the first bytes.
    began: Option<Instant>,
    bytes: usize,
}

impl Pace {
    /// # Errors
    /// `TimedOut` if it has taken longer than a pause may, and came more slowly than it has to on average.
    pub(super) fn add(&mut self, bytes: usize, limits: &Limits) -> io::Result<()> {
        let elapsed = self.began.get_or_insert_with(Instant::now).elapsed();
        self.bytes += bytes;
        let least = limits.min_body_rate as f64 * elapsed.as_secs_f64();
        if elapsed > limits.body_timeout && (self.bytes as f64) < least {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }
}
