use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Names under which a pipeline's measurements go to the `metrics` recorder, where a program has one: a histogram of
/// how long forward passes take, one of which share of the batch size they run with, and a counter of tokens.
pub const FORWARD_SECONDS: &str = "bertqa_forward_seconds";
pub const BATCH_FILL: &str = "bertqa_batch_fill";
pub const TOKENS: &str = "bertqa_tokens_total";

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
    pub windows: Counter,
    pub tokens: Counter,
    /// Forward passes.
    pub batches: Counter,
    /// Tokens that the engine ran for, padding included.
    pub slots: Counter,
    pub busy: Busy,
}

/// How long the threads of each stage worked, waiting for their neighbours left out; that of the reader includes
/// waiting for the input.
#[derive(Debug, Default)]
pub struct Busy {
    pub read: Clock,
    pub encode: Clock,
    pub pack: Clock,
    pub infer: Clock,
    pub decode: Clock,
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

    pub fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Relaxed))
    }
}

#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
