//! The stage that fills batches.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Select, Sender, TryRecvError};

use super::messages::{Done, Job, RowWindow, Work};
use super::pending::Pending;
use super::{RowTag, Stats};
use crate::batch::{Batch, WindowQueue};
use crate::engine::Layout;

/// How batches are filled.
#[derive(Debug, Clone, Copy)]
pub(super) struct PackingPolicy {
    /// Most rows of a batch.
    rows: usize,
    /// Tokens that the windows of a row share; `None` where each has a row of its own.
    room: Option<usize>,
    /// From how many of the input's rows windows are chosen.
    look_ahead: usize,
}

/// Windows considered when packing: fewer waste space, more delay shutdown.
const CHOICE: usize = 128;

impl PackingPolicy {
    /// That of a layout, where a ragged batch has at most so many windows.
    pub(super) fn new(layout: Layout, batch_size: usize) -> Self {
        let windows = layout.windows(batch_size).max(1);
        match layout {
            Layout::Fixed(shape) if shape.packed => {
                Self { rows: shape.batch.get(), room: Some(shape.seq_len.get()), look_ahead: CHOICE.max(4 * windows) }
            }
            Layout::Fixed(_) | Layout::Ragged => Self { rows: windows, room: None, look_ahead: windows },
        }
    }
}

/// Fills batches while engines are busy, and hands over what there is as soon as an engine is free: a row that comes
/// alone does not wait for company. Rows take turns, a window each, so that one of very many windows does not hold up
/// those that come after it.
pub(super) fn pack<T: RowTag>(
    policy: PackingPolicy,
    stats: &Stats,
    encoded: &Receiver<Arc<Pending<T>>>,
    batches: &Sender<Job<T>>,
    returns: &Sender<Job<T>>,
    answered: &Sender<Done<T>>,
) {
    let mut packer = Packer { policy, waiting: WindowQueue::default(), answered };
    let (mut packed, mut ended) = (None, false);
    loop {
        while !ended && !packer.is_full() {
            match encoded.try_recv() {
                Ok(row) => packer.push(row, 0),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => ended = true,
            }
        }
        if packer.is_full() && packed.is_none() {
            // There will be no better choice: the batch is ready before an engine is.
            packed = stats.busy.pack.measure(|| packer.fill());
            continue;
        }

        let (mut send, mut receive, mut select) = (None, None, Select::new());
        if packed.is_some() || !packer.waiting.is_empty() {
            send = Some(select.send(batches));
        }
        if !ended && !packer.is_full() {
            receive = Some(select.recv(encoded));
        }
        if send.is_none() && receive.is_none() {
            return;
        }
        let ready = select.select();
        if send == Some(ready.index()) {
            let work = packed.take().or_else(|| stats.busy.pack.measure(|| packer.fill())).unwrap_or_default();
            if ready.send(batches, Job { work, returns: returns.clone() }).is_err() {
                return;
            }
        } else {
            match ready.recv(encoded) {
                Ok(row) => packer.push(row, 0),
                Err(_) => ended = true,
            }
        }
    }
}

struct Packer<'a, T> {
    policy: PackingPolicy,
    /// The first window that is in no batch yet, of each row that has such.
    waiting: WindowQueue<RowWindow<T>>,
    answered: &'a Sender<Done<T>>,
}

impl<T: RowTag> Packer<'_, T> {
    fn is_full(&self) -> bool {
        self.waiting.len() >= self.policy.look_ahead
    }

    fn push(&mut self, row: Arc<Pending<T>>, number: usize) {
        if let Some(window) = row.windows.get(number) {
            self.waiting.push(window.tokens(), (row, number));
        }
    }

    /// A batch of the windows that fill it best; `None` if none is wanted.
    fn fill(&mut self) -> Option<Work<T>> {
        let mut work = Work::default();
        while work.batch.rows().len() < self.policy.rows
            && let Some(tokens) = self.place(&mut work, Batch::push, WindowQueue::oldest)
        {
            let mut room = self.policy.room.unwrap_or(0).saturating_sub(tokens);
            while let Some(tokens) = self.place(&mut work, Batch::push_beside, |waiting| waiting.longest(room)) {
                room -= tokens;
            }
        }
        (!work.batch.is_empty()).then_some(work)
    }

    /// Puts a window of those that wait into the batch, and returns its tokens.
    fn place(
        &mut self,
        work: &mut Work<T>,
        put: fn(&mut Batch, &[u32], &[u32]),
        choose: impl Fn(&mut WindowQueue<RowWindow<T>>) -> Option<RowWindow<T>>,
    ) -> Option<usize> {
        loop {
            let (row, number) = choose(&mut self.waiting)?;
            if let Some(row) = row.take_unwanted() {
                // A writer that is gone ends this stage through its neighbours.
                let _ = self.answered.send(Done::cancelled(row));
                continue;
            }
            let window = &row.windows[number];
            put(&mut work.batch, &window.input_ids, &window.token_type_ids);
            work.windows.push((row.clone(), number));
            let tokens = window.tokens();
            self.push(row, number + 1);
            return Some(tokens);
        }
    }
}
