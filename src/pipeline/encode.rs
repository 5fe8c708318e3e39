//! The stage that turns rows into windows.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, select};

use super::budget::Budget;
use super::messages::{Done, Numbered, cancelled};
use super::pending::{Pending, PendingRow};
use super::{Answered, Item, RowTag, Stats};
use crate::qa::Encoder;

/// `memory` is for the windows of all rows.
pub(super) fn encode<T: RowTag>(
    encoder: &Encoder,
    stats: &Stats,
    stop: &Receiver<()>,
    memory: &Arc<Budget>,
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
        let planned = example.and_then(|example| {
            if !tag.is_wanted() {
                return Err(cancelled());
            }
            let plan = stats.busy.encode.measure(|| encoder.plan(&example, &options))?;
            Ok((example, plan))
        });
        let encoded_row = match planned {
            Ok((example, plan)) => {
                // Windows of other rows may have to be run first.
                let Some(share) = memory.share(plan.bytes()) else { break };
                stats.busy.encode.measure(|| plan.windows()).map(|windows| (example, windows, share))
            }
            Err(error) => Err(error),
        };
        let sent = match encoded_row {
            Ok((example, windows, share)) => {
                stats.windows.add(windows.len());
                let row = PendingRow { index, bytes, tag, example };
                encoded.send(Arc::new(Pending::new(row, windows, options, share))).is_ok()
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
