//! Record batches that a program hands over through the Arrow C stream interface.

use std::collections::HashSet;
use std::sync::Arc;

use polars::prelude::{PlSmallStr, PolarsResult, Series};
use polars_arrow::array::{Array, StructArray};
use polars_arrow::datatypes::{ArrowDataType, Field};
use polars_arrow::ffi::{ArrowArrayStream, ArrowArrayStreamReader};

use super::texts::Texts;
use crate::io::error::{ColumnRole, Error, Result};
use crate::io::options::ReadOptions;
use crate::io::read::column_selection::ColumnSelection;
use crate::qa::{Example, RowError};

/// The rows of a stream of record batches, a slice of a batch at a time. Columns that are carried along are not looked
/// at, so they may have any type.
pub(crate) struct Batches {
    stream: ArrowArrayStreamReader<Box<ArrowArrayStream>>,
    name: Arc<str>,
    selection: Arc<ColumnSelection>,
    columns: Columns,
    chunk_rows: usize,
    /// What is left of the batch that was read last.
    batch: Option<StructArray>,
    /// Rows read so far.
    rows: u64,
    failed: bool,
}

/// Where in a batch the columns are.
struct Columns {
    question: usize,
    context: usize,
    kept: Vec<usize>,
}

/// Some rows that follow one another.
pub(crate) struct Slice {
    /// The columns to carry along.
    pub(crate) columns: Vec<Box<dyn Array>>,
    pub(crate) examples: Vec<Result<Example, RowError>>,
    /// Of its first row, from 1.
    pub(crate) number: u64,
}

impl Batches {
    /// # Errors
    /// A stream of something else than record batches, or one without a column that is asked for.
    ///
    /// # Safety
    /// `stream` keeps to the Arrow C stream interface.
    pub(crate) unsafe fn open(stream: Box<ArrowArrayStream>, name: Arc<str>, options: &ReadOptions) -> Result<Self> {
        // SAFETY: as the caller warrants.
        let stream = unsafe { ArrowArrayStreamReader::try_new(stream) }
            .map_err(|source| Error::ArrowStream { name: name.clone(), source })?;
        let ArrowDataType::Struct(fields) = stream.field().dtype() else {
            return Err(Error::NoRecordBatches(name));
        };
        let selection = ColumnSelection::new(options, true, HashSet::new());
        selection.check(&name, fields.iter().map(|field| field.name.as_str()))?;
        let column = |wanted: &str, role| {
            let place = fields.iter().position(|field| field.name == wanted).unwrap_or_default();
            let dtype = &fields[place].dtype;
            if is_text(dtype) {
                return Ok(place);
            }
            Err(Error::NotText { name: name.clone(), column: wanted.to_owned(), role, dtype: format!("{dtype:?}") })
        };
        let columns = Columns {
            question: column(&selection.question, ColumnRole::Question)?,
            context: column(&selection.context, ColumnRole::Context)?,
            kept: (0..fields.len()).filter(|&place| selection.keeps(&fields[place].name)).collect(),
        };
        let chunk_rows = options.chunk_rows.max(1);
        Ok(Self { stream, name, selection, columns, chunk_rows, batch: None, rows: 0, failed: false })
    }

    /// The columns that are carried along.
    pub(crate) fn fields(&self) -> Vec<Field> {
        let ArrowDataType::Struct(fields) = self.stream.field().dtype() else { return Vec::new() };
        self.columns.kept.iter().map(|&place| fields[place].clone()).collect()
    }

    fn read(&mut self) -> PolarsResult<Option<Slice>> {
        let mut batch = loop {
            match self.batch.take() {
                Some(batch) if !batch.is_empty() => break batch,
                _ => {
                    // SAFETY: as the caller of `open` warrants.
                    let Some(batch) = (unsafe { self.stream.next() }) else { return Ok(None) };
                    self.batch = batch?.as_any().downcast_ref::<StructArray>().cloned();
                }
            }
        };
        let rows = batch.len().min(self.chunk_rows);
        let mut slice = batch.clone();
        slice.slice(0, rows);
        batch.slice(rows, batch.len() - rows);
        self.batch = Some(batch);

        let texts = |place: usize| texts(slice.values()[place].clone());
        let (questions, contexts) = (texts(self.columns.question)?, texts(self.columns.context)?);
        let text = |texts: &Texts, row: usize| texts.get(row, usize::MAX);
        let example = |row| self.selection.example(text(&questions, row), text(&contexts, row));
        let examples = (0..rows).map(example).collect();
        let columns = self.columns.kept.iter().map(|&place| slice.values()[place].clone()).collect();
        let number = self.rows + 1;
        self.rows += rows as u64;
        Ok(Some(Slice { columns, examples, number }))
    }
}

impl Iterator for Batches {
    type Item = Result<Slice>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let slice = self.read();
        self.failed = slice.is_err();
        slice.map_err(|source| Error::ReadOnRow { name: self.name.clone(), row: self.rows, source }).transpose()
    }
}

fn is_text(dtype: &ArrowDataType) -> bool {
    match dtype {
        ArrowDataType::Utf8 | ArrowDataType::LargeUtf8 | ArrowDataType::Utf8View => true,
        ArrowDataType::Dictionary(_, values, _) => is_text(values),
        _ => false,
    }
}

fn texts(column: Box<dyn Array>) -> PolarsResult<Texts> {
    Texts::new(&Series::try_from((PlSmallStr::EMPTY, column))?)
}
