use std::fmt;
use std::time::{Duration, Instant};

use indicatif::HumanCount;

use super::args::{LogFormat, MessageArgs};
use super::logging;
use crate::pipeline::Stats;
use crate::plural::plural;

/// The last line on stderr: what was done.
#[derive(Debug, serde::Serialize)]
pub(super) struct Summary {
    rows: u64,
    failed: u64,
    windows: u64,
    tokens: u64,
    seconds: f64,
    rows_per_second: f64,
    tokens_per_second: f64,
    /// Share of the computed tokens that are not padding.
    batch_fill: f64,
    /// How the network ran.
    engine: String,
}

impl Summary {
    pub(super) fn new(stats: &Stats, since: Instant, engine: String) -> Self {
        let elapsed: Duration = since.elapsed();
        let seconds = elapsed.as_secs_f64();
        let (rows, tokens) = (stats.rows.get(), stats.tokens.get());
        Self {
            rows,
            failed: stats.failed.get(),
            windows: stats.windows.get(),
            tokens,
            seconds,
            rows_per_second: rows as f64 / seconds,
            tokens_per_second: tokens as f64 / seconds,
            batch_fill: if tokens == 0 { 1.0 } else { tokens as f64 / stats.slots.get() as f64 },
            engine,
        }
    }

    pub(super) fn print(&self, args: &MessageArgs) -> anyhow::Result<()> {
        if args.quiet {
            return Ok(());
        }
        let text = match args.log_format {
            LogFormat::Json => serde_json::to_string(self)?,
            LogFormat::Text => format!(
                "{} {}, {} failed, {} {}, {} {} in {:.2} s: {:.1} rows/s, {:.0} tokens/s{} ({})",
                HumanCount(self.rows),
                plural(self.rows, "row"),
                HumanCount(self.failed),
                HumanCount(self.windows),
                plural(self.windows, "window"),
                HumanCount(self.tokens),
                plural(self.tokens, "token"),
                self.seconds,
                self.rows_per_second,
                self.tokens_per_second,
                Filled(self.batch_fill),
                self.engine,
            ),
        };
        logging::say((text + "\n").as_bytes());
        Ok(())
    }
}

/// How full batches were, for people; nothing where no padding was computed.
struct Filled(f64);

impl fmt::Display for Filled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1.0 { write!(f, ", batches {:.1} % full", 100.0 * self.0) } else { Ok(()) }
    }
}
