//! Comma-separated values (RFC 4180) under a header. Every value is text.

use std::io::{self, BufRead};
use std::sync::Arc;

use csv_core::ReadRecordResult;
use serde_json::value::to_raw_value;

use super::column_selection::ColumnSelection;
use crate::io::error::{Error, Result};
use crate::io::row::{Fields, InputRow, Position};

/// Records of a CSV text. Blank lines are no rows, but count as lines.
pub(crate) struct CsvRows<R> {
    records: Records<R>,
    header: Vec<String>,
    source: Arc<str>,
    selection: Arc<ColumnSelection>,
}

impl<R: BufRead> CsvRows<R> {
    /// # Errors
    /// No header, one that is not UTF-8 or names a column twice, or one that lacks a column that is asked for.
    pub(crate) fn new(
        reader: R,
        source: Arc<str>,
        selection: Arc<ColumnSelection>,
        max_record_bytes: usize,
    ) -> Result<Self> {
        let mut records = Records::new(reader, max_record_bytes);
        let mut header: Vec<String> = Vec::new();
        match records.next().map_err(|error| broken_off(&source, 0, error))? {
            Some(Read::Whole) => {
                for name in records.fields() {
                    let Ok(name) = std::str::from_utf8(name) else { return Err(Error::HeaderNotUtf8(source)) };
                    if header.iter().any(|other| other == name) {
                        return Err(Error::RepeatedColumn { name: source, column: name.to_owned() });
                    }
                    header.push(name.to_owned());
                }
            }
            Some(Read::TooLong) => return Err(Error::HeaderTooLong { name: source, limit: max_record_bytes }),
            None => return Err(Error::NoHeader(source)),
        }
        selection.check(&source, header.iter().map(String::as_str))?;
        Ok(Self { records, header, source, selection })
    }

    /// Names of the columns that are carried along.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &str> {
        self.header.iter().map(String::as_str).filter(|name| self.selection.keeps(name))
    }

    fn row(&self) -> InputRow {
        let position = self.here();
        let mut fields = Fields::new();
        let mut invalid = None;
        for (name, value) in self.header.iter().zip(self.records.fields()) {
            match std::str::from_utf8(value).ok().and_then(|text| to_raw_value(text).ok()) {
                Some(value) => {
                    fields.insert(name.clone(), value);
                }
                None => invalid = Some(name),
            }
        }
        let (found, expected) = (self.records.fields().count(), self.header.len());
        if found != expected {
            let message = format!("the record has {found} fields and the header {expected}; is a comma not quoted?");
            self.selection.unreadable(position, fields, message)
        } else if let Some(name) = invalid {
            self.selection.unreadable(position, fields, format!("invalid UTF-8 in `{name}`"))
        } else {
            self.selection.row(position, fields)
        }
    }

    fn here(&self) -> Position {
        Position { source: self.source.clone(), number: self.records.start }
    }
}

impl<R: BufRead> Iterator for CsvRows<R> {
    type Item = Result<InputRow>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.records.next() {
            Ok(Some(Read::Whole)) => Some(Ok(self.row())),
            Ok(Some(Read::TooLong)) => {
                let limit = self.records.limit;
                let message = format!("the record is longer than the limit of {limit} bytes; is a quote not closed?");
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

enum Read {
    /// In `fields()`.
    Whole,
    /// Skipped.
    TooLong,
}

/// Records up to a limit in size; of a larger one no more than that is held, as the `csv` crate's reader would.
struct Records<R> {
    reader: R,
    parser: csv_core::Reader,
    limit: usize,
    /// The line at which the parser stands, from 1.
    line: u64,
    /// The line at which the last record began.
    start: u64,
    bytes: Vec<u8>,
    /// Where each field ends in `bytes`.
    ends: Vec<usize>,
    count: usize,
}

impl<R: BufRead> Records<R> {
    fn new(reader: R, limit: usize) -> Self {
        let parser = csv_core::Reader::new();
        Self { reader, parser, limit, line: 1, start: 1, bytes: vec![0; 4096], ends: vec![0; 64], count: 0 }
    }

    fn fields(&self) -> impl Iterator<Item = &[u8]> {
        let ends = &self.ends[..self.count];
        let starts = std::iter::once(0).chain(ends.iter().copied());
        starts.zip(ends).map(|(start, &end)| &self.bytes[start..end])
    }

    fn next(&mut self) -> io::Result<Option<Read>> {
        self.skip_blank_lines()?;
        self.start = self.line;
        let (mut size, mut too_long) = (0, false);
        self.count = 0;
        loop {
            let input = fill_buf(&mut self.reader)?;
            let (result, taken, bytes, ends) =
                self.parser.read_record(input, &mut self.bytes[size..], &mut self.ends[self.count..]);
            self.line += memchr::memchr_iter(b'\n', &input[..taken]).count() as u64;
            self.reader.consume(taken);
            size += bytes;
            self.count += ends;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if self.bytes.len() < self.limit => {
                    let larger = (2 * self.bytes.len()).min(self.limit);
                    self.bytes.resize(larger, 0);
                }
                ReadRecordResult::OutputEndsFull if self.ends.len() < self.limit => {
                    let more = (2 * self.ends.len()).min(self.limit);
                    self.ends.resize(more, 0);
                }
                // What follows overwrites what is no longer wanted.
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    (size, self.count, too_long) = (0, 0, true);
                }
                ReadRecordResult::Record => return Ok(Some(if too_long { Read::TooLong } else { Read::Whole })),
                ReadRecordResult::End => return Ok(None),
            }
        }
    }

    /// The parser skips them too, but then does not say at which line the record begins.
    fn skip_blank_lines(&mut self) -> io::Result<()> {
        loop {
            match fill_buf(&mut self.reader)?.first() {
                Some(b'\n') => self.line += 1,
                Some(b'\r') => {}
                _ => return Ok(()),
            }
            self.reader.consume(1);
        }
    }
}

fn fill_buf(reader: &mut impl BufRead) -> io::Result<&[u8]> {
    while let Err(error) = reader.fill_buf() {
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    reader.fill_buf()
}
