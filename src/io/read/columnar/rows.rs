//! Rows of a columnar file.

use std::sync::Arc;

use polars::prelude::{
    Column, DataFrame, DataType, IdxCa, PlSmallStr, PolarsError, PolarsResult, Scalar, Schema, SchemaRef,
};

use super::file::{Chunks, ColumnarFile};
use super::texts::Texts;
use crate::io::error::{ColumnRole, Error, Result};
use crate::io::options::ReadOptions;
use crate::io::read::column_selection::{ColumnSelection, Text};
use crate::io::row::{InputRow, Position, Record};
use crate::io::source::partitions::{Partition, PartitionValue};

/// Rows of a columnar file.
pub(crate) struct ColumnarRows {
    chunks: Chunks,
    chunk: Option<Chunk>,
    /// Of the row last given, from 1.
    number: u64,
    source: Arc<str>,
    selection: Arc<ColumnSelection>,
    carried: SchemaRef,
    partitions: Vec<Partition>,
    max_text_bytes: usize,
}

struct Chunk {
    frame: Arc<DataFrame>,
    /// Questions and contexts, where rows need them.
    texts: Option<(Texts, Texts)>,
    /// Where lists of questions were taken apart: of which row each is, from 0, or none of an empty list.
    parts: Option<Vec<Part>>,
    /// Rows of the file before it.
    first: u64,
    rows: usize,
    next: usize,
}

/// A question of a list.
struct Part {
    row: usize,
    is_none: bool,
}

impl ColumnarRows {
    /// `carried` are the columns to carry along, of all files; this one must have them, and the question and context.
    pub(crate) fn new(
        file: ColumnarFile,
        selection: Arc<ColumnSelection>,
        carried: SchemaRef,
        partitions: &[Partition],
        options: &ReadOptions,
    ) -> Result<Self> {
        let (source, number) = (file.name().clone(), file.first());
        let has = |name: &str| file.names().any(|other| other == name);
        let partitions: Vec<_> = partitions.iter().filter(|partition| !has(&partition.name)).cloned().collect();
        let is_partition = |name: &str| partitions.iter().any(|partition| partition.name == name);
        let names = carried.iter_names().map(|name| name.to_string());
        let mut names: Vec<String> = names.filter(|name| !is_partition(name)).collect();
        let texts: Vec<String> = file.names().filter(|name| selection.reads(name)).map(str::to_owned).collect();
        names.extend(texts.into_iter().filter(|name| !carried.contains(name)));
        let chunks = file.chunks(names, options.chunk_rows.max(1))?;
        let max_text_bytes = options.max_line_bytes;
        Ok(Self { chunks, chunk: None, number, source, selection, carried, partitions, max_text_bytes })
    }

    fn load(&self, mut frame: DataFrame) -> PolarsResult<Chunk> {
        let ColumnSelection { needs_question, question, context, .. } = &*self.selection;
        let mut parts = None;
        if *needs_question
            && let Ok(questions) = find(&frame, question)
            && is_list(questions.dtype())
        {
            let (apart, questions) = questions_apart(&questions)?;
            let places = apart.iter().map(|part| part.row as u32).collect();
            frame = frame.take(&IdxCa::from_vec(PlSmallStr::EMPTY, places))?;
            frame.with_column(questions.with_name(question.as_str().into()))?;
            parts = Some(apart);
        }
        let texts = |path: &str| Texts::new(find(&frame, path)?.as_materialized_series());
        let texts = if *needs_question { Some((texts(question)?, texts(context)?)) } else { None };
        let rows = frame.height();
        // Strictly: a value that the common type cannot hold is an error, and not null.
        let column = |name: &str| match self.partitions.iter().find(|partition| partition.name == name) {
            Some(partition) => Ok(partition_column(partition, rows)),
            None => frame.column(name).cloned(),
        };
        let carried = self.carried.iter().map(|(name, dtype)| column(name)?.strict_cast(dtype));
        let frame = Arc::new(DataFrame::new(rows, carried.collect::<PolarsResult<Vec<_>>>()?)?);
        Ok(Chunk { frame, texts, parts, first: self.number, rows, next: 0 })
    }
}

fn partition_column(partition: &Partition, rows: usize) -> Column {
    let name = partition.name.as_str().into();
    match &partition.value {
        PartitionValue::Null => Column::full_null(name, rows, &DataType::Null),
        PartitionValue::Integer(value) => Column::new_scalar(name, Scalar::from(*value), rows),
        PartitionValue::Text(value) => Column::new_scalar(name, Scalar::from(PlSmallStr::from_str(value)), rows),
    }
}

/// The column called `path`, or the part of a struct that its parts, separated by dots, lead to.
fn find(frame: &DataFrame, path: &str) -> PolarsResult<Column> {
    if let Ok(column) = frame.column(path) {
        return Ok(column.clone());
    }
    let found = path.match_indices('.').find_map(|(at, _)| {
        let parts = frame.column(&path[..at]).ok()?.struct_().ok()?.clone().unnest();
        find(&parts, &path[at + 1..]).ok()
    });
    found.ok_or_else(|| PolarsError::ColumnNotFound(path.to_owned().into()))
}

/// The type of what [`find`] finds.
fn find_type(schema: &Schema, path: &str) -> Option<DataType> {
    if let Some(dtype) = schema.get(path) {
        return Some(dtype.clone());
    }
    path.match_indices('.').find_map(|(at, _)| {
        let DataType::Struct(fields) = schema.get(&path[..at])? else { return None };
        find_type(&fields.iter().cloned().collect(), &path[at + 1..])
    })
}

impl Iterator for ColumnarRows {
    type Item = Result<InputRow>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(chunk) = &mut self.chunk
                && chunk.next < chunk.rows
            {
                let index = chunk.next;
                chunk.next += 1;
                let part = chunk.parts.as_ref().and_then(|parts| parts.get(index));
                self.number = chunk.first + 1 + part.map_or(index, |part| part.row) as u64;
                let position = Position { source: self.source.clone(), number: self.number };
                let record = Record::Columnar { frame: chunk.frame.clone(), index };
                let text = |texts: &Texts| texts.get(index, self.max_text_bytes);
                let (question, context) = match &chunk.texts {
                    Some((_, contexts)) if part.is_some_and(|part| part.is_none) => {
                        (Text::Other("an empty list"), text(contexts))
                    }
                    Some((questions, contexts)) => (text(questions), text(contexts)),
                    None => (Text::Missing, Text::Missing),
                };
                let example = self.selection.example(question, context);
                return Some(Ok(InputRow { position, record, example }));
            }
            let chunk = self.chunks.next()?.and_then(|frame| self.load(frame));
            match chunk {
                Ok(chunk) => self.chunk = Some(chunk),
                Err(source) => {
                    return Some(Err(Error::ReadOnRow { name: self.source.clone(), row: self.number, source }));
                }
            }
        }
    }
}

fn is_list(dtype: &DataType) -> bool {
    matches!(dtype, DataType::List(_) | DataType::Array(..))
}

fn is_text(dtype: &DataType) -> bool {
    matches!(dtype, DataType::String | DataType::Categorical(..) | DataType::Enum(..))
}

/// The questions of lists one after the other, and of which row each is; a row without a question has one that is null.
fn questions_apart(lists: &Column) -> PolarsResult<(Vec<Part>, Column)> {
    let lists = lists.cast(&DataType::List(Box::new(DataType::String)))?;
    let (mut parts, mut questions) = (Vec::new(), Vec::new());
    for (row, list) in lists.list()?.series_iter().enumerate() {
        let texts = list.as_ref().map(|list| list.str()).transpose()?;
        let begin = questions.len();
        questions.extend(texts.iter().flat_map(|texts| texts.iter()).map(|text| text.map(str::to_owned)));
        let is_none = questions.len() == begin;
        if is_none {
            questions.push(None);
        }
        let is_empty = is_none && texts.is_some();
        parts.extend((begin..questions.len()).map(|_| Part { row, is_none: is_empty }));
    }
    Ok((parts, Column::new(PlSmallStr::EMPTY, questions)))
}

/// Whether the question is a list of texts.
pub(crate) fn question_list(schema: &Schema, selection: &ColumnSelection) -> bool {
    find_type(schema, &selection.question).is_some_and(|dtype| is_list(&dtype))
}

/// Checks that the question and the context are text.
pub(crate) fn check_text(name: &Arc<str>, schema: &Schema, selection: &ColumnSelection) -> Result<()> {
    if !selection.needs_question {
        return Ok(());
    }
    for (column, role) in [(&selection.question, ColumnRole::Question), (&selection.context, ColumnRole::Context)] {
        match find_type(schema, column) {
            Some(dtype) if is_text(&dtype) => {}
            // A row for each.
            Some(DataType::List(inner) | DataType::Array(inner, _))
                if role == ColumnRole::Question && is_text(&inner) => {}
            None => {
                let available = schema.iter_names().map(ToString::to_string).collect();
                return Err(Error::MissingColumn { name: name.clone(), column: column.clone(), role, available });
            }
            Some(other) => {
                let (name, column, dtype) = (name.clone(), column.clone(), other.to_string());
                return Err(Error::NotText { name, column, role, dtype });
            }
        }
    }
    Ok(())
}
