use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::entry::{Attempt, Entry, RowCounts, RowEntry};
use super::{file, kept};
use crate::io::error::Result;
use crate::io::output_path::sync_folder;
use crate::qa::{Answer, RowError};

/// When what was answered is forced to the disk: after so many rows or so much time, whichever comes first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CheckpointInterval {
    pub(crate) rows: NonZeroU64,
    pub(crate) time: Duration,
}

/// The journal of a run that goes on. Dropped without [`finish`](Self::finish), it stays, unless it has no row.
pub(crate) struct Journal {
    output: PathBuf,
    path: PathBuf,
    file: BufWriter<File>,
    interval: CheckpointInterval,
    rows: u64,
    /// Rows since the last checkpoint, and when that was.
    unsynced: u64,
    synced: Instant,
    /// Whether the file's name is on the disk.
    named: bool,
    /// The earlier ones.
    attempts: Vec<Attempt>,
}

impl Journal {
    /// The journal in `file`, whose next row comes after so many.
    pub(super) fn new(
        output: PathBuf,
        path: PathBuf,
        file: File,
        rows: u64,
        attempts: Vec<Attempt>,
        interval: CheckpointInterval,
    ) -> Self {
        let file = BufWriter::with_capacity(64 << 10, file);
        Self { output, path, file, interval, rows, unsynced: 0, synced: Instant::now(), named: false, attempts }
    }

    /// Records the answers of the next row. `input` is the [`digest`](super::digest) of what was asked.
    pub(crate) fn append(&mut self, input: u32, answers: &Result<Vec<Answer>, RowError>) -> Result<()> {
        self.write(&Entry::Row(RowEntry::new(input, answers)))?;
        self.rows += 1;
        self.unsynced += 1;
        if self.unsynced >= self.interval.rows.get() || self.synced.elapsed() >= self.interval.time {
            self.checkpoint()?;
        }
        Ok(())
    }

    /// When there is nothing else to do: hands what was recorded to the system, which keeps it when the program is
    /// killed.
    pub(crate) fn idle(&mut self) -> Result<()> {
        if self.unsynced > 0 && self.synced.elapsed() >= self.interval.time {
            return self.checkpoint();
        }
        self.flush()
    }

    /// Forces what was recorded to the disk, which keeps it when the power goes.
    pub(crate) fn checkpoint(&mut self) -> Result<()> {
        self.flush()?;
        let mut synced = self.file.get_ref().sync_data();
        if !self.named {
            synced = synced.and_then(|()| sync_folder(&self.path));
            self.named = true;
        }
        synced.map_err(|source| file::failed(&self.path, source))?;
        (self.unsynced, self.synced) = (0, Instant::now());
        Ok(())
    }

    /// Notes that all rows are in, before the output gets its name.
    pub(crate) fn complete(&mut self, counts: RowCounts) -> Result<()> {
        self.write(&Entry::Complete(counts))?;
        // A run that was too short for a checkpoint has lost little.
        if self.named { self.checkpoint() } else { self.flush() }
    }

    /// Removes what earlier attempts of the run have kept of the output.
    pub(crate) fn remove_kept(&self) {
        kept::remove(&self.output, &self.attempts);
    }

    /// Removes the journal of a run whose output is complete, or is not wanted.
    pub(crate) fn finish(self) -> Result<()> {
        match std::fs::remove_file(&self.path) {
            // The folder is gone, and the output was kept elsewhere.
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(file::failed(&self.path, source)),
            _ => Ok(()),
        }
    }

    pub(super) fn write(&mut self, entry: &Entry) -> Result<()> {
        let line = entry.to_line()?;
        self.file.write_all(&line).map_err(|source| file::failed(&self.path, source))
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        self.file.flush().map_err(|source| file::failed(&self.path, source))
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if self.rows == 0 {
            // Whether it goes or not, there is nothing in it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
