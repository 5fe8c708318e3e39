//! JSON Lines: one object a line.

use std::io::{self, BufRead, Write};
use std::sync::Arc;

use super::columns::AnswerColumns;
use super::compression::Encoder;
use super::output::{Outcome, RowEncoder};
use super::row::{Fields, InputRow, Position, Record};
use super::selection::Selection;
use super::target::Sink;
use super::{frame_json, input::Failed};

/// Rows of a JSON Lines text. Blank lines are no rows, but count as lines.
pub(super) struct JsonlRows<R> {
    lines: Lines<R>,
    source: Arc<str>,
    selection: Arc<Selection>,
}

impl<R: BufRead> JsonlRows<R> {
    pub(super) fn new(reader: R, source: Arc<str>, selection: Arc<Selection>, max_line_bytes: usize) -> Self {
        let lines = Lines { reader, limit: max_line_bytes, number: 0, line: Vec::new() };
        Self { lines, source, selection }
    }

    fn row(&self) -> InputRow {
        let position = Position { source: self.source.clone(), number: self.lines.number };
        match parse(&self.lines.line) {
            Ok(fields) => self.selection.row(position, fields),
            Err(message) => self.selection.unreadable(position, Fields::new(), message),
        }
    }
}

impl<R: BufRead> Iterator for JsonlRows<R> {
    type Item = anyhow::Result<InputRow>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.lines.next() {
                Ok(Some(Line::Whole)) if self.lines.line.trim_ascii().is_empty() => {}
                Ok(Some(Line::Whole)) => return Some(Ok(self.row())),
                Ok(Some(Line::TooLong)) => {
                    let position = Position { source: self.source.clone(), number: self.lines.number };
                    let message = format!("the line is longer than the limit of {} bytes", self.lines.limit);
                    return Some(Ok(self.selection.unreadable(position, Fields::new(), message)));
                }
                Ok(None) => return None,
                Err(error) => return Some(Err(error).failed(&self.source, self.lines.number)),
            }
        }
    }
}

/// The fields of a line, or what is wrong with it.
fn parse(line: &[u8]) -> Result<Fields, String> {
    let line = std::str::from_utf8(line)
        .map_err(|error| format!("invalid UTF-8 at byte {} of the line", error.valid_up_to() + 1))?;
    serde_json::from_str(line).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => "the line is JSON, but not an object `{...}`".to_owned(),
        _ => format!("malformed JSON: {}", error.to_string().replace(" at line 1 column", " at column")),
    })
}

enum Line {
    /// In `line`, without its end.
    Whole,
    /// Skipped.
    TooLong,
}

/// Lines up to a limit in length; of a longer one no more than that is held.
struct Lines<R> {
    reader: R,
    limit: usize,
    /// Of the line last read, from 1.
    number: u64,
    line: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> io::Result<Option<Line>> {
        self.line.clear();
        let mut length = 0;
        loop {
            let bytes = match self.reader.fill_buf() {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let end = memchr::memchr(b'\n', bytes);
            let part = &bytes[..end.unwrap_or(bytes.len())];
            length += part.len();
            if length <= self.limit {
                self.line.extend_from_slice(part);
            }
            let (taken, at_end) = (part.len() + usize::from(end.is_some()), bytes.is_empty());
            self.reader.consume(taken);
            if end.is_some() || (at_end && length > 0) {
                self.number += 1;
                return Ok(Some(if length <= self.limit { Line::Whole } else { Line::TooLong }));
            }
            if at_end {
                return Ok(None);
            }
        }
    }
}

/// Writes rows as JSON Lines: the input's fields verbatim, then the answer columns.
pub(super) struct JsonlEncoder {
    sink: Encoder<Sink>,
    columns: Arc<AnswerColumns>,
    line: Vec<u8>,
}

impl JsonlEncoder {
    pub(super) fn new(sink: Encoder<Sink>, columns: Arc<AnswerColumns>) -> Self {
        Self { sink, columns, line: Vec::new() }
    }
}

impl RowEncoder for JsonlEncoder {
    fn write(&mut self, record: Record, outcome: Outcome) -> anyhow::Result<Vec<String>> {
        let fields = frame_json::fields(record)?;
        let answers = self.columns.json(&outcome)?;
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
        self.sink.write_all(&self.line)?;
        Ok(Vec::new())
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        Ok(self.sink.flush()?)
    }

    fn finish(self: Box<Self>) -> anyhow::Result<()> {
        Ok(self.sink.finish()?)
    }
}
