use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::InFlightLimit;

/// How much may be in some part of the pipeline at once. This is what bounds memory: the writer restores the order of
/// rows, so a slow row holds back those behind it.
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
    /// Who asked first is served first, or a large row might wait for ever.
    asked: u64,
    served: u64,
}

impl Budget {
    pub(super) fn new(limit: InFlightLimit) -> Self {
        Self { limit, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Waits until a row of this size fits; a row larger than the whole budget waits until it is alone. False when
    /// the budget was closed.
    #[must_use]
    pub(super) fn acquire(&self, bytes: usize) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = state.asked;
        state.asked += 1;
        let InFlightLimit { rows: max_rows, bytes: max_bytes } = self.limit;
        let waits = |state: &mut State| {
            let is_full = state.rows > 0 && (state.rows >= max_rows || state.bytes.saturating_add(bytes) > max_bytes);
            !state.closed && (state.served != turn || is_full)
        };
        let mut state = self.changed.wait_while(state, waits).unwrap_or_else(PoisonError::into_inner);
        state.served += 1;
        state.rows += 1;
        state.bytes = state.bytes.saturating_add(bytes);
        let is_open = !state.closed;
        let others_wait = state.asked > state.served;
        drop(state);
        if others_wait {
            self.changed.notify_all();
        }
        is_open
    }

    /// As [`Budget::acquire`], given back when what comes out is dropped. `None` when the budget was closed.
    pub(super) fn share(self: &Arc<Self>, bytes: usize) -> Option<Share> {
        self.acquire(bytes).then(|| Share { budget: self.clone(), bytes })
    }

    /// Gives back what a row took.
    pub(super) fn release(&self, bytes: usize) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.rows -= 1;
        state.bytes -= bytes;
        let others_wait = state.asked > state.served;
        drop(state);
        if others_wait {
            self.changed.notify_all();
        }
    }

    /// Wakes those who wait, for good: nobody will give anything back any more.
    pub(super) fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.changed.notify_all();
    }
}

/// A row's part of a budget, until it is dropped.
pub(super) struct Share {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.release(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::Duration;

    use super::*;

    fn budget(rows: usize, bytes: usize) -> Arc<Budget> {
        Arc::new(Budget::new(InFlightLimit { rows, bytes }))
    }

    #[test]
    fn who_asked_first_is_served_first() {
        let budget = budget(usize::MAX, 10);
        let first = budget.share(6).unwrap();
        let (served_in, served) = channel();
        let ask = |bytes| {
            let before = budget.state.lock().unwrap().asked;
            let (budget, served_in) = (budget.clone(), served_in.clone());
            let asked = budget.clone();
            thread::spawn(move || served_in.send((bytes, budget.share(bytes).unwrap())).unwrap());
            while asked.state.lock().unwrap().asked == before {
                thread::yield_now();
            }
        };
        // One that is larger than the whole, and others that would fit at once.
        ask(20);
        (1..=4).for_each(ask);
        assert!(served.recv_timeout(Duration::from_millis(20)).is_err());
        drop(first);
        let (bytes, large) = served.recv().unwrap();
        assert_eq!(bytes, 20);
        assert!(served.recv_timeout(Duration::from_millis(20)).is_err());
        drop(large);
        let mut small: Vec<_> =
            (0..4).map(|_| served.recv().unwrap()).map(|(bytes, share)| (bytes, Some(share))).collect();
        small.sort_by_key(|(bytes, _)| *bytes);
        assert_eq!(small.iter().map(|(bytes, _)| *bytes).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(budget.state.lock().unwrap().bytes, 10);
        drop(small);
        assert_eq!(budget.state.lock().unwrap().bytes, 0);
    }

    #[test]
    fn a_closed_one_serves_nobody() {
        let budget = budget(1, 10);
        let _share = budget.share(1).unwrap();
        let waiting = thread::spawn({
            let budget = budget.clone();
            move || budget.share(1).is_none()
        });
        budget.close();
        assert!(waiting.join().unwrap());
        assert!(budget.share(1).is_none());
    }
}
