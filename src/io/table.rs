use super::input::{Input, InputColumns, ReadOptions, open_asking};
use super::row::{InputRow, Position, Record};
use crate::qa::{RowError, RowErrorKind};

/// Inputs of which only the columns matter, such as answers made earlier: no row needs a question or a context.
pub struct Table {
    input: Input,
}

/// A row of a [`Table`]: where it stands, and its columns or why they could not be read.
pub type TableRow = (Position, Result<Record, RowError>);

impl Table {
    /// # Errors
    /// As [`open`](super::open), but for the columns of question and context.
    pub fn open(inputs: &[String], options: &ReadOptions) -> anyhow::Result<Self> {
        Ok(Self { input: open_asking(inputs, options, false)? })
    }

    pub fn columns(&self) -> &InputColumns {
        self.input.columns()
    }

    /// The rows of all inputs in order. An `Err` is an input that cannot be read on, not a bad row.
    pub fn rows(self) -> impl Iterator<Item = anyhow::Result<TableRow>> + Send {
        self.input.rows().map(|row| {
            let InputRow { position, record, example } = row?;
            let unreadable = example.err().filter(|error| error.kind() == RowErrorKind::Unreadable);
            Ok((position, unreadable.map_or(Ok(record), Err)))
        })
    }
}
