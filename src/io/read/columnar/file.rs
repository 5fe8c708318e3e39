//! Columnar files: their schemas, and their rows a bounded chunk at a time.
//!
//! A Parquet row group is decoded in slices, however large it is. An Arrow record batch is the unit in which its
//! writer chose to have it read, and is read whole.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::sync::Arc;

use polars::io::parquet::metadata::FileMetadataRef;
use polars::prelude::{
    ArrowDataType, ArrowSchema, DataFrame, ParallelStrategy, ParquetReader, PolarsResult, Schema, SchemaExt, SerReader,
    TimeZone,
};
use polars_arrow::io::ipc::read as ipc;

use crate::io::error::{Error, Result};
use crate::io::format::{ColumnarFormat, InputFormat};

/// A chunk holds about this much, unless a single row is larger.
const CHUNK_BYTES: usize = 16 << 20;

/// An open Parquet or Arrow IPC file whose schema has been read.
pub(crate) struct ColumnarFile {
    file: File,
    name: Arc<str>,
    layout: Layout,
    schema: Schema,
}

enum Layout {
    Parquet(FileMetadataRef),
    Arrow(Box<ipc::FileMetadata>),
    ArrowStream(Box<ipc::StreamMetadata>),
}

pub(crate) type Chunks = Box<dyn Iterator<Item = PolarsResult<DataFrame>> + Send>;

impl ColumnarFile {
    /// # Errors
    /// A file that is not of its format, or has a column of a type that cannot be carried along.
    pub(crate) fn open(mut file: File, name: Arc<str>, format: ColumnarFormat) -> Result<Self> {
        file.rewind().map_err(|source| Error::Read { name: name.clone(), source })?;
        let (opened, format) = match format {
            ColumnarFormat::Parquet => (open_parquet(&mut file), InputFormat::Parquet),
            ColumnarFormat::Arrow => (open_arrow(&mut file), InputFormat::Arrow),
        };
        let (layout, arrow_schema) =
            opened.map_err(|source| Error::NotColumnar { name: name.clone(), format, source })?;
        for field in arrow_schema.iter_values() {
            check_type(&name, &field.name, &field.dtype)?;
        }
        let schema = Schema::from_arrow_schema(&arrow_schema);
        Ok(Self { file, name, layout, schema })
    }

    pub(crate) fn schema(&self) -> &Schema {
        &self.schema
    }

    fn unreadable(&self, source: io::Error) -> Error {
        Error::Read { name: self.name.clone(), source }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The number of rows, where the file says it without being read.
    pub(crate) fn rows(&self) -> Result<Option<u64>> {
        match &self.layout {
            Layout::Parquet(metadata) => Ok(Some(metadata.num_rows as u64)),
            Layout::Arrow(_) => {
                let file = self.file.try_clone().map_err(|source| self.unreadable(source))?;
                let mut reader = BufReader::new(file);
                Ok(u64::try_from(ipc::get_row_count(&mut reader)?).ok())
            }
            Layout::ArrowStream(_) => Ok(None),
        }
    }

    /// The file's rows in chunks of at most `chunk_rows`, with only the columns `names`, in that order.
    pub(crate) fn chunks(self, names: Vec<String>, chunk_rows: usize) -> Result<Chunks> {
        let mut projection: Vec<usize> = names.iter().filter_map(|name| self.schema.index_of(name)).collect();
        projection.sort_unstable();
        let chunks: Chunks = match self.layout {
            Layout::Parquet(metadata) => Box::new(parquet_chunks(self.file, metadata, projection, chunk_rows)),
            Layout::Arrow(metadata) => {
                let mut reader = BufReader::new(self.file);
                reader.rewind().map_err(|source| Error::Read { name: self.name, source })?;
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
        Ok(Box::new(chunks.map(move |chunk| chunk?.select(&names))))
    }
}

fn open_parquet(file: &mut File) -> PolarsResult<(Layout, Arc<ArrowSchema>)> {
    let mut reader = ParquetReader::new(file);
    let schema = reader.schema()?;
    Ok((Layout::Parquet(reader.get_metadata()?.clone()), schema))
}

fn open_arrow(file: &mut File) -> PolarsResult<(Layout, Arc<ArrowSchema>)> {
    let mut magic = [0; 6];
    let is_file = file.read_exact(&mut magic).is_ok() && &magic == b"ARROW1";
    file.rewind()?;
    if is_file {
        let metadata = ipc::read_file_metadata(file)?;
        let schema = metadata.schema.clone();
        return Ok((Layout::Arrow(Box::new(metadata)), schema));
    }
    let metadata = ipc::read_stream_metadata(file)?;
    let schema = Arc::new(metadata.schema.clone());
    Ok((Layout::ArrowStream(Box::new(metadata)), schema))
}

/// Refuses the types for which the conversion of a schema would panic.
fn check_type(name: &Arc<str>, column: &str, dtype: &ArrowDataType) -> Result<()> {
    use ArrowDataType as A;
    match dtype {
        A::List(field) | A::LargeList(field) | A::FixedSizeList(field, _) | A::Map(field, _) => {
            check_type(name, column, &field.dtype)
        }
        A::Struct(fields) => fields.iter().try_for_each(|field| check_type(name, column, &field.dtype)),
        A::Dictionary(_, values, _) => check_type(name, column, values),
        A::Float16 | A::Int128 | A::UInt128 | A::Interval(_) | A::Union(_) | A::Extension(_) | A::Unknown => {
            Err(Error::UnsupportedType { name: name.clone(), column: column.to_owned(), dtype: format!("{dtype:?}") })
        }
        A::Timestamp(_, zone) if TimeZone::opt_try_new(zone.clone()).is_err() => {
            Err(Error::UnknownTimeZone { name: name.clone(), column: column.to_owned(), zone: format!("{zone:?}") })
        }
        _ => Ok(()),
    }
}

fn projected(schema: &ArrowSchema, projection: &[usize]) -> Arc<ArrowSchema> {
    let fields = projection.iter().filter_map(|&index| schema.get_at_index(index));
    Arc::new(fields.map(|(name, field)| (name.clone(), field.clone())).collect())
}

type Batch = polars_arrow::record_batch::RecordBatchT<Box<dyn polars_arrow::array::Array>>;

fn frame(batch: PolarsResult<Batch>, schema: &Arc<ArrowSchema>) -> PolarsResult<DataFrame> {
    let batch = batch?;
    let length = batch.len();
    Ok(Batch::new(length, schema.clone(), batch.into_arrays()).into())
}

fn slices(
    frame: PolarsResult<DataFrame>,
    chunk_rows: usize,
) -> Box<dyn Iterator<Item = PolarsResult<DataFrame>> + Send> {
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
) -> impl Iterator<Item = PolarsResult<DataFrame>> {
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
    })
}
