//! The threads and channels between the stages:
//!
//! ```text
//!  read ──► encode ──► pack ──► infer ──► decode ──► write
//!  1 thread N threads  1 thread  1/engine  N threads  1 thread
//! ```
//!
//! Memory is bounded by the channels and by a budget on the rows between reader and writer, never by the input.
//! The writer restores the input's order. A stage that fails or panics closes its channels; its neighbours then run
//! dry, the writer ends, and [`Pipeline::run`] gives the first failure.

mod budget;
mod pending;
mod stages;
mod stats;
mod stop;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Sender, bounded};

use crate::engine::Engine;
use crate::qa::{Answer, Encoder, Example, Options, RowError};
use budget::Budget;
pub use stats::{Counter, Stats};
pub use stop::Stop;

/// A row on its way in: `payload` is whatever its answers will be joined to.
pub struct Item<T> {
    pub payload: T,
    /// What to ask, or why the row can't be asked.
    pub example: Result<Example, RowError>,
    pub options: Arc<Options>,
    /// About how much memory the row takes, for the bound on rows in flight.
    pub bytes: usize,
}

/// A row on its way out.
pub struct Answered<T> {
    pub payload: T,
    /// Never empty.
    pub answers: Result<Vec<Answer>, RowError>,
    /// `None` for a row that the network did not see.
    pub evidence: Option<Evidence>,
}

/// What the network saw of a row, whatever it answered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// In how many windows the context was read.
    pub windows: usize,
    /// Probability that the context holds no answer: the smallest of its windows', as the reference has it.
    pub null_score: f32,
}

/// Where answered rows go, in input order.
pub trait Sink<T>: Send {
    fn write(&mut self, row: Answered<T>) -> anyhow::Result<()>;

    /// Called when no row is ready to be written: a chance to pass on what is buffered.
    fn idle(&mut self) -> anyhow::Result<()> {
        Ok(())
    }
}

/// How a pipeline runs; see [`Pipeline::run`].
pub struct Pipeline {
    pub encoder: Arc<Encoder>,
    /// Each gets its own thread.
    pub engines: Vec<Box<dyn Engine>>,
    /// Threads for encoding, and as many for decoding.
    pub threads: usize,
    /// Most windows in a forward pass.
    pub batch_size: usize,
    pub stop: Stop,
    pub stats: Arc<Stats>,
}

/// Most rows, and bytes of rows, between reader and writer.
const MAX_ROWS_IN_FLIGHT: usize = 4096;
const MAX_BYTES_IN_FLIGHT: usize = 64 << 20;

/// Rows that wait in a channel between two stages: enough that no stage waits for a wake-up of its neighbour.
const CHANNEL_ROWS: usize = 256;

/// How the writer ended.
enum Ended<S> {
    /// Every row that was taken has been written.
    Whole(S),
    /// Rows are missing, because another stage failed.
    Short,
}

impl Pipeline {
    /// Answers every item of `source` and gives the answers to `sink`, in order. Returns the sink when all rows
    /// were written, or when [`Stop`] ended the input and all rows taken until then were written.
    ///
    /// # Errors
    /// The first error of the source, of an engine or of the sink, or the panic of a stage. The sink is dropped.
    pub fn run<T, I, S>(self, source: I, sink: S) -> anyhow::Result<S>
    where
        T: Send + 'static,
        I: Iterator<Item = anyhow::Result<Item<T>>> + Send + 'static,
        S: Sink<T> + 'static,
    {
        let Self { encoder, engines, threads, batch_size, stop, stats } = self;
        let budget = Arc::new(Budget::new(MAX_ROWS_IN_FLIGHT, MAX_BYTES_IN_FLIGHT));
        let (outcomes, ended) = bounded(engines.len() + 2 * threads + 3);
        let spawn = Spawner { outcomes };

        let (rows_in, rows_out) = bounded(CHANNEL_ROWS);
        // A stop finishes these: a batch's worth and one to spare keeps engines busy and an interrupt short.
        let (encoded_in, encoded_out) = bounded(2 * batch_size);
        // No queue: a batch goes on filling until an engine is free to take it.
        let (batches_in, batches_out) = bounded(0);
        let (logits_in, logits_out) = bounded(engines.len());
        let (answered_in, answered_out) = bounded(CHANNEL_ROWS);

        spawn.reader({
            let (budget, stats) = (budget.clone(), stats.clone());
            move || stages::read(source, &stats, &budget, &rows_in)
        })?;
        for _ in 0..threads {
            let (encoder, stop, stats) = (encoder.clone(), stop.clone(), stats.clone());
            let (rows, encoded, answered) = (rows_out.clone(), encoded_in.clone(), answered_in.clone());
            spawn.stage("encode", move || {
                stages::encode(&encoder, &stats, stop.signal(), &rows, &encoded, &answered);
                Ok(())
            })?;
        }
        spawn.stage("pack", move || {
            stages::pack(batch_size, &encoded_out, &batches_in);
            Ok(())
        })?;
        for engine in engines {
            let (batches, logits, stats) = (batches_out.clone(), logits_in.clone(), stats.clone());
            spawn.stage("infer", move || stages::infer(engine, &stats, &batches, &logits))?;
        }
        for _ in 0..threads {
            let (logits, answered) = (logits_out.clone(), answered_in.clone());
            spawn.stage("decode", move || {
                stages::decode(&logits, &answered);
                Ok(())
            })?;
        }
        // The channels end when their last stage does, not with these.
        drop((rows_out, encoded_in, batches_out, logits_in, logits_out, answered_in));
        spawn.writer({
            let (budget, stats) = (budget.clone(), stats.clone());
            move || stages::write(sink, &budget, &stats, &answered_out)
        })?;
        drop(spawn);

        // After a stop or a failure the reader is not waited for: it may be waiting for input that never comes.
        let (mut reading, mut written, mut failure) = (true, None, None);
        for outcome in ended {
            match outcome {
                // Nothing has to be stopped: what was read before a failure is still answered and written.
                Outcome::Reader(outcome) => {
                    reading = false;
                    failure = failure.or(outcome.err());
                }
                Outcome::Stage(Ok(())) => (),
                Outcome::Stage(Err(error)) => {
                    failure.get_or_insert(error);
                    stop.stop();
                    budget.close();
                }
                Outcome::Writer(Ok(ended)) => written = Some(ended),
                Outcome::Writer(Err(error)) => return Err(failure.unwrap_or(error)),
            }
            match (written.take(), failure.take()) {
                (Some(_), Some(failure)) => return Err(failure),
                // Without a stop, the reader's end is on its way, and may be a failure.
                (Some(Ended::Whole(sink)), None) if !reading || stop.is_stopped() => return Ok(sink),
                // Where rows are missing, so is the failure, which is on its way too.
                (ended, error) => (written, failure) = (ended, error),
            }
        }
        Err(failure.unwrap_or_else(|| anyhow::anyhow!("the pipeline ended without its writer")))
    }
}

/// What a stage's thread reports at its end.
enum Outcome<S> {
    Reader(anyhow::Result<()>),
    Stage(anyhow::Result<()>),
    Writer(anyhow::Result<Ended<S>>),
}

/// Starts the stages' threads, each of which reports how it ended.
struct Spawner<S> {
    outcomes: Sender<Outcome<S>>,
}

impl<S: Send + 'static> Spawner<S> {
    fn reader(&self, run: impl FnOnce() -> anyhow::Result<()> + Send + 'static) -> io::Result<()> {
        self.thread("read", run, Outcome::Reader)
    }

    fn stage(&self, name: &'static str, run: impl FnOnce() -> anyhow::Result<()> + Send + 'static) -> io::Result<()> {
        self.thread(name, run, Outcome::Stage)
    }

    fn writer(&self, run: impl FnOnce() -> anyhow::Result<Ended<S>> + Send + 'static) -> io::Result<()> {
        self.thread("write", run, Outcome::Writer)
    }

    fn thread<R: 'static>(
        &self,
        name: &'static str,
        run: impl FnOnce() -> anyhow::Result<R> + Send + 'static,
        outcome: fn(anyhow::Result<R>) -> Outcome<S>,
    ) -> io::Result<()> {
        let outcomes = self.outcomes.clone();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            let ended = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
                let message = panic
                    .downcast_ref::<String>()
                    .map(String::as_str)
                    .or_else(|| panic.downcast_ref::<&str>().copied())
                    .unwrap_or("no message");
                Err(anyhow::anyhow!("the {name} stage panicked: {message}"))
            });
            // The receiver is gone when the run has already ended with another stage's error.
            let _ = outcomes.send(outcome(ended));
        })?;
        Ok(())
    }
}
