//! Columnar files: their schemas, and their rows a bounded chunk at a time.
//!
//! A Parquet row group is decoded in slices, however large it is. An Arrow record batch is the unit in which its
//! writer chose to have it read, and is read whole.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Seek};
use std::sync::Arc;

use polars::io::parquet::metadata::FileMetadataRef;
use polars::prelude::{
    ArrowDataType, ArrowSchema, DataFrame, DataType, ParallelStrategy, ParquetReader, PolarsError, PolarsResult,
    Schema, SerReader, TimeZone,
};
use polars_arrow::datatypes::Field;
use polars_arrow::io::ipc::read as ipc;
use polars_parquet::parquet::schema::types::{ParquetType, PrimitiveConvertedType, PrimitiveLogicalType};
use polars_parquet::read::{infer_schema, schema::parquet_to_arrow_schema};
use polars_parquet::write::schema_to_metadata_key;

use super::ipc::IpcFile;
use crate::io::columnar::metadata::Metadata;
use crate::io::error::{Error, Result};
use crate::io::format::{ColumnarFormat, InputFormat};
use crate::panic;

/// A chunk holds about this much, unless a single row is larger.
const CHUNK_BYTES: usize = 16 << 20;

/// An open Parquet or Arrow IPC file whose schema has been read.
pub(crate) struct ColumnarFile {
    file: File,
    name: Arc<str>,
    layout: Layout,
    schema: Arc<ArrowSchema>,
    /// Columns that cannot be read, and what they are.
    unreadable: HashMap<String, String>,
}

enum Layout {
    Parquet(FileMetadataRef),
    Arrow(IpcFile),
}

pub(crate) type Chunks = Box<dyn Iterator<Item = PolarsResult<DataFrame>> + Send>;

impl ColumnarFile {
    /// # Errors
    /// A file that is not of its format.
    pub(crate) fn open(mut file: File, name: Arc<str>, format: ColumnarFormat) -> Result<Self> {
        file.rewind().map_err(|source| Error::Read { name: name.clone(), source })?;
        let (opened, format) = match format {
            ColumnarFormat::Parquet => (guarded(|| open_parquet(&mut file)), InputFormat::Parquet),
            ColumnarFormat::Arrow => (guarded(|| open_arrow(&mut file)), InputFormat::Arrow),
        };
        let (layout, schema) = opened.map_err(|source| Error::NotColumnar { name: name.clone(), format, source })?;
        let unreadable = match &layout {
            Layout::Parquet(_) => HashMap::new(),
            Layout::Arrow(file) => file.unreadable(),
        };
        Ok(Self { file, name, layout, schema, unreadable })
    }

    /// Names of all columns, whatever their types.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.schema.iter_names().map(|name| name.as_str())
    }

    /// The columns that are wanted, with their types.
    ///
    /// # Errors
    /// A column of a type that cannot be carried along.
    pub(crate) fn columns(&self, is_wanted: impl Fn(&str) -> bool) -> Result<Schema> {
        let mut columns = Schema::default();
        for (name, field) in self.schema.iter().filter(|(name, _)| is_wanted(name)) {
            if let Some(description) = self.unreadable.get(name.as_str()) {
                let (column, dtype) = (name.to_string(), description.clone());
                return Err(Error::UnreadableType { name: self.name.clone(), column, dtype });
            }
            check_type(&self.name, name, &field.dtype)?;
            columns.insert(name.clone(), DataType::from_arrow_field(field));
        }
        Ok(columns)
    }

    /// What the file says of itself.
    pub(crate) fn metadata(&self) -> Metadata {
        let entries: Vec<(String, String)> = match &self.layout {
            Layout::Parquet(file) => {
                let entries = file.key_value_metadata.iter().flatten();
                entries.filter_map(|entry| Some((entry.key.clone(), entry.value.clone()?))).collect()
            }
            Layout::Arrow(file) => file.metadata().to_vec(),
        };
        Metadata::new(entries.into_iter(), self.names())
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
            Layout::Arrow(file) if !file.has_footer() => Ok(None),
            Layout::Arrow(_) => {
                let file = self.file.try_clone().map_err(|source| self.unreadable(source))?;
                let mut reader = BufReader::new(file);
                Ok(u64::try_from(ipc::get_row_count(&mut reader)?).ok())
            }
        }
    }

    /// The file's rows in chunks of at most `chunk_rows`, with only the columns `names`, in that order.
    pub(crate) fn chunks(self, names: Vec<String>, chunk_rows: usize) -> Result<Chunks> {
        let chunks: Chunks = match self.layout {
            Layout::Parquet(metadata) => {
                let mut projection: Vec<usize> = names.iter().filter_map(|name| self.schema.index_of(name)).collect();
                projection.sort_unstable();
                Box::new(parquet_chunks(self.file, metadata, projection, chunk_rows))
            }
            Layout::Arrow(ipc) => {
                let batches = ipc.batches(self.file, &names);
                Box::new(batches.flat_map(move |batch| slices(batch, chunk_rows)))
            }
        };
        let mut chunks = chunks;
        let mut panicked = false;
        Ok(Box::new(std::iter::from_fn(move || {
            // What panicked is in no state to go on.
            if std::mem::replace(&mut panicked, true) {
                return None;
            }
            let chunk = guarded(|| chunks.next().map(|chunk| chunk?.select(&names)).transpose());
            panicked = chunk.is_err();
            chunk.transpose()
        })))
    }
}

fn open_parquet(file: &mut File) -> PolarsResult<(Layout, Arc<ArrowSchema>)> {
    let mut reader = ParquetReader::new(file);
    let mut metadata = reader.get_metadata()?.clone();
    let (schema, is_known) = match guarded(|| infer_schema(&metadata)) {
        Ok(schema) => (schema, true),
        // Its writer's Arrow types are newer than that: there are still Parquet's own.
        Err(_) => (parquet_to_arrow_schema(metadata.schema_descr.fields()), false),
    };
    let mut stored = schema.iter_values().map(storage).map(|field| (field.name.clone(), field)).collect();
    json_is_text(&metadata, &mut stored);
    if !is_known || stored != schema {
        // The reader goes by what the file says.
        let said = schema_to_metadata_key(&stored);
        let file = Arc::make_mut(&mut metadata);
        let entries = file.key_value_metadata.get_or_insert_default();
        entries.retain(|entry| entry.key != said.key);
        entries.push(said);
    }
    Ok((Layout::Parquet(metadata), Arc::new(stored)))
}

/// JSON and enumerations are text, which Parquet says in another way than of other text.
fn json_is_text(metadata: &FileMetadataRef, schema: &mut ArrowSchema) {
    for field in metadata.schema_descr.fields() {
        let ParquetType::PrimitiveType(column) = field else { continue };
        let is_text = matches!(
            (column.logical_type, column.converted_type),
            (Some(PrimitiveLogicalType::Json | PrimitiveLogicalType::Enum), _)
                | (_, Some(PrimitiveConvertedType::Json | PrimitiveConvertedType::Enum))
        );
        if is_text
            && let Some(field) = schema.get_mut(column.field_info.name.as_str())
            && matches!(field.dtype, ArrowDataType::Binary | ArrowDataType::LargeBinary | ArrowDataType::BinaryView)
        {
            field.dtype = ArrowDataType::Utf8View;
        }
    }
}

fn open_arrow(file: &mut File) -> PolarsResult<(Layout, Arc<ArrowSchema>)> {
    let file = IpcFile::open(file)?;
    let schema = Arc::new(file.schema());
    Ok((Layout::Arrow(file), schema))
}

/// What an extension type is stored as, such as the bytes of a UUID or the text of JSON.
pub(super) fn storage(field: &Field) -> Field {
    fn stored(dtype: &ArrowDataType) -> ArrowDataType {
        use ArrowDataType as A;
        match dtype {
            A::Extension(extension) => stored(&extension.inner),
            A::List(field) => A::List(Box::new(storage(field))),
            A::LargeList(field) => A::LargeList(Box::new(storage(field))),
            A::FixedSizeList(field, size) => A::FixedSizeList(Box::new(storage(field)), *size),
            A::Map(field, is_sorted) => A::Map(Box::new(storage(field)), *is_sorted),
            A::Struct(fields) => A::Struct(fields.iter().map(storage).collect()),
            other => other.clone(),
        }
    }
    Field { dtype: stored(&field.dtype), ..field.clone() }
}

/// What `decode` gives, or that it panicked: a decoder that meets what it does not expect must not end the program.
pub(super) fn guarded<T>(decode: impl FnOnce() -> PolarsResult<T>) -> PolarsResult<T> {
    panic::caught(decode).unwrap_or_else(|message| {
        Err(PolarsError::ComputeError(format!("it is damaged, or has what cannot be read yet ({message})").into()))
    })
}

/// Refuses the types that have no counterpart, for which the conversion of a schema would panic.
fn check_type(name: &Arc<str>, column: &str, dtype: &ArrowDataType) -> Result<()> {
    use ArrowDataType as A;
    match dtype {
        A::List(field) | A::LargeList(field) | A::FixedSizeList(field, _) | A::Map(field, _) => {
            check_type(name, column, &field.dtype)
        }
        A::Struct(fields) => fields.iter().try_for_each(|field| check_type(name, column, &field.dtype)),
        A::Dictionary(_, values, _) => check_type(name, column, values),
        A::Float16
        | A::Int128
        | A::UInt128
        | A::Decimal256(..)
        | A::Interval(_)
        | A::Union(_)
        | A::Extension(_)
        | A::Unknown => Err(unsupported(name, column, dtype)),
        A::Decimal(precision, _) | A::Decimal32(precision, _) | A::Decimal64(precision, _)
            if !(1..=38).contains(precision) =>
        {
            Err(unsupported(name, column, dtype))
        }
        A::Timestamp(_, zone) if TimeZone::opt_try_new(zone.clone()).is_err() => {
            Err(Error::UnknownTimeZone { name: name.clone(), column: column.to_owned(), zone: format!("{zone:?}") })
        }
        _ => Ok(()),
    }
}

fn unsupported(name: &Arc<str>, column: &str, dtype: &ArrowDataType) -> Error {
    let dtype = match dtype {
        ArrowDataType::Union(_) => "Union".to_owned(),
        other => format!("{other:?}"),
    };
    Error::UnsupportedType { name: name.clone(), column: column.to_owned(), dtype }
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
    for (index, group) in metadata.row_groups.iter().enumerate() {
        let rows = group.num_rows();
        let row_bytes = (group.total_byte_size() / rows.max(1)).max(1);
        let step = (CHUNK_BYTES / row_bytes).clamp(1, chunk_rows);
        let slices = (0..rows).step_by(step).map(|start| (group_start + start, step.min(rows - start)));
        ranges.extend(slices.map(|slice| (index + 1, slice)));
        group_start += rows;
    }
    ranges.into_iter().map(move |(group, range)| {
        let frame = guarded(|| {
            let mut reader = ParquetReader::new(file.try_clone()?);
            reader.set_metadata(metadata.clone());
            reader
                .with_slice(Some(range))
                .with_projection(Some(projection.clone()))
                .set_low_memory(true)
                .read_parallel(ParallelStrategy::None)
                .finish()
        });
        frame.map_err(|error| error.wrap_msg(|message| format!("row group {group}: {message}")))
    })
}
