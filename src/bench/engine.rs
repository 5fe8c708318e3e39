//! The engine by itself: how fast it runs windows of random tokens, by length and batch size.

use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::batch::Batch;
use crate::engine::{Engine, EngineError};

/// What one forward pass is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Shape {
    /// Tokens of a window.
    pub length: usize,
    /// Windows of a batch.
    pub batch_size: usize,
}

/// How fast batches of a shape ran.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Measurement {
    #[serde(flatten)]
    pub shape: Shape,
    /// How many forward passes were measured.
    pub passes: usize,
    /// Of one forward pass: the median.
    pub milliseconds: f64,
    pub tokens_per_second: f64,
    pub windows_per_second: f64,
}

/// The fewest passes whose median says something.
const MIN_PASSES: usize = 3;

/// Runs batches of a shape for about `time`, at least [`MIN_PASSES`] of them.
///
/// # Errors
/// The engine's, such as a window longer than it takes.
pub(crate) fn measure(
    engine: &mut dyn Engine,
    vocab_size: usize,
    shape: Shape,
    time: Duration,
) -> Result<Measurement, EngineError> {
    let batch = random(vocab_size, shape);
    // The first pass also makes room for its buffers.
    engine.forward(&batch)?;
    let begin = Instant::now();
    let mut passes = Vec::new();
    while passes.len() < MIN_PASSES || begin.elapsed() < time {
        let pass = Instant::now();
        engine.forward(&batch)?;
        passes.push(pass.elapsed());
    }
    passes.sort_unstable();
    let seconds = passes[passes.len() / 2].as_secs_f64();
    Ok(Measurement {
        shape,
        passes: passes.len(),
        milliseconds: 1e3 * seconds,
        tokens_per_second: batch.tokens() as f64 / seconds,
        windows_per_second: batch.windows() as f64 / seconds,
    })
}

/// The same tokens in every run, spread over the vocabulary as those of texts are.
fn random(vocab_size: usize, Shape { length, batch_size }: Shape) -> Batch {
    let mut random = fastrand::Rng::with_seed(length as u64);
    let mut batch = Batch::default();
    let token_type_ids = vec![0; length];
    for _ in 0..batch_size {
        let input_ids: Vec<u32> = (0..length).map(|_| random.usize(0..vocab_size) as u32).collect();
        batch.push(&input_ids, &token_type_ids);
    }
    batch
}

/// Measurements as a table.
pub(crate) struct Table<'a>(pub &'a [Measurement]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>7} {:>6} {:>10} {:>10} {:>10}", "length", "batch", "ms/batch", "tokens/s", "windows/s")?;
        for Measurement { shape, milliseconds, tokens_per_second, windows_per_second, .. } in self.0 {
            writeln!(
                f,
                "{:>7} {:>6} {milliseconds:>10.2} {tokens_per_second:>10.0} {windows_per_second:>10.1}",
                shape.length, shape.batch_size
            )?;
        }
        Ok(())
    }
}
