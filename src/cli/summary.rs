use std::fmt;
use std::time::{Duration, Instant};

use indicatif::HumanCount;

use super::args::{LogFormat, MessageArgs};
use super::logging;
use crate::engine::Precision;
use crate::pipeline::Stats;
use crate::plural::plural;

/// The last line on stderr: what was done.
#[derive(Debug, serde::Serialize)]
pub(super) struct Summary {
    rows: u64,
    /// Of these, those that an earlier run had answered.
    #[serde(skip_serializing_if = "is_zero")]
    resumed: u64,
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
    /// In which precision; that of a compiled model is its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    precision: Option<Precision>,
}

impl Summary {
    pub(super) fn new(
        stats: &Stats,
        resumed: u64,
        since: Instant,
        engine: String,
        precision: Option<Precision>,
    ) -> Self {
        let elapsed: Duration = since.elapsed();
        let seconds = elapsed.as_secs_f64();
        let (rows, tokens) = (stats.rows.get(), stats.tokens.get());
        Self {
            rows,
            resumed,
            failed: stats.failed.get(),
            windows: stats.windows.get(),
            tokens,
            seconds,
            rows_per_second: (rows - resumed) as f64 / seconds,
            tokens_per_second: tokens as f64 / seconds,
            batch_fill: if tokens == 0 { 1.0 } else { tokens as f64 / stats.slots.get() as f64 },
            engine,
            precision,
        }
    }

    pub(super) fn print(&self, args: &MessageArgs) -> anyhow::Result<()> {
        if args.quiet {
            return Ok(());
        }
        let text = match args.log_format {
            LogFormat::Json => serde_json::to_string(self)?,
            LogFormat::Text => format!(
                "{} {}{}, {} failed, {} {}, {} {} in {:.2} s: {:.1} rows/s, {:.0} tokens/s{} ({})",
                HumanCount(self.rows),
                plural(self.rows, "row"),
                Resumed(self.resumed),
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

/// How many rows came from an earlier run, for people; nothing where none did.
struct Resumed(u64);

impl fmt::Display for Resumed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 > 0 { write!(f, " ({} answered before)", HumanCount(self.0)) } else { Ok(()) }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// How full batches were, for people; nothing where no padding was computed.
struct Filled(f64);

impl fmt::Display for Filled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1.0 { write!(f, ", batches {:.1} % full", 100.0 * self.0) } else { Ok(()) }
    }
}
