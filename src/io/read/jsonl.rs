//! JSON Lines: one object a line.

use std::io::{self, BufRead};
use std::sync::Arc;

use super::column_selection::ColumnSelection;
use crate::io::error::{Error, Result};
use crate::io::row::{Fields, InputRow, Position};

/// Rows of a JSON Lines text. Blank lines are no rows, but count as lines.
pub(crate) struct JsonlRows<R> {
    lines: Lines<R>,
    source: Arc<str>,
    selection: Arc<ColumnSelection>,
}

impl<R: BufRead> JsonlRows<R> {
    pub(crate) fn new(reader: R, source: Arc<str>, selection: Arc<ColumnSelection>, max_line_bytes: usize) -> Self {
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
    type Item = Result<InputRow>;

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
                Err(source) => {
                    return Some(Err(Error::ReadOnLine { name: self.source.clone(), line: self.lines.number, source }));
                }
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
