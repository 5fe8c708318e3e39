use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

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
