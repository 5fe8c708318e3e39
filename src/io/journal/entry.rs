//! The lines of a journal.

use std::borrow::Cow;
use std::fs::Metadata;
use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::io::error::Result;
use crate::qa::{Answer, RowError};

/// What a line says, and a sum over its text: after a power failure, a file may have anything at its end.
#[derive(Serialize, Deserialize)]
struct Line {
    crc32: u32,
    entry: Box<RawValue>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Entry<'a> {
    /// Comes first.
    Begin(Begin),
    /// The run starts, or goes on.
    Attempt(Attempt),
    /// The next row is answered.
    Row(RowEntry<'a>),
    /// All rows are in.
    Complete(RowCounts),
}

/// Rows that are in, and how many of them failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RowCounts {
    pub(crate) rows: u64,
    pub(crate) failed: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Begin {
    /// What tells the run from others.
    pub(super) identity: Value,
    /// Whether the output may take the place of another file.
    pub(super) overwrites: bool,
}

/// What an attempt writes to: by this the file is known under whatever name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attempt {
    /// Where files have such numbers. That of a file that was removed may be given to another.
    inode: Option<u64>,
    /// Where the file system knows.
    created: Option<SystemTime>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct RowEntry<'a> {
    /// Digest of what was asked.
    pub(super) input: u32,
    pub(super) outcome: Outcome<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome<'a> {
    /// Text, bits of the score, start and end.
    Answers(Vec<(Cow<'a, str>, u32, usize, usize)>),
    /// Why there is none.
    Error(String),
}

impl<'a> RowEntry<'a> {
    pub(super) fn new(input: u32, answers: &'a Result<Vec<Answer>, RowError>) -> Self {
        let part = |Answer { text, score, start, end }: &'a Answer| {
            (Cow::Borrowed(text.as_str()), score.to_bits(), *start, *end)
        };
        let outcome = match answers {
            Ok(answers) => Outcome::Answers(answers.iter().map(part).collect()),
            Err(error) => Outcome::Error(error.to_string()),
        };
        Self { input, outcome }
    }
}

impl Outcome<'_> {
    pub(super) fn into_answers(self) -> Result<Vec<Answer>, RowError> {
        match self {
            Self::Answers(answers) => Ok(answers
                .into_iter()
                .map(|(text, score, start, end)| Answer {
                    text: text.into_owned(),
                    score: f32::from_bits(score),
                    start,
                    end,
                })
                .collect()),
            // What it was exactly, its text says.
            Self::Error(error) => Err(RowError::Tokenizer(error)),
        }
    }
}

impl Attempt {
    pub(super) fn of(work_file: &Path) -> Self {
        match std::fs::metadata(work_file) {
            Ok(metadata) => Self { inode: inode(&metadata), created: metadata.created().ok() },
            Err(_) => Self { inode: None, created: None },
        }
    }

    /// Whether `path` is the file.
    pub(super) fn wrote(&self, path: &Path) -> bool {
        let is_known = self.inode.is_some() || self.created.is_some();
        is_known && *self == Self::of(path)
    }
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> Option<u64> {
    Some(std::os::unix::fs::MetadataExt::ino(metadata))
}

#[cfg(not(unix))]
fn inode(_metadata: &Metadata) -> Option<u64> {
    None
}

impl Entry<'_> {
    pub(super) fn to_line(&self) -> Result<Vec<u8>> {
        let entry = to_raw_value(self)?;
        let line = Line { crc32: crc32fast::hash(entry.get().as_bytes()), entry };
        let mut line = serde_json::to_vec(&line)?;
        line.push(b'\n');
        Ok(line)
    }
}

/// What a line with its end says; `None` if it is not whole.
pub(super) fn parse(line: &[u8]) -> Option<Entry<'static>> {
    let line: Line = serde_json::from_slice(line.strip_suffix(b"\n")?).ok()?;
    let text = line.entry.get();
    if crc32fast::hash(text.as_bytes()) != line.crc32 {
        return None;
    }
    serde_json::from_str(text).ok()
}
