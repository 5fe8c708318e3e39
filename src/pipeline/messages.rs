//! What the stages hand to each other.

use std::sync::Arc;

use crossbeam_channel::Sender;

use super::pending::{Pending, PendingRow};
use super::{Answered, Item};
use crate::batch::Batch;
use crate::qa::RowError;

/// A row with its place in the input.
pub(super) struct Numbered<T> {
    pub index: u64,
    pub item: Item<T>,
}

/// A row that is ready to be written.
pub(super) struct Done<T> {
    pub index: u64,
    pub bytes: usize,
    pub row: Answered<T>,
}

impl<T> Done<T> {
    /// A row that is given up.
    pub(super) fn cancelled(row: PendingRow<T>) -> Self {
        let PendingRow { index, bytes, tag, .. } = row;
        Self { index, bytes, row: Answered { tag, answers: Err(cancelled()), details: None } }
    }
}

pub(super) fn cancelled() -> RowError {
    RowError::Cancelled
}

/// A row, and which of its windows.
pub(super) type RowWindow<T> = (Arc<Pending<T>>, usize);

/// A batch, and the window of which row each of its windows is.
pub(super) struct Work<T> {
    pub batch: Batch,
    pub windows: Vec<RowWindow<T>>,
}

impl<T> Default for Work<T> {
    fn default() -> Self {
        Self { batch: Batch::default(), windows: Vec::new() }
    }
}

impl<T> Work<T> {
    /// Takes the second half of the rows out, where there is more than one.
    pub(super) fn split(&mut self) -> Option<Self> {
        let half = self.batch.rows().len().div_ceil(2);
        let batch = self.batch.split_off(half);
        let windows = self.windows.split_off(self.batch.windows());
        (!batch.is_empty()).then_some(Self { batch, windows })
    }
}

/// A batch on its way to an engine, with the way back for what that one can't run. The way stays open while such a
/// batch is about: an engine with nothing to do waits until none is left that could come to it.
pub(super) struct Job<T> {
    pub work: Work<T>,
    pub returns: Sender<Job<T>>,
}
