//! The row that is still arriving.

use std::io;
use std::sync::Mutex;

use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::serve::app::App;
use crate::serve::body::MemoryPermit;
use crate::serve::pace::Pace;

/// Takes memory for a row that is still arriving, and sees that it does arrive.
pub(super) struct Unfinished {
    app: App,
    runtime: Handle,
    row: Mutex<Row>,
}

#[derive(Default)]
struct Row {
    pace: Pace,
    /// Of the row and of the blank lines before it.
    bytes: usize,
    /// Bytes for which there is no permit yet.
    uncounted: usize,
    memory: MemoryPermit,
}

/// So many times the longest line may be passed over before a row: lines that are too long, and blank ones.
const MOST_LINES: usize = 4;

/// Short rows, and what is read ahead of one, are not worth a count.
const STEP: usize = 64 << 10;

impl Unfinished {
    pub(super) fn new(app: App, runtime: Handle) -> Self {
        Self { app, runtime, row: Mutex::default() }
    }

    /// More bytes have arrived.
    ///
    /// # Errors
    /// The row arrives too slowly, or never; or all memory for rows is taken, and stays so.
    pub(super) fn add(&self, bytes: usize) -> io::Result<()> {
        let mut row = self.lock();
        row.pace.add(bytes, &self.app.limits)?;
        let longest = self.app.limits.max_body_bytes.get();
        row.bytes = row.bytes.saturating_add(bytes);
        if row.bytes > longest.saturating_mul(MOST_LINES).saturating_add(STEP) {
            return Err(io::Error::other(format!("{} bytes are no row; a line may have {longest}", row.bytes)));
        }
        if row.bytes > longest {
            // It is not held.
            return Ok(());
        }
        row.uncounted += bytes;
        if row.uncounted >= STEP {
            let free = self.app.memory.wait(std::mem::take(&mut row.uncounted));
            let more = self.runtime.block_on(async { timeout(self.app.limits.body_timeout, free).await });
            let more = more.map_err(|_| io::Error::other("the rows of other requests take all memory"))?;
            row.memory.merge(more);
        }
        Ok(())
    }

    /// The row is whole: what takes memory now is counted elsewhere.
    pub(super) fn end(&self) {
        *self.lock() = Row::default();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Row> {
        // Nothing in it can be left half done.
        self.row.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
