//! The stage that runs the network, on a thread for each engine.

use std::sync::Arc;
use std::time::Instant;

use anyhow::anyhow;
use crossbeam_channel::{Sender, select_biased};

use super::messages::{Job, Work};
use super::seat::{Lines, Seat, Seats};
use super::{BATCH_FILL, DEVICE_FAILURES, FORWARD_SECONDS, Stats, TOKENS};
use crate::backoff::Backoff;
use crate::batch::Batch;
use crate::engine::{Engine, EngineError, Layout, Logits, Reload};

/// An engine between its neighbours.
///
/// A device that fails does not end a run that has another: what it had goes to the others, and its engine is loaded
/// again while they go on. A batch for which a device has not enough memory is halved.
pub(super) struct Worker<T> {
    pub engine: Box<dyn Engine>,
    /// Most windows of a ragged batch.
    pub batch_size: usize,
    pub seat: Seat<T>,
    pub stats: Arc<Stats>,
}

/// A device that is of no more use, and what it leaves to the others.
struct Loss<T> {
    error: EngineError,
    parts: Vec<Work<T>>,
    returns: Sender<Job<T>>,
}

/// What keeps a worker from going on.
enum End {
    /// The decoders are gone.
    Short,
    /// The batch is wrong, whatever the device.
    Wrong(EngineError),
    /// The device is of no more use.
    Lost(EngineError),
}

impl<T> Worker<T> {
    /// Runs batches until there are no more.
    ///
    /// # Errors
    /// If a batch is wrong, or the last engine fails.
    pub(super) fn run(mut self) -> anyhow::Result<()> {
        let mut backoff = Backoff::new();
        while let Some(Loss { error, parts, returns }) = self.work()? {
            let Self { engine, batch_size, seat, stats } = self;
            let error = anyhow::Error::new(error).context(engine.name().to_owned());
            let Some(seats) = seat.leave() else { return Err(error) };
            for work in parts {
                // Who is left waits for what comes back, for as long as there is a way for it.
                let _ = returns.send(Job { work, returns: returns.clone() });
            }
            drop(returns);
            metrics::counter!(DEVICE_FAILURES).increment(1);
            let reload = engine.reload();
            drop(engine);
            let Some(reload) = reload else {
                tracing::warn!("{error:#}; the run goes on without it");
                return Ok(());
            };
            let Some((engine, seat)) = come_back(error, &reload, &seats, &mut backoff) else { return Ok(()) };
            self = Self { engine, batch_size, seat, stats };
        }
        Ok(())
    }

    /// Runs batches until there are no more, or the device fails.
    fn work(&mut self) -> anyhow::Result<Option<Loss<T>>> {
        let mut most_slots = usize::MAX;
        while let Some(Job { work, returns }) = self.next() {
            let mut parts = vec![work];
            match self.work_off(&mut parts, &mut most_slots) {
                Ok(()) => {}
                Err(End::Short) => break,
                Err(End::Wrong(error)) => return Err(error.into()),
                Err(End::Lost(error)) => return Ok(Some(Loss { error, parts, returns })),
            }
        }
        Ok(None)
    }

    /// The next batch, one that came back before others. `None` when no batch is left that might come back.
    fn next(&self) -> Option<Job<T>> {
        let Lines { batches, returned, .. } = &self.seat.lines;
        select_biased! {
            recv(returned) -> job => job.ok(),
            recv(batches) -> job => job.or_else(|_| returned.recv()).ok(),
        }
    }

    /// Runs the parts of a batch, and leaves those that the device could not run. `most_slots` is for what there was
    /// memory, once it was not enough.
    fn work_off(&mut self, parts: &mut Vec<Work<T>>, most_slots: &mut usize) -> Result<(), End> {
        let layout = self.engine.layout();
        while let Some(mut work) = parts.pop() {
            if layout.slots(&work.batch) > *most_slots
                && let Some(half) = work.split()
            {
                parts.extend([half, work]);
                continue;
            }
            if work.batch.is_empty() {
                continue;
            }
            match self.forward(&work.batch, layout) {
                Ok(logits) => self.seat.lines.logits.send((work, logits)).map_err(|_| End::Short)?,
                Err(error @ EngineError::DeviceLost(_)) => {
                    parts.push(work);
                    return Err(End::Lost(error));
                }
                Err(error @ EngineError::OutOfMemory(_)) => {
                    let half = if layout.shrinks() { work.split() } else { None };
                    let slots = layout.slots(&work.batch);
                    parts.push(work);
                    let Some(half) = half else { return Err(End::Lost(error)) };
                    *most_slots = slots.max(layout.slots(&half.batch));
                    parts.push(half);
                    let error = anyhow::Error::new(error).context(self.engine.name().to_owned());
                    tracing::warn!("{error:#}; going on with at most {most_slots} tokens at a time");
                }
                Err(error) => return Err(End::Wrong(error)),
            }
        }
        Ok(())
    }

    fn forward(&mut self, batch: &Batch, layout: Layout) -> Result<Logits, EngineError> {
        let Self { engine, stats, batch_size, .. } = self;
        let began = Instant::now();
        let logits = stats.busy.infer.measure(|| engine.forward(batch))?;
        let fill = match layout {
            Layout::Ragged => batch.windows() as f64 / *batch_size as f64,
            Layout::Fixed(shape) => batch.tokens() as f64 / (shape.batch.get() * shape.seq_len.get()) as f64,
        };
        metrics::histogram!(FORWARD_SECONDS).record(began.elapsed());
        metrics::histogram!(BATCH_FILL).record(fill);
        metrics::counter!(TOKENS).increment(batch.tokens() as u64);
        stats.batches.add(1);
        stats.tokens.add(batch.tokens());
        stats.slots.add(layout.slots(batch));
        Ok(logits)
    }
}

/// Loads an engine again until that succeeds, and takes a place for it; `None` when all others have gone.
fn come_back<T>(
    mut error: anyhow::Error,
    reload: &Reload,
    seats: &Arc<Seats<T>>,
    backoff: &mut Backoff,
) -> Option<(Box<dyn Engine>, Seat<T>)> {
    loop {
        let wait = backoff.wait();
        tracing::warn!("{error:#}; the others go on, and it is loaded again in {:.1} s", wait.as_secs_f64());
        if !seats.wait(wait) {
            return None;
        }
        backoff.begin();
        match reload() {
            Ok(engine) => {
                let seat = seats.take()?;
                tracing::info!("{} is loaded again", engine.name());
                return Some((engine, seat));
            }
            Err(failure) => {
                metrics::counter!(DEVICE_FAILURES).increment(1);
                error = anyhow!(failure);
            }
        }
    }
}
