//! JSON Lines: one object a line.

use std::borrow::Cow;
use std::io::{self, BufRead};
use std::sync::Arc;

use super::column_selection::ColumnSelection;
use super::shape::{self, Pending, Step};
use crate::io::encoding::Doubt;
use crate::io::error::{Error, Result};
use crate::io::json::{encoded_surrogate, without_nan};
use crate::io::options::ReadOptions;
use crate::io::row::{Fields, InputRow, Position};

/// Rows of a JSON Lines text. Blank lines are no rows, but count as lines; a line may hold several rows, as MRQA's do.
pub(crate) struct JsonlRows<R> {
    lines: Lines<R>,
    /// What is left of the line, in reverse order.
    pending: Vec<Pending>,
    was_part: bool,
    doubt: Doubt,
    source: Arc<str>,
    selection: Arc<ColumnSelection>,
}

impl<R: BufRead> JsonlRows<R> {
    pub(crate) fn new(reader: R, source: Arc<str>, selection: Arc<ColumnSelection>, options: &ReadOptions) -> Self {
        let lines = Lines { reader, limit: options.max_line_bytes, number: 0, line: Vec::new() };
        Self { lines, pending: Vec::new(), was_part: false, doubt: Doubt::new(options.encoding), source, selection }
    }

    /// Whether the last row was part of a larger value.
    pub(crate) fn was_part(&self) -> bool {
        self.was_part
    }

    /// The row that a step comes to, if it is one.
    fn row(&mut self, step: Step) -> Option<InputRow> {
        self.was_part = matches!(step, Step::Part(_));
        match step {
            Step::Row(fields) | Step::Part(fields) => Some(self.selection.row(self.here(), fields)),
            Step::Unknown(message) => Some(self.unreadable(message)),
            Step::Holds(values) => {
                self.pending.extend(values.into_iter().rev());
                None
            }
        }
    }

    fn here(&self) -> Position {
        Position { source: self.source.clone(), number: self.lines.number }
    }

    fn unreadable(&self, message: String) -> InputRow {
        self.selection.unreadable(self.here(), Fields::new(), message)
    }
}

impl<R: BufRead> Iterator for JsonlRows<R> {
    type Item = Result<InputRow>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(value) = self.pending.pop() {
                let step = shape::step(value, &self.selection);
                match self.row(step) {
                    Some(row) => return Some(Ok(row)),
                    None => continue,
                }
            }
            match self.lines.next() {
                Ok(Some(Line::Whole)) if self.lines.text().trim_ascii().is_empty() => {}
                Ok(Some(Line::Whole)) => match parse(self.lines.text(), &mut self.doubt) {
                    Ok(fields) => {
                        let step = shape::line(fields, &self.selection);
                        if let Some(row) = self.row(step) {
                            return Some(Ok(row));
                        }
                    }
                    Err(message) => return Some(Ok(self.unreadable(message))),
                },
                Ok(Some(Line::TooLong)) => {
                    let message = format!("the line is longer than the limit of {} bytes", self.lines.limit);
                    return Some(Ok(self.unreadable(message)));
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
fn parse(line: &[u8], doubt: &mut Doubt) -> Result<Fields, String> {
    let line = std::str::from_utf8(line).map_err(|error| {
        let note = match encoded_surrogate(line) {
            Some(surrogate) => format!(", a lone surrogate, {surrogate}"),
            None => doubt.note(line),
        };
        format!("invalid UTF-8 at byte {} of the line{note}", error.valid_up_to() + 1)
    })?;
    let error = match serde_json::from_str(line) {
        Ok(fields) => return Ok(fields),
        Err(error) => error,
    };
    if let Cow::Owned(line) = without_nan(line)
        && let Ok(fields) = serde_json::from_str(&line)
    {
        return Ok(fields);
    }
    Err(match error.classify() {
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
    /// Without the byte order mark that stands in the middle where files were put together.
    fn text(&self) -> &[u8] {
        self.line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&self.line)
    }

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
