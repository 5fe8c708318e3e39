use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::entry::{self, Entry};
use super::file;
use crate::io::error::Result;
use crate::qa::{Answer, RowError};

/// The answers that a journal has, in order.
pub(crate) struct Replay {
    reader: BufReader<File>,
    path: PathBuf,
    left: u64,
}

/// What was recorded of a row.
pub(crate) struct Recorded {
    /// The [`digest`](super::digest) of what was asked.
    pub(crate) input: u32,
    pub(crate) answers: Result<Vec<Answer>, RowError>,
}

impl Replay {
    pub(super) fn open(path: &Path, rows: u64) -> Result<Self> {
        let file = File::open(path).map_err(|source| file::failed(path, source))?;
        Ok(Self { reader: BufReader::with_capacity(256 << 10, file), path: path.to_owned(), left: rows })
    }

    /// Rows that are still to come.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }
}

impl Iterator for Replay {
    type Item = Result<Recorded>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = Vec::new();
        while self.left > 0 {
            line.clear();
            if let Err(source) = self.reader.read_until(b'\n', &mut line) {
                self.left = 0;
                return Some(Err(file::failed(&self.path, source)));
            }
            match entry::parse(&line) {
                Some(Entry::Row(row)) => {
                    self.left -= 1;
                    return Some(Ok(Recorded { input: row.input, answers: row.outcome.into_answers() }));
                }
                Some(_) => {}
                // All lines were whole a moment ago.
                None => {
                    self.left = 0;
                    return Some(Err(file::failed(&self.path, std::io::ErrorKind::InvalidData.into())));
                }
            }
        }
        None
    }
}
