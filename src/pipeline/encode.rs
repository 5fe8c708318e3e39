//! The stage that turns rows into windows.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, select};

use super::budget::Budget;
use super::messages::{Done, Numbered, cancelled};
use super::pending::{Pending, PendingRow};
use super::{Answered, InFlightLimit, Item, RowTag, Stats};
use crate::qa::Encoder;

/// Bounds on what the rows take that are between encoder and decoder, besides their texts.
#[derive(Clone)]
pub(super) struct Memory {
    /// What the tokenizer keeps of rows that are being encoded.
    tokens: Arc<Budget>,
    windows: Arc<Budget>,
}

/// The usual rows take a hundredth of either; a very large one waits until it fits.
const TOKEN_MEMORY: usize = 256 << 20;
const WINDOW_MEMORY: usize = 128 << 20;

/// So much does a tokenizer keep of a byte of text.
const BYTES_OF_TOKENS: usize = 100;

impl Memory {
    pub(super) fn new() -> Self {
        let of = |bytes| Arc::new(Budget::new(InFlightLimit { rows: usize::MAX, bytes }));
        Self { tokens: of(TOKEN_MEMORY), windows: of(WINDOW_MEMORY) }
    }

    /// Wakes those who wait, for good.
    pub(super) fn close(&self) {
        self.tokens.close();
        self.windows.close();
    }
}

pub(super) fn encode<T: RowTag>(
    encoder: &Encoder,
    stats: &Stats,
    stop: &Receiver<()>,
    memory: &Memory,
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
        let text_bytes = example.as_ref().map_or(0, |example| example.question().len() + example.context().len());
        let Some(_tokens) = memory.tokens.share(text_bytes.saturating_mul(BYTES_OF_TOKENS)) else { break };
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
                let Some(share) = memory.windows.share(plan.bytes()) else { break };
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
