//! Comma-separated values (RFC 4180) under a header.

use std::io;
use std::sync::Arc;

use indexmap::IndexSet;
use serde_json::value::RawValue;

use super::answer_columns::AnswerColumns;
use super::encoder::{OutputRow, RowEncoder, new_field};
use super::sink::{Compressed, Sink};
use crate::io::error::{Error, Result};
use crate::io::json::Kind;
use crate::io::row::{Fields, Record};

/// Writes rows as CSV: strings as they are, null as nothing, all else as JSON text.
pub(crate) struct CsvEncoder {
    sink: csv::Writer<Compressed<Sink>>,
    columns: Arc<AnswerColumns>,
    state: State,
}

enum State {
    /// Rows that wait until enough are there to infer the columns.
    Inferring { first: Vec<(Fields, OutputRow)>, count: usize },
    /// The header is written.
    Writing { names: IndexSet<String> },
}

impl CsvEncoder {
    /// With the input columns' `names`, or with those that the first `count` rows have.
    pub(crate) fn new(
        sink: Compressed<Sink>,
        columns: Arc<AnswerColumns>,
        delimiter: u8,
        names: Result<Vec<String>, usize>,
    ) -> Result<Self> {
        let state = State::Inferring { first: Vec::new(), count: 0 };
        let mut encoder =
            Self { sink: csv::WriterBuilder::new().delimiter(delimiter).from_writer(sink), columns, state };
        match names {
            Ok(names) => encoder.write_header(names.into_iter().collect())?,
            Err(count) => encoder.state = State::Inferring { first: Vec::new(), count },
        }
        Ok(encoder)
    }

    fn write_header(&mut self, names: IndexSet<String>) -> Result<()> {
        self.sink.write_record(names.iter().map(String::as_str).chain(self.columns.names())).map_err(csv_error)?;
        self.state = State::Writing { names };
        Ok(())
    }

    /// Writes the header from the first rows, and those rows.
    fn end_inference(&mut self) -> Result<()> {
        let State::Inferring { first, .. } = &mut self.state else { return Ok(()) };
        let first = std::mem::take(first);
        let names: IndexSet<&String> = first.iter().flat_map(|(fields, _)| fields.keys()).collect();
        let names = names.into_iter().cloned().collect();
        self.write_header(names)?;
        for (fields, output) in first {
            self.write_row(fields, output)?;
        }
        Ok(())
    }

    fn write_row(&mut self, fields: Fields, mut output: OutputRow) -> Result<Vec<String>> {
        let State::Writing { names } = &self.state else { return Ok(Vec::new()) };
        let mut cells: Vec<String> = Vec::with_capacity(names.len() + 5);
        for name in names {
            cells.push(fields.get(name).map_or_else(String::new, |value| cell(value)));
        }
        let misfits: Vec<String> =
            fields.keys().filter(|name| !names.contains(*name)).map(|name| new_field(name)).collect();
        output.problems.extend_from_slice(&misfits);
        for (_, json) in self.columns.json(&output)? {
            cells.push(cell(&RawValue::from_string(json)?));
        }
        self.sink.write_record(&cells).map_err(csv_error)?;
        Ok(misfits)
    }
}

fn cell(value: &RawValue) -> String {
    match Kind::of(value) {
        Kind::Null => String::new(),
        // A string with a lone surrogate stays as its JSON text.
        Kind::String => serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned()),
        Kind::Boolean | Kind::Number | Kind::List | Kind::Object => value.get().to_owned(),
    }
}

/// Keeps an I/O error recognisable.
fn csv_error(error: csv::Error) -> Error {
    if !error.is_io_error() {
        return Error::Csv(error);
    }
    match error.into_kind() {
        csv::ErrorKind::Io(error) => Error::Write(error),
        other => Error::Write(io::Error::other(format!("{other:?}"))),
    }
}

impl RowEncoder for CsvEncoder {
    fn write(&mut self, record: Record, output: OutputRow) -> Result<Vec<String>> {
        let fields = record.into_fields()?;
        match &mut self.state {
            State::Writing { .. } => self.write_row(fields, output),
            State::Inferring { first, count } => {
                first.push((fields, output));
                if first.len() >= *count {
                    self.end_inference()?;
                }
                Ok(Vec::new())
            }
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.sink.flush().map_err(Error::Write)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.end_inference()?;
        self.sink.flush().map_err(Error::Write)?;
        let sink = self.sink.into_inner().map_err(|error| Error::Write(error.into_error()))?;
        sink.finish().map_err(Error::Write)
    }
}
