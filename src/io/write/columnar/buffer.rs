//! Answers that wait to be written as columns.

use std::sync::Arc;

use polars::prelude::{AnyValue, Column, Field, Series};

use crate::io::error::Result;
use crate::io::write::answer_columns::AnswerColumns;
use crate::io::write::encoder::OutputRow;

/// A row group or record batch is written when it has this many rows or bytes.
const BATCH_ROWS: usize = 1 << 16;
const BATCH_BYTES: usize = 32 << 20;

/// Answers that wait for their batch to be full.
pub(crate) struct AnswerBuffer {
    columns: Arc<AnswerColumns>,
    pub(crate) fields: Vec<Field>,
    values: Vec<Vec<AnyValue<'static>>>,
    pub(crate) rows: usize,
    /// About what the rows hold, input columns too.
    bytes: usize,
}

impl AnswerBuffer {
    pub(crate) fn new(columns: Arc<AnswerColumns>) -> Self {
        let fields = columns.fields();
        let values = vec![Vec::new(); fields.len()];
        Self { columns, fields, values, rows: 0, bytes: 0 }
    }

    pub(crate) fn push(&mut self, output: &OutputRow, input_bytes: usize) -> Result<()> {
        for (column, value) in self.values.iter_mut().zip(self.columns.values(output)?) {
            column.push(value);
        }
        self.rows += 1;
        let answers: usize = output.answers.iter().map(|answer| answer.text.len() + 32).sum();
        self.bytes += input_bytes + answers;
        Ok(())
    }

    pub(crate) fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    /// The answer columns of the rows so far, which then start over.
    pub(crate) fn take(&mut self) -> Result<Vec<Column>> {
        (self.rows, self.bytes) = (0, 0);
        self.fields.iter().zip(&mut self.values).map(|(field, values)| column(field, values)).collect()
    }
}

/// A column of the values, which are taken.
pub(crate) fn column(field: &Field, values: &mut Vec<AnyValue<'static>>) -> Result<Column> {
    let series = Series::from_any_values_and_dtype(field.name().clone(), values, field.dtype(), true);
    values.clear();
    Ok(series?.into())
}
