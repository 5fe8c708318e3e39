//! Columnar rows to a columnar file.

use std::sync::Arc;

use polars::prelude::{DataFrame, Schema};

use super::buffer::AnswerBuffer;
use super::file::ColumnarFile;
use crate::io::columnar::metadata::Metadata;
use crate::io::error::Result;
use crate::io::format::ColumnarFormat;
use crate::io::row::Record;
use crate::io::write::answer_columns::AnswerColumns;
use crate::io::write::encoder::{OutputRow, RowEncoder};
use crate::io::write::sink::Sink;

/// Writes columnar rows to a columnar file: slices of the input's chunks, types as they came.
pub(crate) struct ColumnsEncoder {
    file: ColumnarFile,
    answers: AnswerBuffer,
    schema: Schema,
    slices: Vec<DataFrame>,
    run: Option<Run>,
}

/// Rows that follow one another in one chunk.
struct Run {
    chunk: Arc<DataFrame>,
    start: usize,
    length: usize,
    row_bytes: usize,
}

impl ColumnsEncoder {
    pub(crate) fn new(
        sink: Sink,
        format: ColumnarFormat,
        columns: Arc<AnswerColumns>,
        schema: &Schema,
        metadata: &Metadata,
    ) -> Result<Self> {
        let answers = AnswerBuffer::new(columns);
        let mut whole = schema.clone();
        whole.extend(answers.fields.iter().map(|field| (field.name().clone(), field.dtype().clone())));
        let file = ColumnarFile::new(sink, format, &whole, metadata)?;
        Ok(Self { file, answers, schema: schema.clone(), slices: Vec::new(), run: None })
    }

    fn end_run(&mut self) {
        if let Some(run) = self.run.take() {
            self.slices.push(run.chunk.slice(run.start as i64, run.length));
        }
    }

    fn write_batch(&mut self) -> Result<()> {
        self.end_run();
        let height = self.answers.rows;
        let answers = self.answers.take()?;
        let mut slices = self.slices.drain(..);
        let Some(mut frame) = slices.next() else { return Ok(()) };
        for slice in slices {
            frame.vstack_mut_owned(slice)?;
        }
        // Without input columns, a frame does not know its height.
        let frame = if frame.width() == 0 { DataFrame::new(height, answers) } else { frame.hstack(&answers) };
        self.file.write(frame?)
    }
}

impl RowEncoder for ColumnsEncoder {
    fn write(&mut self, record: Record, output: OutputRow) -> Result<Vec<String>> {
        let (chunk, index) = match record {
            Record::Columnar { frame, index } => (frame, index),
            // No input mixes the two; a row without its columns is still a row.
            Record::Fields(_) => (Arc::new(DataFrame::full_null(&self.schema, 1)), 0),
        };
        match &mut self.run {
            Some(run) if Arc::ptr_eq(&run.chunk, &chunk) && index == run.start + run.length => run.length += 1,
            _ => {
                self.end_run();
                let row_bytes = chunk.estimated_size() / chunk.height().max(1);
                self.run = Some(Run { chunk, start: index, length: 1, row_bytes });
            }
        }
        self.answers.push(&output, self.run.as_ref().map_or(0, |run| run.row_bytes))?;
        if self.answers.is_full() {
            self.write_batch()?;
        }
        Ok(Vec::new())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.write_batch()?;
        self.file.finish()
    }
}
