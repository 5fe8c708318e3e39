use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use indexmap::IndexSet;
use polars::prelude::{DataType, Schema};
use serde_json::value::{RawValue, to_raw_value};

use super::column_selection::ColumnSelection;
use super::columnar::{ColumnarFile, ColumnarRows, check_text, question_list};
use super::sheet::SheetRows;
use super::text;
use crate::io::columnar::metadata::Metadata;
use crate::io::error::{Error, Result};
use crate::io::format::{ColumnarFormat, Layout, SheetFormat, TextFormat};
use crate::io::options::ReadOptions;
use crate::io::row::{InputColumns, InputRow, Record, Rows};
use crate::io::source::partitions::{Partition, PartitionValue};
use crate::io::source::{self, Blob, Extent, Place, Source};

/// Inputs that are there and fit together.
pub struct Input {
    sources: Vec<(Source, Opened)>,
    options: ReadOptions,
    selection: Arc<ColumnSelection>,
    columns: InputColumns,
    metadata: Metadata,
    total_rows: Option<u64>,
    total_bytes: Option<u64>,
    bytes_read: Arc<AtomicU64>,
}

/// What opening a source has left to be read.
enum Opened {
    /// A text: it is reopened when its turn comes, so many inputs need few file handles.
    Text(TextFormat),
    /// A columnar file, which is reopened too, or a copy of what came through a pipe.
    Columnar(ColumnarFormat, Option<File>),
    /// A spreadsheet, likewise.
    Sheet(SheetFormat, Option<File>),
}

/// Resolves INPUT arguments: files, globs, folders, `-` for standard input.
///
/// # Errors
/// Whatever can be detected before any row is read: a missing file, an unknown extension, a glob or folder without
/// files, a header or schema without a column that is asked for, columnar inputs of different schemas, text and
/// columnar inputs together.
pub fn open(inputs: &[impl AsRef<Path>], options: &ReadOptions) -> Result<Input> {
    open_with(inputs, options, true)
}

/// With `needs_question`, every row has to have a question and a context.
pub(crate) fn open_with(inputs: &[impl AsRef<Path>], options: &ReadOptions, needs_question: bool) -> Result<Input> {
    let mut sources = source::resolve(inputs, options)?;
    if let Some(column) = &options.source_file {
        for source in &mut sources {
            let name = source.name.clone();
            if source.partitions.iter().any(|partition| partition.name == *column) {
                return Err(Error::SourceFileClash { name, column: column.clone() });
            }
            source.partitions.push(Partition { name: column.clone(), value: PartitionValue::Text(name.to_string()) });
        }
    }
    let partitions = sources.iter().flat_map(|source| &source.partitions);
    let partitions = partitions.map(|partition| partition.name.clone()).collect();
    let selection = ColumnSelection::new(options, needs_question, partitions);
    let (mut texts, mut columnar) = (Vec::new(), Vec::new());
    for source in sources {
        source.refuse_pointer()?;
        match source.format.layout() {
            Layout::Text(format) => texts.push((source, Opened::Text(format))),
            Layout::Sheet(format) => texts.push((source, Opened::Sheet(format, None))),
            Layout::Columnar(format) => columnar.push((source, format)),
        }
    }
    match (texts.is_empty(), columnar.is_empty()) {
        (_, true) => open_fields(texts, options, selection),
        (true, false) => open_columnar(columnar, options, selection),
        (false, false) => Err(Error::MixedLayouts),
    }
}

/// Opens inputs whose rows are fields without types.
fn open_fields(
    mut sources: Vec<(Source, Opened)>,
    options: &ReadOptions,
    selection: Arc<ColumnSelection>,
) -> Result<Input> {
    let mut names = IndexSet::new();
    let (mut complete, mut parts) = (true, false);
    let mut total_bytes = Some(0);
    for (source, opened) in &mut sources {
        let size = source.extent_size()?;
        let counted = size.filter(|_| matches!(opened, Opened::Text(_)));
        total_bytes = total_bytes.zip(counted).map(|(total, size)| total + size);
        match opened {
            Opened::Text(format) => {
                complete &= matches!(format, TextFormat::Delimited(_)) && size.is_some();
                // What comes through a pipe can be looked at only once.
                if size.is_some() {
                    let text = source.text(Arc::default(), options)?;
                    let beginning = text::beginning(text, source.name.clone(), *format, options, &selection)?;
                    refuse_clash(source, beginning.names.iter().map(String::as_str), options)?;
                    names.extend(beginning.names);
                    parts |= beginning.has_parts;
                }
            }
            Opened::Sheet(format, spooled) => {
                if size.is_none() {
                    *spooled = Some(source.spool()?);
                }
                let rows = sheet(source, *format, spooled.as_ref(), options, &selection)?;
                refuse_clash(source, rows.columns(), options)?;
                names.extend(rows.columns().map(str::to_owned));
            }
            Opened::Columnar(..) => {}
        }
        names.extend(partition_names(source, &selection).map(str::to_owned));
    }
    let columns = InputColumns::Fields { names: names.into_iter().collect(), complete, parts };
    Ok(Input {
        sources,
        options: options.clone(),
        selection,
        columns,
        metadata: Metadata::default(),
        total_rows: None,
        total_bytes,
        bytes_read: Arc::default(),
    })
}

/// The rows of a spreadsheet, from the beginning.
fn sheet(
    source: &Source,
    format: SheetFormat,
    spooled: Option<&File>,
    options: &ReadOptions,
    selection: &Arc<ColumnSelection>,
) -> Result<SheetRows> {
    let file = match spooled {
        Some(copy) => copy.try_clone().map_err(Error::Temporary)?,
        None => source.local_file()?,
    };
    SheetRows::new(file, source.name.clone(), selection.clone(), format, options)
}

fn open_columnar(
    sources: Vec<(Source, ColumnarFormat)>,
    options: &ReadOptions,
    selection: Arc<ColumnSelection>,
) -> Result<Input> {
    let mut common: Option<(Arc<str>, Schema)> = None;
    let mut metadata: Option<Metadata> = None;
    let mut total_rows = Some(0);
    let mut opened = Vec::with_capacity(sources.len());
    for (source, format) in sources {
        let (file, spooled) = match source.regular_size()? {
            Some(_) => (source.file()?, None),
            None => {
                let copy = source.spool()?;
                (Blob::File(copy.try_clone().map_err(Error::Temporary)?), Some(copy))
            }
        };
        let file = ColumnarFile::open(file, source.name.clone(), format, &source.extent)?;
        selection.check(&source.name, file.names())?;
        refuse_clash(&source, file.names(), options)?;
        check_text(&source.name, &file.columns(|name| selection.reads(name))?, &selection)?;
        let mut kept = file.columns(|name| selection.carries(name))?;
        let mut rows = file.rows()?;
        // A row comes out for each question of a list.
        if selection.needs_question && question_list(&file.columns(|name| selection.reads(name))?, &selection) {
            rows = None;
            if let Some(question) = kept.get_mut(selection.question.as_str()) {
                *question = DataType::String;
            }
        }
        for Partition { name, value } in source.partitions.iter().filter(|partition| selection.keeps(&partition.name)) {
            let dtype = match value {
                PartitionValue::Null => DataType::Null,
                PartitionValue::Integer(_) => DataType::Int64,
                PartitionValue::Text(_) => DataType::String,
            };
            if !kept.contains(name) {
                kept.insert(name.as_str().into(), dtype);
            }
        }
        match &mut metadata {
            None => metadata = Some(file.metadata()),
            Some(metadata) => metadata.join(&file.metadata()),
        }
        common = Some(match common {
            None => (source.name.clone(), kept),
            Some((first, schema)) => {
                let schema = common_columns(&first, &schema, &source.name, &kept)?;
                (first, schema)
            }
        });
        total_rows = total_rows.zip(rows).map(|(total, rows)| total + rows);
        opened.push((source, Opened::Columnar(format, spooled)));
    }
    let columns = InputColumns::Columnar(Arc::new(common.map(|(_, schema)| schema).unwrap_or_default()));
    Ok(Input {
        sources: opened,
        options: options.clone(),
        selection,
        columns,
        metadata: metadata.unwrap_or_default(),
        total_rows,
        total_bytes: None,
        bytes_read: Arc::default(),
    })
}

/// The column of input files is not one that an input has.
fn refuse_clash<'a>(source: &Source, mut names: impl Iterator<Item = &'a str>, options: &ReadOptions) -> Result<()> {
    match &options.source_file {
        Some(column) if names.any(|name| name == column) => {
            Err(Error::SourceFileClash { name: source.name.clone(), column: column.clone() })
        }
        _ => Ok(()),
    }
}

/// The columns to carry along that the folders of a file name.
fn partition_names<'a>(source: &'a Source, selection: &'a ColumnSelection) -> impl Iterator<Item = &'a str> {
    source.partitions.iter().map(|partition| partition.name.as_str()).filter(|name| selection.keeps(name))
}

/// A text row with the columns that its file's folders name, but for those that it has itself.
fn with_partitions(mut row: InputRow, partitions: &[Partition]) -> InputRow {
    if let Record::Fields(fields) = &mut row.record {
        for Partition { name, value } in partitions {
            let value = match value {
                PartitionValue::Null => Ok(RawValue::NULL.to_owned()),
                PartitionValue::Integer(value) => to_raw_value(value),
                PartitionValue::Text(value) => to_raw_value(value),
            };
            if let Ok(value) = value {
                fields.entry(name.clone()).or_insert(value);
            }
        }
    }
    row
}

/// The columns of both. Their order may differ, their names may not, and their types only as parts of a data set do
/// that were written one by one: one has nothing but null, categories where the other has text, narrower integers.
fn common_columns(first: &Arc<str>, schema: &Schema, other: &Arc<str>, other_schema: &Schema) -> Result<Schema> {
    let mut common = Schema::default();
    for name in schema.iter_names().chain(other_schema.iter_names()) {
        let (first_type, other_type) = (schema.get(name), other_schema.get(name));
        let Some(dtype) = first_type.zip(other_type).and_then(|(first, other)| common_type(first, other)) else {
            return Err(Error::DifferentColumns {
                column: name.to_string(),
                first: first.clone(),
                first_type: first_type.map(ToString::to_string),
                other: other.clone(),
                other_type: other_type.map(ToString::to_string),
            });
        };
        common.insert(name.clone(), dtype);
    }
    Ok(common)
}

fn common_type(a: &DataType, b: &DataType) -> Option<DataType> {
    /// Bits, and whether there are negative ones.
    fn integer(dtype: &DataType) -> Option<(u32, bool)> {
        Some(match dtype {
            DataType::Int8 => (8, true),
            DataType::Int16 => (16, true),
            DataType::Int32 => (32, true),
            DataType::Int64 => (64, true),
            DataType::UInt8 => (8, false),
            DataType::UInt16 => (16, false),
            DataType::UInt32 => (32, false),
            DataType::UInt64 => (64, false),
            _ => return None,
        })
    }
    let is_text = |dtype: &DataType| matches!(dtype, DataType::String | DataType::Categorical(..) | DataType::Enum(..));
    match (a, b) {
        (a, b) if a == b => Some(a.clone()),
        (DataType::Null, other) | (other, DataType::Null) => Some(other.clone()),
        (a, b) if is_text(a) && is_text(b) => Some(DataType::String),
        (DataType::List(a), DataType::List(b)) => Some(DataType::List(Box::new(common_type(a, b)?))),
        (a, b) => match (integer(a)?, integer(b)?) {
            ((first, true), (other, true)) => Some(if first > other { a.clone() } else { b.clone() }),
            ((first, false), (other, false)) => Some(if first > other { a.clone() } else { b.clone() }),
            ((_, true), (bits, false)) | ((bits, false), (_, true)) => (bits < 64).then_some(DataType::Int64),
        },
    }
}

impl Input {
    /// What is known of the columns before any row is read.
    pub fn columns(&self) -> &InputColumns {
        &self.columns
    }

    /// How many rows there are, where the inputs say it without being read.
    pub fn total_rows(&self) -> Option<u64> {
        self.total_rows
    }

    /// Size of text inputs as they are stored, unless one is a pipe.
    pub fn total_bytes(&self) -> Option<u64> {
        self.total_bytes
    }

    /// How much of [`total_bytes`](Self::total_bytes) has been read; it grows while the rows are.
    pub fn bytes_read(&self) -> Arc<AtomicU64> {
        self.bytes_read.clone()
    }

    pub(crate) fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The inputs, in the order in which they are read.
    #[cfg(feature = "cli")]
    pub(crate) fn sources(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter().map(|(source, _)| source)
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.sources.iter().filter_map(|(source, _)| match &source.place {
            Place::File(path) => Some(path.as_path()),
            Place::Object(_) | Place::Stdin => None,
        })
    }

    /// The rows of all inputs in order. An `Err` is an input that cannot be read on, not a bad row.
    pub fn rows(self) -> Rows {
        let Self { sources, options, selection, columns, bytes_read, .. } = self;
        let mut pending = sources.into_iter();
        let mut current: Rows = Box::new(std::iter::empty());
        let mut read: Option<Source> = None;
        let mut failed = false;
        Box::new(std::iter::from_fn(move || {
            while !failed {
                if let Some(row) = current.next() {
                    failed = row.is_err();
                    // A change is why.
                    let changed = read.as_ref().filter(|_| failed).map_or(Ok(()), Source::refuse_change);
                    return Some(changed.and(row));
                }
                let changed = read.take().map_or(Ok(()), |source| source.refuse_change());
                current = match changed.map(|()| pending.next()) {
                    Ok(None) => {
                        selection.warn_of_absent();
                        return None;
                    }
                    Ok(Some((source, opened))) => {
                        let rows = rows(&source, opened, &columns, &options, &selection, &bytes_read);
                        read = Some(source);
                        rows.unwrap_or_else(|error| Box::new(std::iter::once(Err(error))))
                    }
                    Err(error) => Box::new(std::iter::once(Err(error))),
                };
            }
            None
        }))
    }
}

/// The rows of one input.
fn rows(
    source: &Source,
    opened: Opened,
    columns: &InputColumns,
    options: &ReadOptions,
    selection: &Arc<ColumnSelection>,
    bytes_read: &Arc<AtomicU64>,
) -> Result<Rows> {
    if source.extent == Extent::Nothing {
        return Ok(Box::new(std::iter::empty()));
    }
    let rows = match opened {
        Opened::Text(format) => {
            let text = source.text(bytes_read.clone(), options)?;
            text::rows(text, source.label(), format, options, selection)?
        }
        Opened::Sheet(format, spooled) => Box::new(sheet(source, format, spooled.as_ref(), options, selection)?),
        Opened::Columnar(format, spooled) => {
            let file = spooled.map_or_else(|| source.file(), |copy| Ok(Blob::File(copy)))?;
            let file = ColumnarFile::open(file, source.name.clone(), format, &source.extent)?;
            let InputColumns::Columnar(schema) = columns else { return Err(Error::MixedLayouts) };
            let (selection, schema) = (selection.clone(), schema.clone());
            let rows = ColumnarRows::new(file, selection, schema, &source.partitions, options)?;
            return Ok(Box::new(rows));
        }
    };
    let kept = |partition: &&Partition| selection.keeps(&partition.name);
    let partitions: Vec<Partition> = source.partitions.iter().filter(kept).cloned().collect();
    if partitions.is_empty() {
        return Ok(rows);
    }
    let selection = selection.clone();
    Ok(Box::new(rows.map(move |row| {
        let row = row?;
        Ok(with_partitions(selection.without_clash(row), &partitions))
    })))
}
