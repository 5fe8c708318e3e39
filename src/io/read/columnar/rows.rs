//! Rows of a columnar file.

use std::sync::Arc;

use polars::prelude::{DataFrame, DataType, PolarsResult, Schema, StringChunked};

use super::file::{Chunks, ColumnarFile};
use crate::io::error::{ColumnRole, Error, Result};
use crate::io::read::column_selection::{ColumnSelection, Text};
use crate::io::row::{InputRow, Position, Record};

/// Rows of a columnar file.
pub(crate) struct ColumnarRows {
    chunks: Chunks,
    chunk: Option<Chunk>,
    /// Of the row last given, from 1.
    number: u64,
    source: Arc<str>,
    selection: Arc<ColumnSelection>,
}

struct Chunk {
    frame: Arc<DataFrame>,
    /// Questions and contexts, where rows need them.
    texts: Option<(StringChunked, StringChunked)>,
    rows: usize,
    next: usize,
}

impl ColumnarRows {
    /// `columns` are those to carry along; the file must have them, and the question and context.
    pub(crate) fn new(
        file: ColumnarFile,
        selection: Arc<ColumnSelection>,
        columns: &[&str],
        chunk_rows: usize,
    ) -> Result<Self> {
        let source = file.name().clone();
        let mut names: Vec<String> = columns.iter().map(|&name| name.to_owned()).collect();
        for name in [&selection.question, &selection.context] {
            if selection.needs_question && !names.contains(name) {
                names.push(name.clone());
            }
        }
        let chunks = file.chunks(names, chunk_rows.max(1))?;
        Ok(Self { chunks, chunk: None, number: 0, source, selection })
    }

    fn load(&self, frame: DataFrame) -> PolarsResult<Chunk> {
        let strings = |name: &str| -> PolarsResult<StringChunked> {
            let column = frame.column(name).and_then(|column| column.cast(&DataType::String))?;
            Ok(column.str()?.rechunk().into_owned())
        };
        let ColumnSelection { needs_question, question, context, .. } = &*self.selection;
        let texts = if *needs_question { Some((strings(question)?, strings(context)?)) } else { None };
        let rows = frame.height();
        let kept = frame.get_column_names().into_iter().filter(|name| self.selection.keeps(name)).cloned();
        let frame = Arc::new(frame.select(kept)?);
        Ok(Chunk { frame, texts, rows, next: 0 })
    }
}

impl Iterator for ColumnarRows {
    type Item = Result<InputRow>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(chunk) = &mut self.chunk
                && chunk.next < chunk.rows
            {
                let index = chunk.next;
                chunk.next += 1;
                self.number += 1;
                let position = Position { source: self.source.clone(), number: self.number };
                let record = Record::Columnar { frame: chunk.frame.clone(), index };
                let (question, context) = match &chunk.texts {
                    Some((questions, contexts)) => (text(questions, index), text(contexts, index)),
                    None => (Text::Missing, Text::Missing),
                };
                let example = self.selection.example(question, context);
                return Some(Ok(InputRow { position, record, example }));
            }
            let chunk = self.chunks.next()?.and_then(|frame| self.load(frame));
            match chunk {
                Ok(chunk) => self.chunk = Some(chunk),
                Err(source) => {
                    return Some(Err(Error::ReadOnRow { name: self.source.clone(), row: self.number, source }));
                }
            }
        }
    }
}

fn text(column: &StringChunked, index: usize) -> Text {
    match column.get(index) {
        Some(text) => Text::Valid(text.to_owned()),
        None => Text::Null,
    }
}

/// Checks that the question and the context are text.
pub(crate) fn check_text(name: &Arc<str>, schema: &Schema, selection: &ColumnSelection) -> Result<()> {
    if !selection.needs_question {
        return Ok(());
    }
    for (column, role) in [(&selection.question, ColumnRole::Question), (&selection.context, ColumnRole::Context)] {
        match schema.get(column) {
            Some(DataType::String | DataType::Categorical(..) | DataType::Enum(..)) | None => {}
            Some(other) => {
                let (name, column, dtype) = (name.clone(), column.clone(), other.to_string());
                return Err(Error::NotText { name, column, role, dtype });
            }
        }
    }
    Ok(())
}
