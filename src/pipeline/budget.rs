use std::sync::{Condvar, Mutex, PoisonError};

use super::InFlightLimit;

/// How much of the input may be between the reader and the writer at once. This is what bounds memory: the writer
/// restores the order of rows, so a slow row holds back those behind it.
pub(super) struct Budget {
    limit: InFlightLimit,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    rows: usize,
    bytes: usize,
    closed: bool,
}

impl Budget {
    pub(super) fn new(limit: InFlightLimit) -> Self {
        Self { limit, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Waits until a row of this size fits; a row larger than the whole budget waits until it is alone. False when
    /// the budget was closed.
    #[must_use]
    pub(super) fn acquire(&self, bytes: usize) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |state: &mut State| {
            let InFlightLimit { rows: max_rows, bytes: max_bytes } = self.limit;
            !state.closed && state.rows > 0 && (state.rows >= max_rows || state.bytes + bytes > max_bytes)
        };
        let mut state = self.changed.wait_while(state, full).unwrap_or_else(PoisonError::into_inner);
        state.rows += 1;
        state.bytes += bytes;
        !state.closed
    }

    /// Gives back what a row took.
    pub(super) fn release(&self, bytes: usize) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.rows -= 1;
        state.bytes -= bytes;
        drop(state);
        self.changed.notify_one();
    }

    /// Wakes the reader for good: nobody will give anything back any more.
    pub(super) fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.changed.notify_all();
    }
}
