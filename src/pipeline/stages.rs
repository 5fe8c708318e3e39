//! What each thread does between its channels. A stage whose neighbour is gone ends quietly: whoever failed says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, TryRecvError, select};

use super::budget::Budget;
use super::pack::Work;
use super::pending::{Pending, PendingRow};
use super::{Answered, Ended, Evidence, Item, Order, Payload, Sink, Stats};
use crate::engine::Logits;
use crate::qa::{Encoder, RowError, decode};

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

impl<T> Done<T> {
    /// A row that is given up.
    pub fn cancelled(row: PendingRow<T>) -> Self {
        let PendingRow { index, bytes, payload, .. } = row;
        Self { index, bytes, row: Answered { payload, answers: Err(cancelled()), evidence: None } }
    }
}

fn cancelled() -> RowError {
    RowError::Cancelled
}

pub(super) fn read<T>(
    mut source: impl Iterator<Item = anyhow::Result<Item<T>>>,
    stats: &Stats,
    budget: &Budget,
    rows: &Sender<Numbered<T>>,
) -> anyhow::Result<()> {
    let next = || stats.busy.read.measure(|| source.next());
    for (index, item) in (0..).zip(std::iter::from_fn(next)) {
        let item = item?;
        stats.read.add(1);
        if !budget.acquire(item.bytes) || rows.send(Numbered { index, item }).is_err() {
            break;
        }
    }
    Ok(())
}

pub(super) fn encode<T: Payload>(
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
            if !payload.is_wanted() {
                return Err(cancelled());
            }
            let windows = stats.busy.encode.measure(|| encoder.encode(&example, &options))?;
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

pub(super) fn decode<T>(stats: &Stats, logits: &Receiver<(Work<T>, Logits)>, answered: &Sender<Done<T>>) {
    for (work, logits) in logits {
        for ((row, number), place) in work.windows.into_iter().zip(work.batch.cu_seq_lengths().windows(2)) {
            let place = place[0]..place[1];
            let (start, end) = (&logits.start[place.clone()], &logits.end[place]);
            let decode = || decode::window_spans(&row.windows[number], start, end, &row.options);
            let spans = stats.busy.decode.measure(decode);
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
    order: Order,
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
        let place = match order {
            Order::Input => done.index,
            Order::Completion => next,
        };
        early.insert(place, done);
        while let Some(done) = early.remove(&next) {
            stats.rows.add(1);
            if done.row.answers.is_err() {
                stats.failed.add(1);
            }
            stats.busy.write.measure(|| sink.write(done.row))?;
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
