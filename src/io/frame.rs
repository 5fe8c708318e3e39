//! Typed rows in: Parquet and Arrow IPC, a bounded chunk at a time.
//!
//! A Parquet row group is decoded in slices, however large it is. An Arrow record batch is the unit in which its
//! writer chose to have it read, and is read whole.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::sync::Arc;

use anyhow::{Context, bail};
use polars::io::parquet::metadata::FileMetadataRef;
use polars::prelude::{
    ArrowDataType, ArrowSchema, DataFrame, DataType, ParallelStrategy, ParquetReader, Schema, SchemaExt, SerReader,
    StringChunked, TimeZone,
};
use polars_arrow::io::ipc::read as ipc;

use super::format::InputFormat;
use super::row::{InputRow, Position, Record};
use super::selection::{Selection, Text};
use super::target::polars_error;

/// A chunk holds about this much, unless a single row is larger.
const CHUNK_BYTES: usize = 16 << 20;

/// An open Parquet or Arrow IPC file whose schema has been read.
pub(super) struct FrameFile {
    file: File,
    layout: Layout,
    schema: Schema,
}

enum Layout {
    Parquet(FileMetadataRef),
    Arrow(Box<ipc::FileMetadata>),
    ArrowStream(Box<ipc::StreamMetadata>),
}

type Chunks = Box<dyn Iterator<Item = anyhow::Result<DataFrame>> + Send>;

impl FrameFile {
    /// # Errors
    /// A file that is not of its format, or has a column of a type that cannot be carried along.
    pub(super) fn open(mut file: File, format: InputFormat) -> anyhow::Result<Self> {
        file.rewind()?;
        let (layout, arrow_schema) = match format {
            InputFormat::Parquet => {
                let mut reader = ParquetReader::new(&mut file);
                let schema = reader.schema().map_err(polars_error).context("not a readable Parquet file")?;
                (Layout::Parquet(reader.get_metadata().map_err(polars_error)?.clone()), schema)
            }
            _ => open_arrow(&mut file).context("not a readable Arrow IPC file")?,
        };
        for field in arrow_schema.iter_values() {
            check_type(&field.name, &field.dtype)?;
        }
        let schema = Schema::from_arrow_schema(&arrow_schema);
        Ok(Self { file, layout, schema })
    }

    pub(super) fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The number of rows, where the file tells it without being read.
    pub(super) fn rows(&self) -> anyhow::Result<Option<u64>> {
        match &self.layout {
            Layout::Parquet(metadata) => Ok(Some(metadata.num_rows as u64)),
            Layout::Arrow(_) => {
                let mut reader = BufReader::new(self.file.try_clone()?);
                Ok(u64::try_from(ipc::get_row_count(&mut reader).map_err(polars_error)?).ok())
            }
            Layout::ArrowStream(_) => Ok(None),
        }
    }

    /// The file's rows in chunks of at most `chunk_rows`, with only the columns `names`, in that order.
    fn chunks(self, names: Vec<String>, chunk_rows: usize) -> anyhow::Result<Chunks> {
        let mut projection: Vec<usize> = names.iter().filter_map(|name| self.schema.index_of(name)).collect();
        projection.sort_unstable();
        let chunks: Chunks = match self.layout {
            Layout::Parquet(metadata) => Box::new(parquet_chunks(self.file, metadata, projection, chunk_rows)),
            Layout::Arrow(metadata) => {
                let mut reader = BufReader::new(self.file);
                reader.rewind()?;
                let batches = ipc::FileReader::new(reader, *metadata.clone(), Some(projection.clone()), None);
                let schema = projected(&metadata.schema, &projection);
                Box::new(batches.flat_map(move |batch| slices(frame(batch, &schema), chunk_rows)))
            }
            Layout::ArrowStream(metadata) => {
                // The reader begins after the metadata, where reading them has left the file.
                let reader = BufReader::new(self.file);
                let schema = projected(&metadata.schema, &projection);
                let batches =
                    ipc::StreamReader::new(reader, *metadata, Some(projection)).map_while(|state| match state {
                        Ok(ipc::StreamState::Some(batch)) => Some(Ok(batch)),
                        // The end of a file without an end mark.
                        Ok(ipc::StreamState::Waiting) => None,
                        Err(error) => Some(Err(error)),
                    });
                Box::new(batches.flat_map(move |batch| slices(frame(batch, &schema), chunk_rows)))
            }
        };
        Ok(Box::new(chunks.map(move |chunk| chunk?.select(&names).map_err(polars_error))))
    }
}

fn open_arrow(file: &mut File) -> anyhow::Result<(Layout, Arc<ArrowSchema>)> {
    let mut magic = [0; 6];
    let is_file = file.read_exact(&mut magic).is_ok() && &magic == b"ARROW1";
    file.rewind()?;
    if is_file {
        let metadata = ipc::read_file_metadata(file).map_err(polars_error)?;
        let schema = metadata.schema.clone();
        return Ok((Layout::Arrow(Box::new(metadata)), schema));
    }
    let metadata = ipc::read_stream_metadata(file).map_err(polars_error)?;
    let schema = Arc::new(metadata.schema.clone());
    Ok((Layout::ArrowStream(Box::new(metadata)), schema))
}

/// Refuses the types for which the conversion of a schema would panic.
fn check_type(column: &str, dtype: &ArrowDataType) -> anyhow::Result<()> {
    use ArrowDataType as A;
    match dtype {
        A::List(field) | A::LargeList(field) | A::FixedSizeList(field, _) | A::Map(field, _) => {
            check_type(column, &field.dtype)
        }
        A::Struct(fields) => fields.iter().try_for_each(|field| check_type(column, &field.dtype)),
        A::Dictionary(_, values, _) => check_type(column, values),
        A::Float16 | A::Int128 | A::UInt128 | A::Interval(_) | A::Union(_) | A::Extension(_) | A::Unknown => {
            bail!("column `{column}` has the type {dtype:?}, which cannot be carried along; convert it, or drop it")
        }
        A::Timestamp(_, zone) if TimeZone::opt_try_new(zone.clone()).is_err() => {
            bail!("column `{column}` is in an unknown time zone, {zone:?}; convert it, or drop it")
        }
        _ => Ok(()),
    }
}

fn projected(schema: &ArrowSchema, projection: &[usize]) -> Arc<ArrowSchema> {
    let fields = projection.iter().filter_map(|&index| schema.get_at_index(index));
    Arc::new(fields.map(|(name, field)| (name.clone(), field.clone())).collect())
}

type Batch = polars_arrow::record_batch::RecordBatchT<Box<dyn polars_arrow::array::Array>>;

fn frame(batch: polars::prelude::PolarsResult<Batch>, schema: &Arc<ArrowSchema>) -> anyhow::Result<DataFrame> {
    let batch = batch.map_err(polars_error)?;
    let length = batch.len();
    Ok(Batch::new(length, schema.clone(), batch.into_arrays()).into())
}

fn slices(
    frame: anyhow::Result<DataFrame>,
    chunk_rows: usize,
) -> Box<dyn Iterator<Item = anyhow::Result<DataFrame>> + Send> {
    match frame {
        Err(error) => Box::new(std::iter::once(Err(error))),
        Ok(frame) => {
            let starts = (0..frame.height()).step_by(chunk_rows);
            Box::new(starts.map(move |start| Ok(frame.slice(start as i64, chunk_rows))))
        }
    }
}

/// Row group by row group, each in slices: no more than one slice is decoded at a time.
fn parquet_chunks(
    file: File,
    metadata: FileMetadataRef,
    projection: Vec<usize>,
    chunk_rows: usize,
) -> impl Iterator<Item = anyhow::Result<DataFrame>> {
    let mut ranges = Vec::new();
    let mut group_start = 0;
    for group in &metadata.row_groups {
        let rows = group.num_rows();
        let row_bytes = (group.total_byte_size() / rows.max(1)).max(1);
        let step = (CHUNK_BYTES / row_bytes).clamp(1, chunk_rows);
        ranges.extend((0..rows).step_by(step).map(|start| (group_start + start, step.min(rows - start))));
        group_start += rows;
    }
    ranges.into_iter().map(move |range| {
        let mut reader = ParquetReader::new(file.try_clone()?);
        reader.set_metadata(metadata.clone());
        reader
            .with_slice(Some(range))
            .with_projection(Some(projection.clone()))
            .set_low_memory(true)
            .read_parallel(ParallelStrategy::None)
            .finish()
            .map_err(polars_error)
    })
}

/// Rows of a typed file.
pub(super) struct FrameRows {
    chunks: Chunks,
    chunk: Option<Chunk>,
    /// Of the row last given, from 1.
    number: u64,
    source: Arc<str>,
    selection: Arc<Selection>,
}

struct Chunk {
    frame: Arc<DataFrame>,
    /// Questions and contexts, where rows are asked.
    texts: Option<(StringChunked, StringChunked)>,
    rows: usize,
    next: usize,
}

impl FrameRows {
    /// `columns` are those to carry along; the file must have them, and the question and context.
    pub(super) fn new(
        file: FrameFile,
        source: Arc<str>,
        selection: Arc<Selection>,
        columns: &Schema,
        chunk_rows: usize,
    ) -> anyhow::Result<Self> {
        let mut names: Vec<String> = columns.iter_names().map(|name| name.to_string()).collect();
        for name in [&selection.question, &selection.context] {
            if selection.asks && !names.contains(name) {
                names.push(name.clone());
            }
        }
        let chunks = file.chunks(names, chunk_rows.max(1))?;
        Ok(Self { chunks, chunk: None, number: 0, source, selection })
    }

    fn load(&self, frame: DataFrame) -> anyhow::Result<Chunk> {
        let strings = |name: &str| -> anyhow::Result<StringChunked> {
            let column = frame.column(name).and_then(|column| column.cast(&DataType::String)).map_err(polars_error)?;
            Ok(column.str().map_err(polars_error)?.rechunk().into_owned())
        };
        let Selection { asks, question, context, .. } = &*self.selection;
        let texts = if *asks { Some((strings(question)?, strings(context)?)) } else { None };
        let rows = frame.height();
        let kept = frame.get_column_names().into_iter().filter(|name| self.selection.keeps(name)).cloned();
        let frame = Arc::new(frame.select(kept).map_err(polars_error)?);
        Ok(Chunk { frame, texts, rows, next: 0 })
    }
}

impl Iterator for FrameRows {
    type Item = anyhow::Result<InputRow>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(chunk) = &mut self.chunk
                && chunk.next < chunk.rows
            {
                let index = chunk.next;
                chunk.next += 1;
                self.number += 1;
                let position = Position { source: self.source.clone(), number: self.number };
                let record = Record::Frame { frame: chunk.frame.clone(), index };
                let (question, context) = match &chunk.texts {
                    Some((questions, contexts)) => (text(questions, index), text(contexts, index)),
                    None => (Text::Missing, Text::Missing),
                };
                let example = self.selection.example(question, context);
                return Some(Ok(InputRow { position, record, example }));
            }
            let chunk = self.chunks.next()?.and_then(|frame| self.load(frame));
            match chunk.with_context(|| format!("{}: cannot read on after row {}", self.source, self.number)) {
                Ok(chunk) => self.chunk = Some(chunk),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

fn text(column: &StringChunked, index: usize) -> Text {
    match column.get(index) {
        Some(text) => Text::Valid(text.to_owned()),
        None => Text::Null,
    }
}

/// Checks that the question and the context are text.
pub(super) fn check_text(schema: &Schema, selection: &Selection) -> anyhow::Result<()> {
    for (name, flag) in [(&selection.question, "--question"), (&selection.context, "--context")] {
        if !selection.asks {
            break;
        }
        match schema.get(name) {
            Some(DataType::String | DataType::Categorical(..) | DataType::Enum(..)) | None => {}
            Some(other) => bail!("column `{name}` is {other}, not text; name another with {flag}"),
        }
    }
    Ok(())
}
