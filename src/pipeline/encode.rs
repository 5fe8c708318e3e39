//! The stage that turns rows into windows.

use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, select};

use super::messages::{Done, Numbered, cancelled};
use super::pending::{Pending, PendingRow};
use super::{Answered, Item, RowTag, Stats};
use crate::qa::Encoder;

/// While a row is tokenized it takes a hundred times as much memory as its text: larger ones than that, in bytes, take
/// turns.
const LARGE: usize = 1 << 20;

pub(super) fn encode<T: RowTag>(
    encoder: &Encoder,
    large: &Mutex<()>,
    stats: &Stats,
    stop: &Receiver<()>,
    rows: &Receiver<Numbered<T>>,
    encoded: &Sender<Arc<Pending<T>>>,
    answered: &Sender<Done<T>>,
) {
    loop {
        // Rows come through one queue, so that those taken until a stop are all rows up to some point of the input.
        let next = select! {
            recv(rows) -> row => row.ok(),
            recv(stop) -> _ => None,
        };
        let Some(Numbered { index, item }) = next else { break };
        stats.taken.add(1);
        let Item { tag, example, options, bytes } = item;
        let windows = example.and_then(|example| {
            if !tag.is_wanted() {
                return Err(cancelled());
            }
            let is_large = example.question().len() + example.context().len() > LARGE;
            let _turn = is_large.then(|| large.lock().unwrap_or_else(PoisonError::into_inner));
            let windows = stats.busy.encode.measure(|| encoder.encode(&example, &options))?;
            Ok((example, windows))
        });
        let sent = match windows {
            Ok((example, windows)) => {
                stats.windows.add(windows.len());
                let row = PendingRow { index, bytes, tag, example };
                encoded.send(Arc::new(Pending::new(row, windows, options))).is_ok()
            }
            Err(error) => {
                answered.send(Done { index, bytes, row: Answered { tag, answers: Err(error), details: None } }).is_ok()
            }
        };
        if !sent {
            break;
        }
    }
}
