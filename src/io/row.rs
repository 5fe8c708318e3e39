use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;
use polars::prelude::DataFrame;
use serde_json::value::RawValue;

use super::frame_json;
use crate::qa::{Answer, Example, RowError};

/// Columns of a row that came as text, in order; each value is kept as the JSON text that it was. Of a key that an
/// object has twice, the last value counts.
pub type Fields = IndexMap<String, Box<RawValue>>;

/// The input columns of a row.
#[derive(Debug, Clone)]
pub enum Record {
    /// From JSONL, CSV (every value a JSON string) and SQuAD JSON.
    Fields(Fields),
    /// From Parquet and Arrow IPC: row `index` of a chunk that its neighbours share.
    Frame { frame: Arc<DataFrame>, index: usize },
}

impl Record {
    /// A column's value as JSON; `None` if the record has no such column.
    ///
    /// # Errors
    /// A typed value that has no JSON form.
    pub fn value(&self, name: &str) -> anyhow::Result<Option<Cow<'_, RawValue>>> {
        Ok(match self {
            Self::Fields(fields) => fields.get(name).map(|value| Cow::Borrowed(&**value)),
            Self::Frame { frame, index } => match frame.column(name) {
                Ok(column) => Some(Cow::Owned(frame_json::value(column, *index)?)),
                Err(_) => None,
            },
        })
    }
}

/// Where a row stands, for messages: `questions.jsonl:17`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The path as the user gave it, or `<stdin>`.
    pub source: Arc<str>,
    /// Line for JSONL and CSV, row for the other formats; both from 1.
    pub number: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source, self.number)
    }
}

/// A row as it was read.
#[derive(Debug)]
pub struct InputRow {
    pub position: Position,
    /// The columns to carry along; an unreadable row has none.
    pub record: Record,
    /// What to ask, or why the row can't be asked.
    pub example: Result<Example, RowError>,
}

/// What of an input row goes along to the output.
#[derive(Debug, Clone)]
pub struct Row {
    pub position: Position,
    pub record: Record,
}

impl Row {
    /// About how much memory it takes.
    pub fn bytes(&self) -> usize {
        match &self.record {
            Record::Fields(fields) => fields.iter().map(|(name, value)| name.len() + value.get().len()).sum(),
            // The frame is shared by its rows, which are in flight together.
            Record::Frame { frame, .. } => frame.estimated_size() / frame.height().max(1),
        }
    }
}

/// A row as it is written.
#[derive(Debug)]
pub struct Answered {
    pub row: Row,
    /// Answers, most probable first, or why there are none.
    pub answers: Result<Vec<Answer>, RowError>,
}
