//! Comma-separated values (RFC 4180) under a header. Every value is text, in and out.

use std::io::{self, BufRead};
use std::sync::Arc;

use anyhow::bail;
use csv_core::ReadRecordResult;
use serde_json::value::{RawValue, to_raw_value};

use super::columns::AnswerColumns;
use super::compression::Encoder;
use super::output::{Outcome, RowEncoder};
use super::row::{Fields, InputRow, Position, Record};
use super::selection::{Kind, Selection, kind};
use super::target::Sink;
use super::{frame_json, input::Failed};

/// Records of a CSV text. Blank lines are no rows, but count as lines.
pub(super) struct CsvRows<R> {
    records: Records<R>,
    header: Vec<String>,
    source: Arc<str>,
    selection: Arc<Selection>,
}

impl<R: BufRead> CsvRows<R> {
    /// # Errors
    /// No header, one that is not UTF-8 or names a column twice, or one that lacks a column that is asked for.
    pub(super) fn new(
        reader: R,
        source: Arc<str>,
        selection: Arc<Selection>,
        max_record_bytes: usize,
    ) -> anyhow::Result<Self> {
        let mut records = Records::new(reader, max_record_bytes);
        let mut header: Vec<String> = Vec::new();
        match records.next().failed(&source, 0)? {
            Some(Read::Whole) => {
                for name in records.fields() {
                    let Ok(name) = std::str::from_utf8(name) else { bail!("{source}: the header is not valid UTF-8") };
                    if header.iter().any(|other| other == name) {
                        bail!("{source}: the header names the column `{name}` twice; rename one");
                    }
                    header.push(name.to_owned());
                }
            }
            Some(Read::TooLong) => bail!("{source}: the header is longer than the limit of {max_record_bytes} bytes"),
            None => bail!("{source}: the file is empty; a CSV begins with a header"),
        }
        selection.check(&source, header.iter().map(String::as_str))?;
        Ok(Self { records, header, source, selection })
    }

    /// Names of the columns that are carried along.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
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
    type Item = anyhow::Result<InputRow>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.records.next() {
            Ok(Some(Read::Whole)) => Some(Ok(self.row())),
            Ok(Some(Read::TooLong)) => {
                let limit = self.records.limit;
                let message = format!("the record is longer than the limit of {limit} bytes; is a quote not closed?");
                Some(Ok(self.selection.unreadable(self.here(), Fields::new(), message)))
            }
            Ok(None) => None,
            Err(error) => Some(Err(error).failed(&self.source, self.records.line)),
        }
    }
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

    /// The parser skips them too, but then tells no line for where the record begins.
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

/// Writes rows as CSV: strings as they are, null as nothing, all else as JSON text.
pub(super) struct CsvEncoder {
    sink: csv::Writer<Encoder<Sink>>,
    columns: Arc<AnswerColumns>,
    state: State,
}

enum State {
    /// Rows that wait until enough are there to tell the columns.
    Inferring { first: Vec<(Fields, Outcome)>, count: usize },
    /// The header is written.
    Writing { names: Vec<String> },
}

impl CsvEncoder {
    /// With the input columns' `names`, or with those that the first `count` rows have.
    pub(super) fn new(
        sink: Encoder<Sink>,
        columns: Arc<AnswerColumns>,
        names: Result<Vec<String>, usize>,
    ) -> anyhow::Result<Self> {
        let state = State::Inferring { first: Vec::new(), count: 0 };
        let mut encoder = Self { sink: csv::Writer::from_writer(sink), columns, state };
        match names {
            Ok(names) => encoder.write_header(names)?,
            Err(count) => encoder.state = State::Inferring { first: Vec::new(), count },
        }
        Ok(encoder)
    }

    fn write_header(&mut self, names: Vec<String>) -> anyhow::Result<()> {
        self.sink.write_record(names.iter().map(String::as_str).chain(self.columns.names())).map_err(csv_error)?;
        self.state = State::Writing { names };
        Ok(())
    }

    /// Writes the header from the first rows, and those rows.
    fn end_inference(&mut self) -> anyhow::Result<()> {
        let State::Inferring { first, .. } = &mut self.state else { return Ok(()) };
        let first = std::mem::take(first);
        let names: indexmap::IndexSet<&String> = first.iter().flat_map(|(fields, _)| fields.keys()).collect();
        let names = names.into_iter().cloned().collect();
        self.write_header(names)?;
        for (fields, outcome) in first {
            self.write_row(fields, outcome)?;
        }
        Ok(())
    }

    fn write_row(&mut self, mut fields: Fields, mut outcome: Outcome) -> anyhow::Result<Vec<String>> {
        let State::Writing { names } = &self.state else { return Ok(Vec::new()) };
        let mut cells: Vec<String> = Vec::with_capacity(names.len() + 5);
        for name in names {
            cells.push(fields.shift_remove(name).map_or_else(String::new, |value| cell(&value)));
        }
        let misfits: Vec<String> = fields.keys().map(|name| new_field(name)).collect();
        outcome.problems.extend_from_slice(&misfits);
        for (_, json) in self.columns.json(&outcome)? {
            cells.push(cell(&RawValue::from_string(json)?));
        }
        self.sink.write_record(&cells).map_err(csv_error)?;
        Ok(misfits)
    }
}

/// What is wrong with a field that the columns, told by the first rows, do not have.
pub(super) fn new_field(name: &str) -> String {
    format!("field `{name}` is in none of the first rows and has no column; raise --infer-schema-length")
}

fn cell(value: &RawValue) -> String {
    match kind(value) {
        Kind::Null => String::new(),
        // A string with a lone surrogate stays as its JSON text.
        Kind::String => serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned()),
        _ => value.get().to_owned(),
    }
}

/// Keeps an I/O error recognisable.
fn csv_error(error: csv::Error) -> anyhow::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error.into(),
        other => anyhow::anyhow!("cannot write CSV: {other:?}"),
    }
}

impl RowEncoder for CsvEncoder {
    fn write(&mut self, record: Record, outcome: Outcome) -> anyhow::Result<Vec<String>> {
        let fields = frame_json::fields(record)?;
        match &mut self.state {
            State::Writing { .. } => self.write_row(fields, outcome),
            State::Inferring { first, count } => {
                first.push((fields, outcome));
                if first.len() >= *count {
                    self.end_inference()?;
                }
                Ok(Vec::new())
            }
        }
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        Ok(self.sink.flush()?)
    }

    fn finish(mut self: Box<Self>) -> anyhow::Result<()> {
        self.end_inference()?;
        self.sink.flush()?;
        let sink = self.sink.into_inner().map_err(|error| error.into_error())?;
        Ok(sink.finish()?)
    }
}
