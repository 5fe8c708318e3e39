use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

// Names under which a pipeline's measurements go to the `metrics` recorder, where a program has one.

/// Histogram of how long forward passes take.
pub const FORWARD_SECONDS: &str = "bertqa_forward_seconds";
/// Histogram of the share of the batch size with which forward passes run.
pub const BATCH_FILL: &str = "bertqa_batch_fill";
/// Counter of tokens.
pub const TOKENS: &str = "bertqa_tokens_total";
/// Gauge of the engines that run.
pub const DEVICES: &str = "bertqa_devices";
/// Counter of engines that were lost while others ran, or could not be loaded again.
pub const DEVICE_FAILURES: &str = "bertqa_device_failures_total";

/// What a pipeline has done so far; read while it runs for progress, and afterwards for the summary.
#[derive(Debug, Default)]
pub struct Stats {
    /// Rows that were read.
    pub read: Counter,
    /// Rows that were taken from the reader.
    pub taken: Counter,
    /// Rows written.
    pub rows: Counter,
    /// Rows without an answer, or with a column that did not fit the output.
    pub failed: Counter,
    /// Windows that rows were cut into.
    pub windows: Counter,
    /// Tokens of those windows, special ones included.
    pub tokens: Counter,
    /// Forward passes.
    pub batches: Counter,
    /// Tokens that the engine ran for, padding included.
    pub slots: Counter,
    /// Time that each stage worked.
    pub busy: Busy,
}

/// How long the threads of each stage worked, waiting for their neighbours left out; that of the reader includes
/// waiting for the input.
#[derive(Debug, Default)]
pub struct Busy {
    /// Reads and parses rows.
    pub read: Clock,
    /// Tokenizes and cuts into windows.
    pub encode: Clock,
    /// Forms batches.
    pub pack: Clock,
    /// Runs forward passes.
    pub infer: Clock,
    /// Finds the answers in the logits.
    pub decode: Clock,
    /// Writes rows.
    pub write: Clock,
}

/// A sum of times, over threads.
#[derive(Debug, Default)]
pub struct Clock(AtomicU64);

impl Clock {
    /// Runs `work` and adds how long it took.
    pub fn measure<T>(&self, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let result = work();
        self.0.fetch_add(began.elapsed().as_nanos() as u64, Relaxed);
        result
    }

    /// The sum so far.
    pub fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Relaxed))
    }
}

/// A number that only grows; may be read while it does.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `count`.
    pub fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Relaxed);
    }

    /// The number so far.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
