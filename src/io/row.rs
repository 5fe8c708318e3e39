use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;
use polars::prelude::{Column, DataFrame, SchemaRef};
use serde_json::value::RawValue;

use super::columnar::json;
use super::error::{Error, Result};
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
    Columnar {
        /// The chunk.
        frame: Arc<DataFrame>,
        /// The row in it, from 0.
        index: usize,
    },
}

impl Record {
    /// A column's value as JSON; `None` if the record has no such column.
    ///
    /// # Errors
    /// A columnar value that has no JSON form.
    pub fn value(&self, name: &str) -> Result<Option<Cow<'_, RawValue>>> {
        Ok(match self {
            Self::Fields(fields) => fields.get(name).map(|value| Cow::Borrowed(&**value)),
            Self::Columnar { frame, index } => match frame.column(name) {
                Ok(column) => Some(Cow::Owned(json_value(column, *index)?)),
                Err(_) => None,
            },
        })
    }

    /// All columns as JSON.
    pub(crate) fn into_fields(self) -> Result<Fields> {
        let (frame, index) = match self {
            Self::Fields(fields) => return Ok(fields),
            Self::Columnar { frame, index } => (frame, index),
        };
        let mut fields = Fields::with_capacity(frame.width());
        for column in frame.columns() {
            fields.insert(column.name().to_string(), json_value(column, index)?);
        }
        Ok(fields)
    }
}

fn json_value(column: &Column, index: usize) -> Result<Box<RawValue>> {
    json::value(column, index).map_err(|source| Error::Json { column: column.name().to_string(), source })
}

/// What is known of the columns that are carried along before any row is read.
#[derive(Debug, Clone)]
pub enum InputColumns {
    /// The rows are [`Record::Columnar`], all of this schema.
    Columnar(SchemaRef),
    /// The rows are [`Record::Fields`].
    Fields {
        /// What headers and first rows have.
        names: Vec<String>,
        /// Whether no row has others.
        complete: bool,
        /// Whether rows are parts of larger values, such as SQuAD's, which may have right answers under any name.
        parts: bool,
    },
}

impl InputColumns {
    /// The names that are known, in order.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Columnar(schema) => schema.iter_names().map(|name| name.as_str()).collect(),
            Self::Fields { names, .. } => names.iter().map(String::as_str).collect(),
        }
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
    /// Where it stands.
    pub position: Position,
    /// The columns to carry along; an unreadable row has none.
    pub record: Record,
    /// What to ask, or why the row can't be asked.
    pub example: Result<Example, RowError>,
}

/// Rows of all inputs, one after the other; after an error there is none.
pub type Rows = Box<dyn Iterator<Item = Result<InputRow>> + Send>;

/// What of an input row goes along to the output.
#[derive(Debug, Clone)]
pub struct Row {
    /// Where it stood.
    pub position: Position,
    /// The columns to carry along.
    pub record: Record,
}

impl Row {
    /// About how much memory it takes.
    pub fn bytes(&self) -> usize {
        match &self.record {
            Record::Fields(fields) => fields.iter().map(|(name, value)| name.len() + value.get().len()).sum(),
            // The frame is shared by its rows, which are in flight together.
            Record::Columnar { frame, .. } => frame.estimated_size() / frame.height().max(1),
        }
    }
}

/// A row as it is written.
#[derive(Debug)]
pub struct Answered {
    /// The input.
    pub row: Row,
    /// Answers, most probable first, or why there are none.
    pub answers: Result<Vec<Answer>, RowError>,
}
