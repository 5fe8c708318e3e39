//! The places of workers, to which one comes back whose engine was lost and is loaded again.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};

use super::DEVICES;
use super::messages::{Job, Work};
use crate::engine::Logits;

/// What joins a worker to its neighbours.
pub(super) struct Lines<T> {
    pub(super) batches: Receiver<Job<T>>,
    /// What engines could not run that are lost.
    pub(super) returned: Receiver<Job<T>>,
    pub(super) logits: Sender<(Work<T>, Logits)>,
}

impl<T> Clone for Lines<T> {
    fn clone(&self) -> Self {
        let Self { batches, returned, logits } = self;
        Self { batches: batches.clone(), returned: returned.clone(), logits: logits.clone() }
    }
}

/// The places of a pipeline's workers. When the last of these goes, so do the lines: the neighbours see that nothing
/// follows, and who would come back has nothing to come back to.
pub(super) struct Seats<T> {
    state: Mutex<State<T>>,
    closed: Condvar,
}

struct State<T> {
    taken: usize,
    lines: Option<Lines<T>>,
}

/// A worker's place, until it is dropped.
pub(super) struct Seat<T> {
    pub(super) lines: Lines<T>,
    /// `None` once it is given up.
    seats: Option<Arc<Seats<T>>>,
}

impl<T> Seats<T> {
    pub(super) fn new(lines: Lines<T>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State { taken: 0, lines: Some(lines) }), closed: Condvar::new() })
    }

    /// `None` when all have gone.
    pub(super) fn take(self: &Arc<Self>) -> Option<Seat<T>> {
        let mut state = self.lock();
        let lines = state.lines.clone()?;
        state.taken += 1;
        metrics::gauge!(DEVICES).set(state.taken as f64);
        Some(Seat { lines, seats: Some(self.clone()) })
    }

    /// Whether somebody is left.
    fn give_up(&self) -> bool {
        let mut state = self.lock();
        state.taken -= 1;
        metrics::gauge!(DEVICES).set(state.taken as f64);
        if state.taken == 0 {
            state.lines = None;
            self.closed.notify_all();
        }
        state.taken > 0
    }

    /// Waits while there is somebody. Whether there is afterwards.
    pub(super) fn wait(&self, time: Duration) -> bool {
        let waited = self.closed.wait_timeout_while(self.lock(), time, |state| state.lines.is_some());
        waited.unwrap_or_else(PoisonError::into_inner).0.lines.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Seat<T> {
    /// Gives it up. The places, if somebody is left in them.
    pub(super) fn leave(mut self) -> Option<Arc<Seats<T>>> {
        self.seats.take().filter(|seats| seats.give_up())
    }
}

impl<T> Drop for Seat<T> {
    fn drop(&mut self) {
        if let Some(seats) = self.seats.take() {
            seats.give_up();
        }
    }
}
