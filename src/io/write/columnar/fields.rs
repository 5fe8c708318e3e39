//! Text rows to a columnar file, whose column types are inferred.

use std::sync::Arc;

use indexmap::IndexMap;
use polars::prelude::{AnyValue, DataFrame, Field};

use super::buffer::{AnswerBuffer, column};
use super::file::ColumnarFile;
use crate::io::columnar::metadata::Metadata;
use crate::io::columnar::schema::FieldType;
use crate::io::error::Result;
use crate::io::format::ColumnarFormat;
use crate::io::row::{Fields, Record};
use crate::io::write::answer_columns::AnswerColumns;
use crate::io::write::encoder::{OutputRow, RowEncoder, new_field};
use crate::io::write::sink::Sink;

/// Writes text rows to a columnar file, with the column types that the first rows need.
pub(crate) struct FieldsEncoder {
    format: ColumnarFormat,
    answers: AnswerBuffer,
    state: State,
}

enum State {
    Inferring {
        sink: Sink,
        known: Vec<String>,
        first: Vec<(Fields, OutputRow)>,
        count: usize,
    },
    Writing {
        file: ColumnarFile,
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
    pub(crate) fn new(
        sink: Sink,
        format: ColumnarFormat,
        columns: Arc<AnswerColumns>,
        known: Vec<String>,
        count: usize,
    ) -> Self {
        let state = State::Inferring { sink, known, first: Vec::new(), count };
        Self { format, answers: AnswerBuffer::new(columns), state }
    }

    fn end_inference(&mut self) -> Result<()> {
        let (sink, known, first) = match std::mem::replace(&mut self.state, State::Ended) {
            State::Inferring { sink, known, first, .. } => (sink, known, first),
            other => {
                self.state = other;
                return Ok(());
            }
        };
        let mut types: IndexMap<&str, FieldType> = known.iter().map(|name| (name.as_str(), FieldType::Null)).collect();
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
        self.state =
            State::Writing { file: ColumnarFile::new(sink, self.format, &schema, &Metadata::default())?, columns };
        for (fields, output) in first {
            self.write_row(fields, output)?;
        }
        Ok(())
    }

    fn write_row(&mut self, mut fields: Fields, mut output: OutputRow) -> Result<Vec<String>> {
        let State::Writing { columns, .. } = &mut self.state else { return Ok(Vec::new()) };
        let bytes = fields.values().map(|value| value.get().len()).sum();
        let mut misfits = Vec::new();
        for InputColumn { field, field_type, values } in columns {
            let name = field.name().as_str();
            let value = fields.swap_remove(name).map_or(Ok(AnyValue::Null), |value| field_type.value(&value));
            values.push(value.unwrap_or_else(|found| {
                misfits.push(format!(
                    "field `{name}` is {found} that its column, {} by the first rows, cannot hold",
                    field.dtype()
                ));
                AnyValue::Null
            }));
        }
        misfits.extend(fields.keys().map(|name| new_field(name)));
        output.problems.extend_from_slice(&misfits);
        self.answers.push(&output, bytes)?;
        if self.answers.is_full() {
            self.write_batch()?;
        }
        Ok(misfits)
    }

    fn write_batch(&mut self) -> Result<()> {
        let State::Writing { file, columns } = &mut self.state else { return Ok(()) };
        let height = self.answers.rows;
        if height == 0 {
            return Ok(());
        }
        let mut frame = columns
            .iter_mut()
            .map(|InputColumn { field, values, .. }| column(field, values))
            .collect::<Result<Vec<_>>>()?;
        frame.extend(self.answers.take()?);
        file.write(DataFrame::new(height, frame)?)
    }
}

impl RowEncoder for FieldsEncoder {
    fn write(&mut self, record: Record, output: OutputRow) -> Result<Vec<String>> {
        let fields = record.into_fields()?;
        match &mut self.state {
            State::Inferring { first, count, .. } => {
                first.push((fields, output));
                if first.len() >= *count {
                    self.end_inference()?;
                }
                Ok(Vec::new())
            }
            State::Writing { .. } | State::Ended => self.write_row(fields, output),
        }
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.end_inference()?;
        self.write_batch()?;
        match self.state {
            State::Writing { file, .. } => file.finish(),
            State::Inferring { .. } | State::Ended => Ok(()),
        }
    }
}
