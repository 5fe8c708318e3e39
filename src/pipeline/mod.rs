//! The threads and channels between the stages:
//!
//! ```text
//!  read ──► encode ──► pack ──► infer ──► decode ──► write
//!  1 thread N threads  1 thread  1/engine  N threads  1 thread
//! ```
//!
//! Memory is bounded by the channels and by budgets, on the rows between reader and writer and on the tokens and windows
//! between encoder and decoder, never by the input.
//! The writer restores the input's order where that is wanted. A stage that fails or panics closes its channels; its
//! neighbours then run dry, the writer ends, and [`Pipeline::run`] gives the first failure. An engine whose device
//! fails gives its batch to the others and is loaded again, and is a failure only if it was the last.

mod budget;
mod decode;
mod encode;
mod infer;
mod messages;
mod pack;
mod pending;
mod read;
mod seat;
mod stats;
mod stop;
mod write;

use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, ensure};
use crossbeam_channel::{Sender, bounded, unbounded};

use crate::engine::Engine;
use crate::panic;
use crate::qa::{Answer, Encoder, Example, Options, RowError};
use budget::Budget;
use encode::Memory;
use infer::Worker;
use pack::PackingPolicy;
use seat::{Lines, Seats};
pub use stats::{BATCH_FILL, Busy, Clock, Counter, DEVICE_FAILURES, DEVICES, FORWARD_SECONDS, Stats, TOKENS};
pub use stop::Stop;

/// What the answers of a row will be joined to.
pub trait RowTag: Send + 'static {
    /// Whether anybody still waits for the answers. A row that nobody wants is not run; it comes out with an error
    /// of kind [`RowErrorKind::Cancelled`](crate::qa::RowErrorKind::Cancelled).
    fn is_wanted(&self) -> bool {
        true
    }
}

/// A row on its way in.
pub struct Item<T> {
    /// What comes out beside the answers.
    pub tag: T,
    /// What to ask, or why the row can't be asked.
    pub example: Result<Example, RowError>,
    /// How it is answered.
    pub options: Arc<Options>,
    /// About how much memory the row takes, for the bound on rows in flight.
    pub bytes: usize,
}

/// A row on its way out.
pub struct Answered<T> {
    /// What went in with the row.
    pub tag: T,
    /// Never empty.
    pub answers: Result<Vec<Answer>, RowError>,
    /// `None` for a row that the network did not see.
    pub details: Option<RowDetails>,
}

/// What the network saw of a row, whatever it answered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowDetails {
    /// In how many windows the context was read.
    pub windows: usize,
    /// Probability that the context holds no answer: the smallest of its windows', as the reference has it.
    pub null_score: f32,
}

/// Where answered rows go, in the pipeline's [`Order`].
pub trait Sink<T>: Send {
    /// Takes a row.
    fn write(&mut self, row: Answered<T>) -> anyhow::Result<()>;

    /// Called when no row is ready to be written, and every second until one is: a chance to pass on what is buffered.
    fn idle(&mut self) -> anyhow::Result<()> {
        Ok(())
    }
}

/// How a pipeline runs; see [`Pipeline::run`].
pub struct Pipeline {
    /// Makes windows of examples.
    pub encoder: Arc<Encoder>,
    /// Each gets its own thread. They have one layout.
    pub engines: Vec<Box<dyn Engine>>,
    /// Threads and batch size.
    pub options: PipelineOptions,
    /// Bound on memory.
    pub in_flight: InFlightLimit,
    /// In what order rows come out.
    pub order: Order,
    /// Ends the input early.
    pub stop: Stop,
    /// What is done so far.
    pub stats: Arc<Stats>,
}

/// How much a pipeline does at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PipelineOptions {
    /// Threads for encoding, and as many for decoding; a model that is loaded for the pipeline gets as many.
    pub threads: NonZeroUsize,
    /// Most windows in a forward pass of a ragged engine; a fixed shape says itself how much it takes.
    pub batch_size: NonZeroUsize,
}

impl Default for PipelineOptions {
    /// A thread for each core, and 32 windows.
    fn default() -> Self {
        const BATCH_SIZE: NonZeroUsize = NonZeroUsize::new(32).unwrap();
        Self { threads: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN), batch_size: BATCH_SIZE }
    }
}

/// How much of the input may be between reader and writer at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InFlightLimit {
    /// Rows at once.
    pub rows: usize,
    /// Bytes of these rows at once; a larger row goes alone.
    pub bytes: usize,
}

impl Default for InFlightLimit {
    /// Enough that a row of many windows does not hold up those behind it for long.
    fn default() -> Self {
        Self { rows: 4096, bytes: 64 << 20 }
    }
}

/// In what order rows come out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// As they came in.
    #[default]
    Input,
    /// As they are done: no row waits for another.
    Completion,
}

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
    /// A pipeline that keeps the input's order, with the usual limit on what is in flight.
    pub fn new(encoder: Encoder, engines: Vec<Box<dyn Engine>>, options: PipelineOptions) -> Self {
        Self {
            encoder: Arc::new(encoder),
            engines,
            options,
            in_flight: InFlightLimit::default(),
            order: Order::default(),
            stop: Stop::default(),
            stats: Arc::default(),
        }
    }

    /// About how many windows keep the engines busy: for each, a batch that it runs and one that is filled meanwhile.
    pub fn busy_windows(&self) -> usize {
        let batch_size = self.options.batch_size.get();
        2 * self.engines.iter().map(|engine| engine.layout().windows(batch_size)).sum::<usize>()
    }

    /// Answers every item of `source` and gives the answers to `sink`. Returns the sink when all rows
    /// were written, or when [`Stop`] ended the input and all rows taken until then were written.
    ///
    /// # Errors
    /// The first error of the source, of an engine or of the sink, or the panic of a stage. The sink is dropped.
    pub fn run<T, I, S>(self, source: I, sink: S) -> anyhow::Result<S>
    where
        T: RowTag,
        I: Iterator<Item = anyhow::Result<Item<T>>> + Send + 'static,
        S: Sink<T> + 'static,
    {
        let Self { encoder, engines, options, in_flight, order, stop, stats } = self;
        let (threads, batch_size) = (options.threads.get(), options.batch_size.get());
        let layout = engines.first().map(|engine| engine.layout()).context("there is no engine to run")?;
        ensure!(
            engines.iter().all(|engine| engine.layout() == layout),
            "engines of several layouts can't share batches"
        );
        let policy = PackingPolicy::new(layout, batch_size);
        let budget = Arc::new(Budget::new(in_flight));
        let memory = Memory::new();
        let (outcomes, ended) = bounded(engines.len() + 2 * threads + 3);
        let spawn = Spawner { outcomes };

        // The budget bounds it. Rows that are in it when the encoders end are dropped with these, and whoever waits for
        // their answers learns that there will be none: a bounded channel keeps them for as long as the reader, which may
        // be waiting for just that.
        let (rows_in, rows_out) = unbounded();
        // A stop finishes these, and as many that the packer holds: enough to keep engines busy, and an interrupt short.
        let (encoded_in, encoded_out) = bounded(layout.windows(batch_size));
        // No queue: a batch goes on filling until an engine is free to take it.
        let (batches_in, batches_out) = bounded(0);
        // Nobody has to wait for the engines that are left: no more comes back than was handed out.
        let (returns, returned) = unbounded();
        let (logits_in, logits_out) = bounded(engines.len());
        let (answered_in, answered_out) = bounded(CHANNEL_ROWS);

        spawn.reader({
            let (budget, stats) = (budget.clone(), stats.clone());
            move || read::read(source, &stats, &budget, &rows_in)
        })?;
        for _ in 0..threads {
            let (encoder, stop, stats, memory) = (encoder.clone(), stop.clone(), stats.clone(), memory.clone());
            let (rows, encoded, answered) = (rows_out.clone(), encoded_in.clone(), answered_in.clone());
            spawn.stage("encode", move || {
                encode::encode(&encoder, &stats, stop.signal(), &memory, &rows, &encoded, &answered);
                Ok(())
            })?;
        }
        spawn.stage("pack", {
            let (answered, stats) = (answered_in.clone(), stats.clone());
            move || {
                pack::pack(policy, &stats, &encoded_out, &batches_in, &returns, &answered);
                Ok(())
            }
        })?;
        let seats = Seats::new(Lines { batches: batches_out, returned, logits: logits_in });
        let worker = |engine| Some(Worker { engine, batch_size, seat: seats.take()?, stats: stats.clone() });
        // All have their places before the first may lose its own.
        for worker in engines.into_iter().filter_map(worker).collect::<Vec<_>>() {
            spawn.stage("infer", move || worker.run())?;
        }
        for _ in 0..threads {
            let (logits, answered, stats) = (logits_out.clone(), answered_in.clone(), stats.clone());
            spawn.stage("decode", move || {
                decode::decode(&stats, &logits, &answered);
                Ok(())
            })?;
        }
        // The channels end when their last stage does, not with these.
        drop((rows_out, encoded_in, logits_out, answered_in));
        spawn.writer({
            let (budget, stats) = (budget.clone(), stats.clone());
            move || write::write(sink, order, &budget, &stats, &answered_out)
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
                    memory.close();
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
            let ended = catch_unwind(AssertUnwindSafe(run))
                .unwrap_or_else(|panic| Err(anyhow::anyhow!("the {name} stage panicked: {}", panic::message(&*panic))));
            // The receiver is gone when the run has already ended with another stage's error.
            let _ = outcomes.send(outcome(ended));
        })?;
        Ok(())
    }
}
