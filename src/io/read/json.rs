//! JSON files: one value with rows in it, several values, or a row a line.

use std::io::{self, BufRead, Cursor, Read};
use std::sync::Arc;

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::column_selection::ColumnSelection;
use super::jsonl::JsonlRows;
use super::shape::{Pending, Step, step};
use crate::io::encoding::Doubt;
use crate::io::error::{Error, Result};
use crate::io::json::{one_line, without_nan};
use crate::io::options::ReadOptions;
use crate::io::row::{Fields, InputRow, Position};

type Text = Box<dyn BufRead + Send>;

/// The rows of a JSON file, in whatever shape.
pub(crate) enum JsonRows {
    Lines(JsonlRows<Text>),
    Values(ValueRows),
}

impl JsonRows {
    /// Lines are read one by one; other JSON is held in memory whole.
    ///
    /// # Errors
    /// A text that is not JSON, or is neither lines nor small enough to be held in memory.
    pub(crate) fn new(
        mut reader: Text,
        source: Arc<str>,
        selection: Arc<ColumnSelection>,
        options: &ReadOptions,
    ) -> Result<Self> {
        let unreadable = |error| Error::Read { name: source.clone(), source: error };
        let limit = options.max_json_bytes;
        let fitting = |text: &[u8]| match text.len() > limit {
            true => Err(Error::JsonTooLarge { name: source.clone(), limit }),
            false => Ok(()),
        };
        let mut text = Vec::new();
        read_first_line(&mut reader, &mut text, limit).map_err(unreadable)?;
        fitting(&text)?;
        let lines = |text: Vec<u8>, reader: Text| {
            let text: Text = Box::new(Cursor::new(text).chain(reader));
            Self::Lines(JsonlRows::new(text, source.clone(), selection.clone(), options))
        };
        if is_object(&text) {
            // What follows the object decides whether it is the file or a line of it.
            let end = text.len();
            read_first_line(&mut reader, &mut text, limit).map_err(unreadable)?;
            fitting(&text)?;
            if !text[end..].trim_ascii().is_empty() {
                return Ok(lines(text, reader));
            }
        }
        within(&mut reader, &text, limit).read_to_end(&mut text).map_err(unreadable)?;
        fitting(&text)?;
        match ValueRows::new(&text, source.clone(), selection.clone(), options) {
            Ok(rows) => Ok(Self::Values(rows)),
            // One bad line does not cost the others.
            Err(Error::NotJson { .. } | Error::NotUtf8 { .. }) if text.split(|byte| *byte == b'\n').any(is_object) => {
                Ok(lines(text, Box::new(io::empty())))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the last row was part of a larger value.
    pub(crate) fn was_part(&self) -> bool {
        match self {
            Self::Lines(rows) => rows.was_part(),
            Self::Values(rows) => rows.was_part,
        }
    }
}

impl Iterator for JsonRows {
    type Item = Result<InputRow>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Lines(rows) => rows.next(),
            Self::Values(rows) => rows.next().map(Ok),
        }
    }
}

/// What follows `text`, until both are longer than `limit`.
fn within<'a>(reader: &'a mut Text, text: &[u8], limit: usize) -> io::Take<&'a mut Text> {
    reader.take(limit.saturating_sub(text.len()) as u64 + 1)
}

/// Reads up to the end of the first line that is not blank, or to the end, or until the text is longer than `limit`.
fn read_first_line(reader: &mut Text, text: &mut Vec<u8>, limit: usize) -> io::Result<()> {
    loop {
        let begin = text.len();
        if begin > limit
            || within(reader, text, limit).read_until(b'\n', text)? == 0
            || !text[begin..].trim_ascii().is_empty()
        {
            return Ok(());
        }
    }
}

/// Whether a line is a whole object.
fn is_object(line: &[u8]) -> bool {
    let Ok(line) = std::str::from_utf8(line) else { return false };
    let line = line.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    line.starts_with('{') && serde_json::from_str::<IgnoredAny>(&without_nan(line)).is_ok()
}

/// The rows of values that are held in memory, one level of them after the other.
pub(crate) struct ValueRows {
    /// The file is one row.
    row: Option<Step>,
    /// In reverse order.
    pending: Vec<Pending>,
    source: Arc<str>,
    selection: Arc<ColumnSelection>,
    number: u64,
    was_part: bool,
}

impl ValueRows {
    fn new(text: &[u8], source: Arc<str>, selection: Arc<ColumnSelection>, options: &ReadOptions) -> Result<Self> {
        let text = std::str::from_utf8(text).map_err(|_| {
            let note = Doubt::new(options.encoding).note(text);
            Error::NotUtf8 { name: source.clone(), note }
        })?;
        let mut values: Vec<Box<RawValue>> = match parse(text) {
            Ok(values) => values,
            Err(error) => match without_nan(text) {
                std::borrow::Cow::Owned(text) => parse(&text),
                std::borrow::Cow::Borrowed(_) => Err(error),
            }
            .map_err(|error| Error::NotJson { name: source.clone(), source: error })?,
        };
        let first = match values.len() {
            1 => values.pop().map(Pending::document),
            _ => None,
        };
        let mut row = None;
        let mut pending: Vec<Pending> =
            first.into_iter().chain(values.into_iter().rev().map(Pending::element)).collect();
        // What the file is as a whole is known before any row of it is wanted.
        if pending.len() == 1
            && let Some(document) = pending.pop()
        {
            match step(document, &selection) {
                Step::Holds(values) => pending.extend(values.into_iter().rev()),
                Step::Unknown(found) => return Err(Error::NoRows { name: source, found }),
                only @ (Step::Row(_) | Step::Part(_)) => row = Some(only),
            }
        }
        Ok(Self { row, pending, source, selection, number: 0, was_part: false })
    }
}

fn parse(text: &str) -> Result<Vec<Box<RawValue>>, serde_json::Error> {
    serde_json::Deserializer::from_str(text).into_iter().collect()
}

impl Iterator for ValueRows {
    type Item = InputRow;

    fn next(&mut self) -> Option<InputRow> {
        loop {
            let step = match self.row.take() {
                Some(row) => row,
                None => step(self.pending.pop()?, &self.selection),
            };
            if let Step::Holds(values) = step {
                self.pending.extend(values.into_iter().rev());
                continue;
            }
            self.number += 1;
            let position = Position { source: self.source.clone(), number: self.number };
            self.was_part = matches!(step, Step::Part(_));
            return Some(match step {
                Step::Row(fields) | Step::Part(fields) => {
                    let fields = fields.into_iter().map(|(name, value)| (name, one_line(value))).collect();
                    self.selection.row(position, fields)
                }
                Step::Unknown(message) => self.selection.unreadable(position, Fields::new(), message),
                Step::Holds(_) => continue,
            });
        }
    }
}
