//! What each thread does between its channels. A stage whose neighbour is gone ends quietly: whoever failed says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Select, Sender, TryRecvError, select};

use super::budget::Budget;
use super::pending::{Pending, PendingRow};
use super::{Answered, Ended, Evidence, Item, Sink, Stats};
use crate::batch::Batch;
use crate::engine::{Engine, Logits};
use crate::qa::{Encoder, decode};

/// A row with its place in the input.
pub(super) struct Numbered<T> {
    index: u64,
    item: Item<T>,
}

/// A row that is ready to be written.
pub(super) struct Done<T> {
    index: u64,
    bytes: usize,
    row: Answered<T>,
}

/// A batch, and the window of which row each of its windows is.
pub(super) struct Work<T> {
    batch: Batch,
    windows: Vec<(Arc<Pending<T>>, usize)>,
}

pub(super) fn read<T>(
    source: impl Iterator<Item = anyhow::Result<Item<T>>>,
    stats: &Stats,
    budget: &Budget,
    rows: &Sender<Numbered<T>>,
) -> anyhow::Result<()> {
    for (index, item) in (0..).zip(source) {
        let item = item?;
        stats.read.add(1);
        if !budget.acquire(item.bytes) || rows.send(Numbered { index, item }).is_err() {
            break;
        }
    }
    Ok(())
}

pub(super) fn encode<T>(
    encoder: &Encoder,
    stats: &Stats,
    stop: &Receiver<()>,
    rows: &Receiver<Numbered<T>>,
    encoded: &Sender<Arc<Pending<T>>>,
    answered: &Sender<Done<T>>,
) {
    loop {
        // Rows come through one queue, so that those taken until a stop are all rows up to some point of the input.
        let next = select! {
            recv(rows) -> row => row.ok(),
            recv(stop) -> _ => None,
        };
        let Some(Numbered { index, item }) = next else { break };
        stats.taken.add(1);
        let Item { payload, example, options, bytes } = item;
        let windows = example.and_then(|example| {
            let windows = encoder.encode(&example, &options)?;
            Ok((example, windows))
        });
        let sent = match windows {
            Ok((example, windows)) => {
                stats.windows.add(windows.len());
                let row = PendingRow { index, bytes, payload, example };
                encoded.send(Arc::new(Pending::new(row, windows, options))).is_ok()
            }
            Err(error) => answered
                .send(Done { index, bytes, row: Answered { payload, answers: Err(error), evidence: None } })
                .is_ok(),
        };
        if !sent {
            break;
        }
    }
}

/// Fills batches while engines are busy, and hands over a batch as soon as it is full or an engine is free: a row
/// that comes alone does not wait for company.
pub(super) fn pack<T>(batch_size: usize, encoded: &Receiver<Arc<Pending<T>>>, batches: &Sender<Work<T>>) {
    let mut work = Work { batch: Batch::default(), windows: Vec::new() };
    while let Some(row) = next_row(encoded, batches, &mut work) {
        for (number, window) in row.windows.iter().enumerate() {
            work.batch.push(&window.input_ids, &window.token_type_ids);
            work.windows.push((row.clone(), number));
            if work.windows.len() >= batch_size && batches.send(work.take()).is_err() {
                return;
            }
        }
    }
    if !work.windows.is_empty() {
        let _ = batches.send(work);
    }
}

/// Waits for the next row; hands over the batch so far whenever no row is waiting and an engine is. `None` at the end.
fn next_row<T>(
    encoded: &Receiver<Arc<Pending<T>>>,
    batches: &Sender<Work<T>>,
    work: &mut Work<T>,
) -> Option<Arc<Pending<T>>> {
    loop {
        match encoded.try_recv() {
            Ok(row) => return Some(row),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) if work.windows.is_empty() => return encoded.recv().ok(),
            Err(TryRecvError::Empty) => {
                let mut select = Select::new();
                let row = select.recv(encoded);
                select.send(batches);
                let ready = select.select();
                if ready.index() == row {
                    return ready.recv(encoded).ok();
                }
                ready.send(batches, work.take()).ok()?;
            }
        }
    }
}

impl<T> Work<T> {
    fn take(&mut self) -> Self {
        Self { batch: std::mem::take(&mut self.batch), windows: std::mem::take(&mut self.windows) }
    }
}

pub(super) fn infer<T>(
    mut engine: Box<dyn Engine>,
    stats: &Stats,
    batches: &Receiver<Work<T>>,
    logits: &Sender<(Work<T>, Logits)>,
) -> anyhow::Result<()> {
    for work in batches {
        let output = engine.forward(&work.batch)?;
        stats.batches.add(1);
        stats.tokens.add(work.batch.tokens());
        stats.slots.add(engine.layout().slots(&work.batch));
        if logits.send((work, output)).is_err() {
            break;
        }
    }
    Ok(())
}

pub(super) fn decode<T>(logits: &Receiver<(Work<T>, Logits)>, answered: &Sender<Done<T>>) {
    for (work, logits) in logits {
        for ((row, number), place) in work.windows.into_iter().zip(work.batch.cu_seq_lengths().windows(2)) {
            let place = place[0]..place[1];
            let (start, end) = (&logits.start[place.clone()], &logits.end[place]);
            let spans = decode::window_spans(&row.windows[number], start, end, &row.options);
            let Some((PendingRow { index, bytes, payload, example }, spans)) = row.found(number, spans) else {
                continue;
            };
            let answers = decode::merge(example.context(), &spans, &row.options);
            let evidence = Some(Evidence { windows: spans.len(), null_score: decode::null_score(&spans) });
            if answered.send(Done { index, bytes, row: Answered { payload, answers, evidence } }).is_err() {
                return;
            }
        }
    }
}

pub(super) fn write<T, S: Sink<T>>(
    mut sink: S,
    budget: &Budget,
    stats: &Stats,
    answered: &Receiver<Done<T>>,
) -> anyhow::Result<Ended<S>> {
    // Whatever ends this stage, the reader must not wait for it.
    let _closes = CloseOnDrop(budget);
    let mut early = BTreeMap::new();
    let mut next = 0;
    loop {
        let done = match answered.try_recv() {
            Ok(done) => done,
            Err(TryRecvError::Disconnected) => break,
            Err(TryRecvError::Empty) => {
                sink.idle()?;
                match answered.recv() {
                    Ok(done) => done,
                    Err(_) => break,
                }
            }
        };
        early.insert(done.index, done);
        while let Some(done) = early.remove(&next) {
            stats.rows.add(1);
            if done.row.answers.is_err() {
                stats.failed.add(1);
            }
            sink.write(done.row)?;
            budget.release(done.bytes);
            next += 1;
        }
    }
    Ok(if next == stats.taken.get() { Ended::Whole(sink) } else { Ended::Short })
}

struct CloseOnDrop<'a>(&'a Budget);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}
