//! Columnar files: their schemas, and their rows a bounded chunk at a time.
//!
//! A Parquet row group is decoded in slices, however large it is. An Arrow record batch is the unit in which its
//! writer chose to have it read, and is read whole.

use std::collections::HashMap;
use std::io::{self, Seek};
use std::sync::Arc;

use polars::prelude::{ArrowDataType, ArrowSchema, DataFrame, DataType, PolarsResult, Schema, TimeZone};

use super::decoder::guarded;
use super::ipc::IpcFile;
use super::parquet::ParquetFile;
use crate::io::columnar::metadata::Metadata;
use crate::io::error::{Error, Result};
use crate::io::format::{ColumnarFormat, InputFormat};
use crate::io::source::{Blob, Extent};

/// An open Parquet or Arrow IPC file whose schema has been read.
pub(crate) struct ColumnarFile {
    file: Blob,
    name: Arc<str>,
    layout: Layout,
    schema: Arc<ArrowSchema>,
    /// Columns that cannot be read, and what they are.
    unreadable: HashMap<String, String>,
}

enum Layout {
    Parquet(Box<ParquetFile>),
    Arrow(IpcFile),
}

pub(crate) type Chunks = Box<dyn Iterator<Item = PolarsResult<DataFrame>> + Send>;

impl ColumnarFile {
    /// # Errors
    /// A file that is not of its format.
    pub(crate) fn open(mut file: Blob, name: Arc<str>, format: ColumnarFormat, extent: &Extent) -> Result<Self> {
        file.rewind().map_err(|source| Error::Read { name: name.clone(), source })?;
        let opened = match format {
            ColumnarFormat::Parquet => guarded(|| open_parquet(&mut file, extent)),
            ColumnarFormat::Arrow | ColumnarFormat::ArrowStream => guarded(|| open_arrow(&mut file)),
        };
        let format = format.into();
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
            Layout::Parquet(file) => file.metadata(),
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

    /// Rows of the file that come before those that are read.
    pub(crate) fn first(&self) -> u64 {
        match &self.layout {
            Layout::Parquet(file) => file.first(),
            Layout::Arrow(_) => 0,
        }
    }

    /// The number of rows, where the file says it without being read.
    pub(crate) fn rows(&self) -> Result<Option<u64>> {
        match &self.layout {
            Layout::Parquet(file) => Ok(Some(file.rows())),
            Layout::Arrow(ipc) => {
                let file = self.file.try_clone().map_err(|source| self.unreadable(source))?;
                let format = InputFormat::Arrow;
                ipc.rows(file).map_err(|source| Error::NotColumnar { name: self.name.clone(), format, source })
            }
        }
    }

    /// The file's rows in chunks of at most `chunk_rows`, with only the columns `names`, in that order.
    pub(crate) fn chunks(self, names: Vec<String>, chunk_rows: usize) -> Result<Chunks> {
        let chunks: Chunks = match self.layout {
            Layout::Parquet(parquet) => Box::new(parquet.chunks(self.file, &names, chunk_rows)),
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

fn open_parquet(file: &mut Blob, extent: &Extent) -> PolarsResult<(Layout, Arc<ArrowSchema>)> {
    let file = ParquetFile::open(file, extent)?;
    let schema = file.schema().clone();
    Ok((Layout::Parquet(Box::new(file)), schema))
}

fn open_arrow(file: &mut Blob) -> PolarsResult<(Layout, Arc<ArrowSchema>)> {
    let file = IpcFile::open(file)?;
    let schema = Arc::new(file.schema());
    Ok((Layout::Arrow(file), schema))
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
