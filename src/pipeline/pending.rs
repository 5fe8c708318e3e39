use std::sync::{Arc, Mutex, PoisonError};

use super::RowTag;
use super::budget::Share;
use crate::qa::decode::WindowSpans;
use crate::qa::{Example, Options, Window};

/// A row between encode and decode: its windows, and what was found in those that the network has seen.
pub(super) struct Pending<T> {
    pub windows: Vec<Window>,
    pub options: Arc<Options>,
    state: Mutex<State<T>>,
    /// Of the memory for windows.
    _share: Share,
}

struct State<T> {
    found: Vec<Option<WindowSpans>>,
    missing: usize,
    /// Taken when the last window is in.
    row: Option<PendingRow<T>>,
}

/// The parts of a row that its answers are joined to.
pub(super) struct PendingRow<T> {
    pub index: u64,
    pub bytes: usize,
    pub tag: T,
    pub example: Example,
}

impl<T> Pending<T> {
    pub(super) fn new(row: PendingRow<T>, windows: Vec<Window>, options: Arc<Options>, share: Share) -> Self {
        let missing = windows.len();
        let found = (0..missing).map(|_| None).collect();
        Self { windows, options, state: Mutex::new(State { found, missing, row: Some(row) }), _share: share }
    }

    /// Gives the row back if nobody wants its answers any more; what its windows still say is then left unused.
    pub(super) fn take_unwanted(&self) -> Option<PendingRow<T>>
    where
        T: RowTag,
    {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.row.take_if(|row| !row.tag.is_wanted())
    }

    /// Notes what a window says. With the row's last window, gives the row back, and what all its windows say in
    /// their order.
    pub(super) fn found(&self, window: usize, spans: WindowSpans) -> Option<(PendingRow<T>, Vec<WindowSpans>)> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.found[window].replace(spans).is_none() {
            state.missing -= 1;
        }
        if state.missing > 0 {
            return None;
        }
        let row = state.row.take()?;
        Some((row, state.found.drain(..).flatten().collect()))
    }
}
