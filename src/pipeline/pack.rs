//! The stage that fills batches.

use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Select, Sender, TryRecvError};

use super::pending::Pending;
use super::stages::Done;
use super::{Payload, Stats};
use crate::batch::Batch;

/// A batch, and the window of which row each of its windows is.
pub(super) struct Work<T> {
    pub batch: Batch,
    pub windows: Vec<(Arc<Pending<T>>, usize)>,
}

/// Fills batches while engines are busy, and hands over a batch as soon as it is full or an engine is free: a row
/// that comes alone does not wait for company. Rows take turns, a window each, so that one of very many windows does
/// not hold up those that come after it.
pub(super) fn pack<T: Payload>(
    batch_size: usize,
    stats: &Stats,
    encoded: &Receiver<Arc<Pending<T>>>,
    batches: &Sender<Work<T>>,
    answered: &Sender<Done<T>>,
) {
    let mut packer = Packer { batch_size, rows: VecDeque::new(), work: Work::default() };
    while let Some(next) = packer.next(encoded, batches) {
        if let Next::Row(row) = next {
            packer.rows.push_back((row, 0));
        }
        if !stats.busy.pack.measure(|| packer.fill(answered)) {
            break;
        }
    }
}

struct Packer<T> {
    batch_size: usize,
    /// Rows with windows that are in no batch yet, and the first of these.
    rows: VecDeque<(Arc<Pending<T>>, usize)>,
    work: Work<T>,
}

enum Next<T> {
    Row(Arc<Pending<T>>),
    /// The batch was handed over.
    Sent,
}

impl<T: Payload> Packer<T> {
    /// Takes a row where there is room for one, and else hands over the batch: when it is full, or when no row is
    /// waiting and an engine is. `None` at the end.
    fn next(&mut self, encoded: &Receiver<Arc<Pending<T>>>, batches: &Sender<Work<T>>) -> Option<Next<T>> {
        if self.rows.len() < self.batch_size {
            match encoded.try_recv() {
                Ok(row) => return Some(Next::Row(row)),
                Err(TryRecvError::Empty) if self.work.windows.is_empty() => return encoded.recv().ok().map(Next::Row),
                Err(TryRecvError::Disconnected) if self.work.windows.is_empty() => return None,
                Err(TryRecvError::Disconnected) => {}
                Err(TryRecvError::Empty) if self.work.windows.len() < self.batch_size => {
                    let mut select = Select::new();
                    let row = select.recv(encoded);
                    select.send(batches);
                    let ready = select.select();
                    if ready.index() != row {
                        return ready.send(batches, self.work.take()).ok().map(|()| Next::Sent);
                    }
                    // A closed channel is ready too, and comes out as that above.
                    return match ready.recv(encoded) {
                        Ok(row) => Some(Next::Row(row)),
                        Err(_) => self.next(encoded, batches),
                    };
                }
                Err(TryRecvError::Empty) => {}
            }
        }
        batches.send(self.work.take()).ok().map(|()| Next::Sent)
    }

    /// Puts windows into the batch until it is full or none is left. False if the writer is gone.
    fn fill(&mut self, answered: &Sender<Done<T>>) -> bool {
        while self.work.windows.len() < self.batch_size
            && let Some((row, number)) = self.rows.pop_front()
        {
            if let Some(row) = row.take_unwanted() {
                if answered.send(Done::cancelled(row)).is_err() {
                    return false;
                }
                continue;
            }
            let window = &row.windows[number];
            self.work.batch.push(&window.input_ids, &window.token_type_ids);
            self.work.windows.push((row.clone(), number));
            if number + 1 < row.windows.len() {
                self.rows.push_back((row, number + 1));
            }
        }
        true
    }
}

impl<T> Default for Work<T> {
    fn default() -> Self {
        Self { batch: Batch::default(), windows: Vec::new() }
    }
}

impl<T> Work<T> {
    fn take(&mut self) -> Self {
        std::mem::take(self)
    }
}
