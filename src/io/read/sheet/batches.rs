//! Rows of a sheet, from the thread that reads them to the one that takes them, several at a time.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::vec;

use serde_json::value::RawValue;

/// A row of a sheet: its number from 1, and its cells that are not empty, with their columns from 0.
pub(super) struct SheetRow {
    pub(super) number: u64,
    pub(super) cells: Vec<(u32, Box<RawValue>)>,
}

/// So many rows are passed on together, or fewer that are so large: a text that cells share may be of any size, and each
/// has a copy of its own.
const ROWS: usize = 64;
const BYTES: usize = 1 << 20;

type Batch = Result<Vec<SheetRow>, String>;

/// Takes rows, and passes them on.
pub(super) struct RowsIn {
    sender: SyncSender<Batch>,
    rows: Vec<SheetRow>,
    bytes: usize,
}

/// Gives rows, until the other end is gone.
pub(super) struct RowsOut {
    receiver: Receiver<Batch>,
    rows: vec::IntoIter<SheetRow>,
}

/// The two ends. Between them waits no more than one batch.
pub(super) fn channel() -> (RowsIn, RowsOut) {
    let (sender, receiver) = sync_channel(1);
    (RowsIn { sender, rows: Vec::new(), bytes: 0 }, RowsOut { receiver, rows: Vec::new().into_iter() })
}

impl RowsIn {
    /// Sends the row at `index`, unless it has no value; whether anybody takes rows.
    pub(super) fn send(&mut self, index: u64, cells: Vec<(u32, Box<RawValue>)>) -> bool {
        if cells.is_empty() {
            return true;
        }
        self.bytes += cells.iter().map(|(_, value)| value.get().len()).sum::<usize>();
        self.rows.push(SheetRow { number: index + 1, cells });
        if self.rows.len() < ROWS && self.bytes < BYTES { true } else { self.pass_on() }
    }

    /// Says why there are no further rows.
    pub(super) fn fail(&mut self, message: String) {
        self.pass_on();
        // Whoever took rows may be gone.
        let _ = self.sender.send(Err(message));
    }

    fn pass_on(&mut self) -> bool {
        self.bytes = 0;
        self.rows.is_empty() || self.sender.send(Ok(std::mem::take(&mut self.rows))).is_ok()
    }
}

impl Drop for RowsIn {
    fn drop(&mut self) {
        self.pass_on();
    }
}

impl RowsOut {
    /// The next row; `None` after the last.
    pub(super) fn next(&mut self) -> Option<Result<SheetRow, String>> {
        loop {
            if let Some(row) = self.rows.next() {
                return Some(Ok(row));
            }
            match self.receiver.recv().ok()? {
                Ok(rows) => self.rows = rows.into_iter(),
                Err(message) => return Some(Err(message)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Duration;

    use serde_json::value::to_raw_value;

    use super::*;

    /// How many rows with a text of so many bytes are taken before one is asked for, and how many come out.
    fn taken(rows: usize, bytes: usize) -> (usize, usize) {
        let (mut rows_in, mut rows_out) = channel();
        let sent = Arc::new(AtomicUsize::new(0));
        let counter = sent.clone();
        let sender = thread::spawn(move || {
            for index in 0..rows {
                let text = to_raw_value(&"x".repeat(bytes)).unwrap();
                assert!(rows_in.send(index as u64, vec![(0, text)]));
                counter.fetch_add(1, Ordering::Relaxed);
            }
            rows_in.fail("no more".to_owned());
        });
        let mut before = usize::MAX;
        while before != sent.load(Ordering::Relaxed) {
            before = sent.load(Ordering::Relaxed);
            thread::sleep(Duration::from_millis(200));
        }
        let numbers: Vec<u64> = std::iter::from_fn(|| rows_out.next()?.ok()).map(|row| row.number).collect();
        assert_eq!(numbers, (1..=rows as u64).collect::<Vec<_>>());
        sender.join().unwrap();
        (before, numbers.len())
    }

    #[test]
    fn large_rows_do_not_pile_up() {
        assert!(taken(20, 2 * BYTES).0 <= 2);
        let (before, all) = taken(1000, 10);
        assert!((ROWS..=3 * ROWS).contains(&before) && all == 1000, "{before}");
    }
}
