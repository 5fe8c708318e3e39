use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::rows::RowRange;
use crate::io::Input;
use crate::pipeline::Stats;
use crate::plural::plural;

/// How the end of the run is known.
enum Total {
    Rows(u64),
    Bytes { size: u64, read: Arc<AtomicU64> },
    Unknown,
}

/// A bar that draws nothing unless `visible` and stderr is a terminal.
pub(super) fn bar(visible: bool) -> ProgressBar {
    let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    ProgressBar::with_draw_target(None, target)
}

/// Shows what the pipeline has done so far, until it is dropped.
pub(super) struct Progress {
    bar: ProgressBar,
    ended: Arc<AtomicBool>,
    ticker: Option<JoinHandle<()>>,
}

impl Progress {
    pub(super) fn start(bar: ProgressBar, input: &Input, range: RowRange, stats: Arc<Stats>) -> anyhow::Result<Self> {
        let ended = Arc::new(AtomicBool::new(false));
        if bar.is_hidden() {
            return Ok(Self { bar, ended, ticker: None });
        }
        let total = match (input.total_rows(), range.limit, input.total_bytes()) {
            (Some(rows), _, _) => Total::Rows(range.count(rows)),
            (None, Some(limit), _) => Total::Rows(limit),
            (None, None, Some(size)) => Total::Bytes { size, read: input.bytes_read() },
            (None, None, None) => Total::Unknown,
        };
        let template = match &total {
            Total::Unknown => "{spinner} {msg}",
            Total::Rows(_) | Total::Bytes { .. } => "{bar:30} {percent:>3} %  {msg}  {eta} left",
        };
        bar.set_style(ProgressStyle::with_template(template)?);
        match &total {
            Total::Rows(rows) => bar.set_length(*rows),
            Total::Bytes { size, .. } => bar.set_length(*size),
            Total::Unknown => {}
        }
        let ticker = thread::Builder::new().name("progress".to_owned()).spawn({
            let (bar, ended) = (bar.clone(), ended.clone());
            move || {
                let began = Instant::now();
                while !ended.load(Ordering::Relaxed) {
                    let rows = stats.rows.get();
                    match &total {
                        Total::Rows(_) => bar.set_position(rows),
                        // Reading runs ahead: of what was read, the share counts that was also written.
                        Total::Bytes { read, .. } => {
                            let written = rows as f64 / stats.read.get().max(1) as f64;
                            bar.set_position((read.load(Ordering::Relaxed) as f64 * written) as u64);
                        }
                        Total::Unknown => bar.tick(),
                    }
                    bar.set_message(message(&stats, began.elapsed()));
                    thread::park_timeout(Duration::from_millis(200));
                }
            }
        })?;
        Ok(Self { bar, ended, ticker: Some(ticker) })
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(ticker) = self.ticker.take() {
            ticker.thread().unpark();
            // It panics only if drawing does, and then there is nothing left to draw.
            let _ = ticker.join();
        }
        self.bar.finish_and_clear();
    }
}

fn message(stats: &Stats, elapsed: Duration) -> String {
    let per_second = |count: u64| HumanCount((count as f64 / elapsed.as_secs_f64().max(0.001)) as u64);
    let (rows, failed) = (stats.rows.get(), stats.failed.get());
    format!(
        "{} {}, {} failed, {} rows/s, {} tokens/s",
        HumanCount(rows),
        plural(rows, "row"),
        HumanCount(failed),
        per_second(rows),
        per_second(stats.tokens.get())
    )
}
