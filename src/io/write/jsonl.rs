//! JSON Lines: one object a line.

use std::io::Write;
use std::sync::Arc;

use super::answer_columns::AnswerColumns;
use super::encoder::{OutputRow, RowEncoder};
use super::sink::{Compressed, Sink};
use crate::io::error::{Error, Result};
use crate::io::row::Record;

/// Writes rows as JSON Lines: the input's fields verbatim, then the answer columns.
pub(crate) struct JsonlEncoder {
    sink: Compressed<Sink>,
    columns: Arc<AnswerColumns>,
    line: Vec<u8>,
}

impl JsonlEncoder {
    pub(crate) fn new(sink: Compressed<Sink>, columns: Arc<AnswerColumns>) -> Self {
        Self { sink, columns, line: Vec::new() }
    }
}

impl RowEncoder for JsonlEncoder {
    fn write(&mut self, record: Record, row: OutputRow) -> Result<Vec<String>> {
        let fields = record.into_fields()?;
        let answers = self.columns.json(&row)?;
        let input = fields.iter().map(|(name, value)| (name.as_str(), value.get()));
        let output = answers.iter().map(|(name, value)| (*name, value.as_str()));
        self.line.clear();
        for (name, value) in input.chain(output) {
            self.line.push(if self.line.is_empty() { b'{' } else { b',' });
            serde_json::to_writer(&mut self.line, name)?;
            self.line.push(b':');
            self.line.extend_from_slice(value.as_bytes());
        }
        self.line.extend_from_slice(b"}\n");
        self.sink.write_all(&self.line).map_err(Error::Write)?;
        Ok(Vec::new())
    }

    fn flush(&mut self) -> Result<()> {
        self.sink.flush().map_err(Error::Write)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.sink.finish().map_err(Error::Write)
    }
}
