use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Windows that wait for a place in a batch: the choice from which rows are filled.
///
/// A row begins with the window that has waited longest, so that none is passed over for ever, and takes beside it
/// the longest that still fit. Best fit leaves short windows for last, where they fill what others left.
#[derive(Debug)]
pub struct WindowQueue<W> {
    by_arrival: BTreeMap<u64, (usize, W)>,
    /// Tokens and arrival.
    by_length: BTreeSet<(usize, Reverse<u64>)>,
    arrivals: u64,
}

impl<W> Default for WindowQueue<W> {
    fn default() -> Self {
        Self { by_arrival: BTreeMap::new(), by_length: BTreeSet::new(), arrivals: 0 }
    }
}

impl<W> WindowQueue<W> {
    /// Adds a window of so many tokens, behind all others.
    pub fn push(&mut self, tokens: usize, window: W) {
        self.by_arrival.insert(self.arrivals, (tokens, window));
        self.by_length.insert((tokens, Reverse(self.arrivals)));
        self.arrivals += 1;
    }

    /// Takes the window that has waited longest.
    pub fn oldest(&mut self) -> Option<W> {
        let (arrival, (tokens, window)) = self.by_arrival.pop_first()?;
        self.by_length.remove(&(tokens, Reverse(arrival)));
        Some(window)
    }

    /// Takes the longest window of at most `room` tokens, of several the one that has waited longest.
    pub fn longest(&mut self, room: usize) -> Option<W> {
        let &(tokens, arrival) = self.by_length.range(..=(room, Reverse(0))).next_back()?;
        self.by_length.remove(&(tokens, arrival));
        self.by_arrival.remove(&arrival.0).map(|(_, window)| window)
    }

    /// How many windows wait.
    pub fn len(&self) -> usize {
        self.by_arrival.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.by_arrival.is_empty()
    }
}
