use std::path::Path;

use super::input::{Input, open_with};
use crate::io::error::Result;
use crate::io::options::ReadOptions;
use crate::io::row::{InputColumns, InputRow, Position, Record};
use crate::qa::{RowError, RowErrorKind};

/// Inputs of which only the columns matter, such as answers made earlier: no row needs a question or a context.
pub struct Table {
    input: Input,
}

/// A row of a [`Table`]: where it stands, and its columns or why they could not be read.
pub type TableRow = (Position, Result<Record, RowError>);

impl Table {
    /// # Errors
    /// As [`open`](crate::io::open), but for the columns of question and context.
    pub fn open(inputs: &[impl AsRef<Path>], options: &ReadOptions) -> Result<Self> {
        Ok(Self { input: open_with(inputs, options, false)? })
    }

    /// What is known of the columns before any row is read.
    pub fn columns(&self) -> &InputColumns {
        self.input.columns()
    }

    /// The rows of all inputs in order. An `Err` is an input that cannot be read on, not a bad row.
    pub fn rows(self) -> impl Iterator<Item = Result<TableRow>> + Send {
        self.input.rows().map(|row| {
            let InputRow { position, record, example } = row?;
            let unreadable = example.err().filter(|error| error.kind() == RowErrorKind::Unreadable);
            Ok((position, unreadable.map_or(Ok(record), Err)))
        })
    }
}
