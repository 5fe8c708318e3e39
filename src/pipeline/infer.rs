//! The stage that runs the network, on a thread for each engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, select_biased};

use super::messages::{Job, Work};
use super::{BATCH_FILL, FORWARD_SECONDS, Stats, TOKENS};
use crate::batch::Batch;
use crate::engine::{Engine, EngineError, Layout, Logits};

/// An engine between its neighbours.
///
/// A device that fails does not end a run that has another: its worker ends, and what it had goes to the others. A
/// batch for which a device has not enough memory is halved.
pub(super) struct Worker<T> {
    pub engine: Box<dyn Engine>,
    /// Most windows of a ragged batch.
    pub batch_size: usize,
    /// How many engines there are still.
    pub engines: Arc<AtomicUsize>,
    pub stats: Arc<Stats>,
    pub batches: Receiver<Job<T>>,
    /// What engines could not run that are gone.
    pub returned: Receiver<Job<T>>,
    pub logits: Sender<(Work<T>, Logits)>,
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
    /// Runs batches until there are no more, or the device fails.
    ///
    /// # Errors
    /// If a batch is wrong, or the last engine fails.
    pub(super) fn run(mut self) -> anyhow::Result<()> {
        let mut most_slots = usize::MAX;
        while let Some(Job { work, returns }) = self.next() {
            let mut parts = vec![work];
            match self.work_off(&mut parts, &mut most_slots) {
                Ok(()) => {}
                Err(End::Short) => break,
                Err(End::Wrong(error)) => return Err(error.into()),
                Err(End::Lost(error)) => {
                    let error = anyhow::Error::new(error).context(self.engine.name().to_owned());
                    if self.engines.fetch_sub(1, Ordering::SeqCst) == 1 {
                        return Err(error);
                    }
                    tracing::warn!("{error:#}; the run goes on without it");
                    for work in parts {
                        // This worker holds a receiver, and some other one waits for what comes back.
                        let _ = returns.send(Job { work, returns: returns.clone() });
                    }
                    break;
                }
            }
        }
        Ok(())
    }

    /// The next batch, one that came back before others. `None` when no batch is left that might come back.
    fn next(&self) -> Option<Job<T>> {
        select_biased! {
            recv(self.returned) -> job => job.ok(),
            recv(self.batches) -> job => job.or_else(|_| self.returned.recv()).ok(),
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
                Ok(logits) => self.logits.send((work, logits)).map_err(|_| End::Short)?,
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
