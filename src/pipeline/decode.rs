//! The stage that turns logits into answers.

use crossbeam_channel::{Receiver, Sender};

use super::messages::{Done, Work};
use super::pending::PendingRow;
use super::{Answered, RowDetails, Stats};
use crate::engine::Logits;
use crate::qa::decode;

pub(super) fn decode<T>(stats: &Stats, logits: &Receiver<(Work<T>, Logits)>, answered: &Sender<Done<T>>) {
    for (work, logits) in logits {
        for ((row, number), place) in work.windows.into_iter().zip(work.batch.cu_seq_lengths().windows(2)) {
            let place = place[0]..place[1];
            let (start, end) = (&logits.start[place.clone()], &logits.end[place]);
            let decode = || decode::window_spans(&row.windows[number], start, end, &row.options);
            let spans = stats.busy.decode.measure(decode);
            let Some((PendingRow { index, bytes, tag, example }, spans)) = row.found(number, spans) else {
                continue;
            };
            let answers = decode::merge(example.context(), &spans, &row.options);
            let details = Some(RowDetails { windows: spans.len(), null_score: decode::null_score(&spans) });
            if answered.send(Done { index, bytes, row: Answered { tag, answers, details } }).is_err() {
                return;
            }
        }
    }
}
