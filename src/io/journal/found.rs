//! The journal that an earlier run has left.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;

use super::entry::{self, Attempt, Begin, Entry, RowCounts};
use super::file;
use crate::io::error::{Error, Result};

/// What every journal begins with.
const START: &[u8] = b"{\"crc32\":";

/// The journal of an earlier run.
pub(super) struct Found {
    pub(super) file: File,
    /// Whether it is known that nobody else writes to it.
    pub(super) is_locked: bool,
    /// `None` where the run got no further than to make the file.
    pub(super) begin: Option<Begin>,
    /// Rows whose answers are whole.
    pub(super) rows: u64,
    /// Where its last whole line ends.
    pub(super) end: u64,
    pub(super) attempts: Vec<Attempt>,
    complete: Option<RowCounts>,
}

impl Found {
    /// # Errors
    /// A journal that another run writes to, or a file that is none.
    pub(super) fn open(path: &Path) -> Result<Option<Self>> {
        let failed = |source| file::failed(path, source);
        let file = match File::options().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(failed(source)),
        };
        let is_locked = file::lock(&file, path)?;
        let mut found = Self { file, is_locked, begin: None, rows: 0, end: 0, attempts: Vec::new(), complete: None };
        let mut start = Vec::new();
        (&found.file).take(START.len() as u64).read_to_end(&mut start).map_err(failed)?;
        if !START.starts_with(&start) {
            return Err(Error::NotAJournal(path.to_owned()));
        }
        found.file.rewind().map_err(failed)?;
        // A first line that is whole and says something else may be of a later version.
        if found.scan().map_err(failed)?.ends_with(b"\n") && found.begin.is_none() {
            return Err(Error::NotAJournal(path.to_owned()));
        }
        Ok(Some(found))
    }

    /// Reads all lines up to the first that is not whole, which is returned.
    fn scan(&mut self) -> io::Result<Vec<u8>> {
        let mut reader = BufReader::with_capacity(256 << 10, &self.file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            match (entry::parse(&line), &self.begin) {
                (Some(Entry::Begin(begin)), None) => self.begin = Some(begin),
                (Some(_), None) | (None, _) => break,
                (Some(entry), Some(_)) => match entry {
                    Entry::Begin(_) => break,
                    Entry::Attempt(attempt) => self.attempts.push(attempt),
                    Entry::Row(_) => self.rows += 1,
                    Entry::Complete(counts) => self.complete = Some(counts),
                },
            }
            self.end += line.len() as u64;
            line.clear();
        }
        Ok(line)
    }

    /// The rows, if the output was complete and `output` is it.
    pub(super) fn complete(&self, output: &Path) -> Option<RowCounts> {
        let same = self.attempts.last().is_some_and(|attempt| attempt.wrote(output));
        self.complete.filter(|_| same)
    }
}
