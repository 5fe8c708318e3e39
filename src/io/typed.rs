//! Typed rows out: Parquet and Arrow IPC, a bounded batch at a time.

use std::sync::Arc;

use polars::prelude::{AnyValue, Column, DataFrame, Field, Schema, Series};

use super::columns::AnswerColumns;
use super::csv::new_field;
use super::format::OutputFormat;
use super::output::{Outcome, RowEncoder};
use super::row::{Fields, Record};
use super::schema::FieldType;
use super::target::{Sink, polars_error};
use super::typed_file::TypedFile;

/// A row group or record batch is written when it has this many rows or bytes.
const BATCH_ROWS: usize = 1 << 16;
const BATCH_BYTES: usize = 32 << 20;

/// Answers that wait for their batch to be full.
struct AnswerBuffer {
    columns: Arc<AnswerColumns>,
    fields: Vec<Field>,
    values: Vec<Vec<AnyValue<'static>>>,
    rows: usize,
    /// About what the rows hold, input columns too.
    bytes: usize,
}

impl AnswerBuffer {
    fn new(columns: Arc<AnswerColumns>) -> Self {
        let fields = columns.fields();
        let values = vec![Vec::new(); fields.len()];
        Self { columns, fields, values, rows: 0, bytes: 0 }
    }

    fn push(&mut self, outcome: &Outcome, input_bytes: usize) -> anyhow::Result<()> {
        for (column, value) in self.values.iter_mut().zip(self.columns.values(outcome)?) {
            column.push(value);
        }
        self.rows += 1;
        let answers: usize = outcome.answers.iter().map(|answer| answer.text.len() + 32).sum();
        self.bytes += input_bytes + answers;
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    /// The answer columns of the rows so far, which then start over.
    fn take(&mut self) -> anyhow::Result<Vec<Column>> {
        (self.rows, self.bytes) = (0, 0);
        self.fields.iter().zip(&mut self.values).map(|(field, values)| column(field, values)).collect()
    }
}

/// A column of the values, which are taken.
fn column(field: &Field, values: &mut Vec<AnyValue<'static>>) -> anyhow::Result<Column> {
    let series = Series::from_any_values_and_dtype(field.name().clone(), values, field.dtype(), true);
    values.clear();
    Ok(series.map_err(polars_error)?.into())
}

/// Writes typed rows to a typed file: slices of the input's chunks, types as they came.
pub(super) struct FrameEncoder {
    file: TypedFile,
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

impl FrameEncoder {
    pub(super) fn new(
        sink: Sink,
        format: OutputFormat,
        columns: Arc<AnswerColumns>,
        schema: &Schema,
    ) -> anyhow::Result<Self> {
        let answers = AnswerBuffer::new(columns);
        let mut whole = schema.clone();
        whole.extend(answers.fields.iter().map(|field| (field.name().clone(), field.dtype().clone())));
        let file = TypedFile::new(sink, format, &whole)?;
        Ok(Self { file, answers, schema: schema.clone(), slices: Vec::new(), run: None })
    }

    fn end_run(&mut self) {
        if let Some(run) = self.run.take() {
            self.slices.push(run.chunk.slice(run.start as i64, run.length));
        }
    }

    fn write_batch(&mut self) -> anyhow::Result<()> {
        self.end_run();
        let height = self.answers.rows;
        let answers = self.answers.take()?;
        let mut slices = self.slices.drain(..);
        let Some(mut frame) = slices.next() else { return Ok(()) };
        for slice in slices {
            frame.vstack_mut_owned(slice).map_err(polars_error)?;
        }
        // Without input columns, a frame does not know its height.
        let frame = if frame.width() == 0 { DataFrame::new(height, answers) } else { frame.hstack(&answers) };
        self.file.write(frame.map_err(polars_error)?)
    }
}

impl RowEncoder for FrameEncoder {
    fn write(&mut self, record: Record, outcome: Outcome) -> anyhow::Result<Vec<String>> {
        let (chunk, index) = match record {
            Record::Frame { frame, index } => (frame, index),
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
        self.answers.push(&outcome, self.run.as_ref().map_or(0, |run| run.row_bytes))?;
        if self.answers.is_full() {
            self.write_batch()?;
        }
        Ok(Vec::new())
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> anyhow::Result<()> {
        self.write_batch()?;
        self.file.finish()
    }
}

/// Writes text rows to a typed file, with the column types that the first rows need.
pub(super) struct FieldsEncoder {
    format: OutputFormat,
    answers: AnswerBuffer,
    state: State,
}

enum State {
    Inferring {
        sink: Sink,
        known: Vec<String>,
        first: Vec<(Fields, Outcome)>,
        count: usize,
    },
    Writing {
        file: TypedFile,
        columns: Vec<InputColumn>,
    },
    /// Between the two, or after an error.
    Ended,
}

struct InputColumn {
    field: Field,
    field_type: FieldType,
    values: Vec<AnyValue<'static>>,
}

impl FieldsEncoder {
    /// Types come from the first `count` rows; `known` columns are there also if no row has them.
    pub(super) fn new(
        sink: Sink,
        format: OutputFormat,
        columns: Arc<AnswerColumns>,
        known: Vec<String>,
        count: usize,
    ) -> Self {
        let state = State::Inferring { sink, known, first: Vec::new(), count };
        Self { format, answers: AnswerBuffer::new(columns), state }
    }

    fn end_inference(&mut self) -> anyhow::Result<()> {
        let (sink, known, first) = match std::mem::replace(&mut self.state, State::Ended) {
            State::Inferring { sink, known, first, .. } => (sink, known, first),
            other => {
                self.state = other;
                return Ok(());
            }
        };
        let mut types: indexmap::IndexMap<&str, FieldType> =
            known.iter().map(|name| (name.as_str(), FieldType::Null)).collect();
        for (name, value) in first.iter().flat_map(|(fields, _)| fields) {
            let seen = types.entry(name).or_insert(FieldType::Null);
            *seen = std::mem::replace(seen, FieldType::Null).join(FieldType::of(value));
        }
        let columns: Vec<InputColumn> = types
            .into_iter()
            .map(|(name, field_type)| {
                let field_type = field_type.settle();
                InputColumn { field: Field::new(name.into(), field_type.dtype()), field_type, values: Vec::new() }
            })
            .collect();
        let fields = columns.iter().map(|column| &column.field).chain(&self.answers.fields);
        let schema = fields.map(|field| (field.name().clone(), field.dtype().clone())).collect();
        self.state = State::Writing { file: TypedFile::new(sink, self.format, &schema)?, columns };
        for (fields, outcome) in first {
            self.write_row(fields, outcome)?;
        }
        Ok(())
    }

    fn write_row(&mut self, mut fields: Fields, mut outcome: Outcome) -> anyhow::Result<Vec<String>> {
        let State::Writing { columns, .. } = &mut self.state else { return Ok(Vec::new()) };
        let bytes = fields.values().map(|value| value.get().len()).sum();
        let mut misfits = Vec::new();
        for InputColumn { field, field_type, values } in columns {
            let name = field.name().as_str();
            let value = fields.swap_remove(name).map_or(Ok(AnyValue::Null), |value| field_type.value(&value));
            values.push(value.unwrap_or_else(|found| {
                misfits.push(format!(
                    "field `{name}` is {found} that its column, {} by the first rows, cannot hold; \
                     raise --infer-schema-length",
                    field.dtype()
                ));
                AnyValue::Null
            }));
        }
        misfits.extend(fields.keys().map(|name| new_field(name)));
        outcome.problems.extend_from_slice(&misfits);
        self.answers.push(&outcome, bytes)?;
        if self.answers.is_full() {
            self.write_batch()?;
        }
        Ok(misfits)
    }

    fn write_batch(&mut self) -> anyhow::Result<()> {
        let State::Writing { file, columns } = &mut self.state else { return Ok(()) };
        let height = self.answers.rows;
        if height == 0 {
            return Ok(());
        }
        let mut frame = columns
            .iter_mut()
            .map(|InputColumn { field, values, .. }| column(field, values))
            .collect::<anyhow::Result<Vec<_>>>()?;
        frame.extend(self.answers.take()?);
        file.write(DataFrame::new(height, frame).map_err(polars_error)?)
    }
}

impl RowEncoder for FieldsEncoder {
    fn write(&mut self, record: Record, outcome: Outcome) -> anyhow::Result<Vec<String>> {
        let fields = super::frame_json::fields(record)?;
        match &mut self.state {
            State::Inferring { first, count, .. } => {
                first.push((fields, outcome));
                if first.len() >= *count {
                    self.end_inference()?;
                }
                Ok(Vec::new())
            }
            State::Writing { .. } | State::Ended => self.write_row(fields, outcome),
        }
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> anyhow::Result<()> {
        self.end_inference()?;
        self.write_batch()?;
        match self.state {
            State::Writing { file, .. } => file.finish(),
            State::Inferring { .. } | State::Ended => Ok(()),
        }
    }
}
