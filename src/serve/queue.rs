//! Rows of all requests on their way to the pipeline: bounded, and fair between requests.
//!
//! Requests take turns, a row each. A request of many rows has only so many of them in the pipeline at a time that
//! the network has work; a request that has none there is not held up by those that have.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::metrics::{QUEUE_ROWS, QUEUE_WAIT_SECONDS};
use crate::pipeline::{Answered, InFlightLimit, Item, RowTag, Sink};
use crate::qa::{Answer, Example, Options, RowError};

/// What becomes of a row.
pub(super) type Answers = Result<Vec<Answer>, RowError>;

/// Gives a row's answers; an error if the pipeline ended without them.
pub(super) type Reply = oneshot::Receiver<Answers>;

/// A row to be answered.
pub(super) struct Ask {
    pub example: Example,
    pub options: Arc<Options>,
}

/// The queue has no room for a request. By what rows wait now, there is some after `wait`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full {
    pub wait: Duration,
}

/// The queue; clones share it.
#[derive(Clone)]
pub(super) struct Queue(Arc<Shared>);

struct Shared {
    max_rows: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lanes: HashMap<u64, LaneState>,
    /// Lanes with rows that wait, the next first.
    turns: VecDeque<u64>,
    opened: u64,
    /// Rows that wait and count towards the limit.
    counted: usize,
    waiting: usize,
    in_flight_rows: usize,
    in_flight_bytes: usize,
    /// How long the row waited that was taken last.
    last_wait: Duration,
    closed: bool,
    /// How often it was cleared.
    clearings: u64,
}

#[derive(Default)]
struct LaneState {
    rows: VecDeque<Queued>,
    in_flight: usize,
}

struct Queued {
    ask: Ask,
    counted: bool,
    reply: oneshot::Sender<Answers>,
    since: Instant,
}

impl Queue {
    /// A queue of at most `max_rows`.
    pub(super) fn new(max_rows: usize) -> Self {
        Self(Arc::new(Shared { max_rows, state: Mutex::default(), changed: Condvar::new() }))
    }

    /// A place for the rows of a request.
    pub(super) fn open(&self) -> Lane {
        let mut state = self.0.lock();
        state.opened += 1;
        let id = state.opened;
        state.lanes.insert(id, LaneState::default());
        Lane { queue: self.0.clone(), id }
    }

    /// Ends the source, and any other. Rows that still wait get no answer.
    pub(super) fn close(&self) {
        self.0.lock().closed = true;
        self.clear();
    }

    /// Ends the source that there is, for another to take its place. Rows that still wait get no answer, nor do later
    /// ones of the requests that there are.
    pub(super) fn clear(&self) {
        let dropped = {
            let mut state = self.0.lock();
            state.clearings += 1;
            state.turns.clear();
            (state.waiting, state.counted) = (0, 0);
            metrics::gauge!(QUEUE_ROWS).set(0.0);
            std::mem::take(&mut state.lanes)
        };
        drop(dropped);
        self.0.changed.notify_all();
    }

    /// The rows in the order of their turns; it waits for the next, until the queue is cleared or closed. `busy` is how much
    /// keeps the pipeline busy: with that in it, a request that already has rows there must wait.
    pub(super) fn source(&self, busy: InFlightLimit) -> Source {
        Source { clearings: self.0.lock().clearings, queue: self.0.clone(), busy }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, lane: u64, ask: Ask, counted: bool) -> Reply {
        let (reply, answers) = oneshot::channel();
        if let Some(lane_state) = self.lanes.get_mut(&lane) {
            if lane_state.rows.is_empty() {
                self.turns.push_back(lane);
            }
            lane_state.rows.push_back(Queued { ask, counted, reply, since: Instant::now() });
            self.counted += usize::from(counted);
            self.waiting += 1;
        }
        answers
    }

    /// The next row in turn that may go.
    fn take(&mut self, busy: InFlightLimit) -> Option<(u64, Queued)> {
        let is_busy = self.in_flight_rows >= busy.rows || self.in_flight_bytes >= busy.bytes;
        let may_go = |lane: &u64| !is_busy || self.lanes.get(lane).is_some_and(|lane| lane.in_flight == 0);
        let id = self.turns.remove(self.turns.iter().position(may_go)?)?;
        let lane = self.lanes.get_mut(&id)?;
        let row = lane.rows.pop_front()?;
        lane.in_flight += 1;
        if !lane.rows.is_empty() {
            self.turns.push_back(id);
        }
        self.forget(&row);
        self.last_wait = row.since.elapsed();
        Some((id, row))
    }

    /// Notes that a row waits no longer.
    fn forget(&mut self, row: &Queued) {
        self.waiting -= 1;
        self.counted -= usize::from(row.counted);
    }
}

/// The rows of one request. Dropped, it takes those that still wait out of the queue.
pub(super) struct Lane {
    queue: Arc<Shared>,
    id: u64,
}

impl Lane {
    /// Queues all rows of a request, or none.
    pub(super) fn submit(&self, asks: Vec<Ask>) -> Result<Vec<Reply>, Full> {
        let mut state = self.queue.lock();
        if state.counted + asks.len() > self.queue.max_rows {
            return Err(Full { wait: state.last_wait });
        }
        let replies = asks.into_iter().map(|ask| state.push(self.id, ask, true)).collect();
        self.queue.notify(state);
        Ok(replies)
    }

    /// Queues a row of a stream, which itself sees to it that it has only some.
    pub(super) fn push(&self, ask: Ask) -> Reply {
        let mut state = self.queue.lock();
        let reply = state.push(self.id, ask, false);
        self.queue.notify(state);
        reply
    }
}

impl Shared {
    fn notify(&self, state: MutexGuard<'_, State>) {
        metrics::gauge!(QUEUE_ROWS).set(state.waiting as f64);
        drop(state);
        self.changed.notify_one();
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        let Some(lane) = state.lanes.remove(&self.id) else { return };
        if !lane.rows.is_empty() {
            state.turns.retain(|id| *id != self.id);
            lane.rows.iter().for_each(|row| state.forget(row));
            metrics::gauge!(QUEUE_ROWS).set(state.waiting as f64);
        }
    }
}

/// See [`Queue::source`].
pub(super) struct Source {
    queue: Arc<Shared>,
    busy: InFlightLimit,
    /// Of the queue when this was made.
    clearings: u64,
}

impl Iterator for Source {
    type Item = anyhow::Result<Item<PendingReply>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut state = self.queue.lock();
        loop {
            if state.closed || state.clearings != self.clearings {
                return None;
            }
            let Some((lane, row)) = state.take(self.busy) else {
                state = self.queue.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let Queued { ask: Ask { example, options }, reply, since, .. } = row;
            let bytes = example.question().len() + example.context().len();
            state.in_flight_rows += 1;
            state.in_flight_bytes += bytes;
            metrics::gauge!(QUEUE_ROWS).set(state.waiting as f64);
            metrics::histogram!(QUEUE_WAIT_SECONDS).record(since.elapsed());
            let flight = Flight { queue: self.queue.clone(), lane, bytes };
            return Some(Ok(Item {
                tag: PendingReply { reply, _flight: flight },
                example: Ok(example),
                options,
                bytes,
            }));
        }
    }
}

/// A row in the pipeline.
pub(super) struct PendingReply {
    reply: oneshot::Sender<Answers>,
    _flight: Flight,
}

impl RowTag for PendingReply {
    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }
}

/// The share of the pipeline that a row takes, until it is dropped.
struct Flight {
    queue: Arc<Shared>,
    lane: u64,
    bytes: usize,
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.in_flight_rows -= 1;
        state.in_flight_bytes -= self.bytes;
        if let Some(lane) = state.lanes.get_mut(&self.lane) {
            lane.in_flight -= 1;
        }
        drop(state);
        self.queue.changed.notify_one();
    }
}

/// Gives answers back to the requests that wait for them.
pub(super) struct Replies;

impl Sink<PendingReply> for Replies {
    fn write(&mut self, row: Answered<PendingReply>) -> anyhow::Result<()> {
        // Whoever asked may have gone.
        let _ = row.tag.reply.send(row.answers);
        Ok(())
    }
}
