//! The stage that restores the order of rows and writes them.

use std::collections::BTreeMap;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError};

use super::budget::Budget;
use super::messages::Done;
use super::{Ended, Order, Sink, Stats};

/// How often the sink hears that no row comes.
const IDLE: Duration = Duration::from_secs(1);

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
                match answered.recv_timeout(IDLE) {
                    Ok(done) => done,
                    Err(RecvTimeoutError::Timeout) => continue,
                    Err(RecvTimeoutError::Disconnected) => break,
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
