//! Delimited values (RFC 4180) under a header: comma-separated, or whatever the header or the options say. Every value
//! is text.

mod header;
mod parser;
mod records;

use std::io::{self, BufRead};
use std::sync::Arc;

use serde_json::value::to_raw_value;

use self::header::Header;
use self::parser::{Dialect, Fault};
use self::records::{Read, Records};
use super::column_selection::ColumnSelection;
use crate::io::encoding::Doubt;
use crate::io::error::{Error, Result};
use crate::io::options::ReadOptions;
use crate::io::row::{Fields, InputRow, Position};

/// Most bytes of a header: hundreds of thousands of columns.
const MAX_HEADER_BYTES: usize = 8 << 20;

/// Records of a CSV text. Blank lines are no rows, but count as lines.
pub(crate) struct CsvRows<R> {
    records: Records<R>,
    dialect: Dialect,
    header: Header,
    doubt: Doubt,
    source: Arc<str>,
    selection: Arc<ColumnSelection>,
}

impl<R: BufRead> CsvRows<R> {
    /// `delimiter` is the one that the file's extension promises.
    ///
    /// # Errors
    /// No header, one that is not UTF-8 or names a column twice, or one that lacks a column that is asked for.
    pub(crate) fn new(
        reader: R,
        source: Arc<str>,
        selection: Arc<ColumnSelection>,
        delimiter: u8,
        options: &ReadOptions,
    ) -> Result<Self> {
        let mut records = Records::new(reader, options.max_line_bytes.min(MAX_HEADER_BYTES));
        let (dialect, header) = header::read(&mut records, &source, &selection, delimiter, options)?;
        records.limit = options.max_line_bytes;
        Ok(Self { records, dialect, header, doubt: Doubt::new(options.encoding), source, selection })
    }

    /// Names of the columns that are carried along.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &str> {
        self.header.names().filter(|name| self.selection.keeps(name))
    }

    fn row(&mut self) -> InputRow {
        let mut fields = Fields::new();
        let (mut invalid, mut nameless) = (None, None);
        let mut found = 0;
        for (index, value) in self.records.fields().enumerate() {
            // Behind the header's last column, nothing is as good as no field.
            if !value.is_empty() || index < self.header.len() {
                found = index + 1;
            }
            match self.header.name(index) {
                Some(name) => match std::str::from_utf8(value).ok().and_then(|text| to_raw_value(text).ok()) {
                    Some(value) => {
                        fields.insert(name.to_owned(), value);
                    }
                    None => invalid = Some((name.to_owned(), value)),
                },
                None if !value.is_empty() => nameless = nameless.or(Some(index + 1)),
                None => {}
            }
        }
        let expected = self.header.len();
        let problem = if found > expected || found < self.header.named() {
            let delimiter = header::delimiter_name(self.dialect.delimiter);
            Some(format!(
                "the record has {found} {} and the header {expected}; is {delimiter} in a text not quoted?",
                crate::plural::plural(found as u64, "field"),
            ))
        } else if let Some((name, value)) = invalid {
            Some(format!("invalid UTF-8 in `{name}`{}", self.doubt.note(value)))
        } else {
            nameless.map(|column| {
                let delimiter = header::delimiter_name(self.dialect.delimiter);
                format!("field {column} has a value, and no name in the header; is {delimiter} in a text not quoted?")
            })
        };
        match problem {
            Some(problem) => self.selection.unreadable(self.here(), fields, problem),
            None => self.selection.row(self.here(), fields),
        }
    }

    /// A record whose quotes do not fit, with the fields before.
    fn faulty(&self, fault: Fault, line: u64) -> InputRow {
        let text = |value: &[u8]| std::str::from_utf8(value).ok().and_then(|text| to_raw_value(text).ok());
        let fields = self
            .records
            .fields()
            .enumerate()
            .filter_map(|(index, value)| Some((self.header.name(index)?.to_owned(), text(value)?)));
        let message = match fault {
            Fault::Open(_) => {
                format!("the quote opened in line {line} is not closed; what follows is read from line {} on", line + 1)
            }
            Fault::Behind(_) => format!(
                "a text goes on behind its closing quote, which was opened in line {line}; are quotes in it not doubled, \
                 or escaped in another way?"
            ),
        };
        self.selection.unreadable(self.here(), fields.collect(), message)
    }

    fn here(&self) -> Position {
        Position { source: self.source.clone(), number: self.records.start }
    }
}

impl<R: BufRead> Iterator for CsvRows<R> {
    type Item = Result<InputRow>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.records.next(&self.dialect, self.header.len()) {
            Ok(Some(Read::Whole)) => Some(Ok(self.row())),
            Ok(Some(Read::Fault { fault, line })) => Some(Ok(self.faulty(fault, line))),
            Ok(Some(Read::TooLong)) => {
                let message = format!("the record is longer than the limit of {} bytes", self.records.limit);
                Some(Ok(self.selection.unreadable(self.here(), Fields::new(), message)))
            }
            Ok(None) => None,
            Err(error) => Some(Err(broken_off(&self.source, self.records.line, error))),
        }
    }
}

fn broken_off(source: &Arc<str>, line: u64, error: io::Error) -> Error {
    Error::ReadOnLine { name: source.clone(), line, source: error }
}
