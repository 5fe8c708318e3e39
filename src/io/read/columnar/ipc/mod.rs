//! Arrow IPC: record batches out of a file or a stream, with only the columns that are wanted.

mod blocks;
mod buffers;
mod checks;
mod column;
mod envelope;
mod message;

use std::collections::HashMap;
use std::io::BufReader;
use std::ops::Range;

use polars::prelude::{ArrowSchema, DataFrame, PolarsResult};
use polars_arrow::compute::concatenate::concatenate;
use polars_arrow::io::ipc::format::ipc::planus::{Builder, ReadAsRoot};
use polars_arrow::io::ipc::format::ipc::{self as format, DictionaryBatch, DictionaryBatchRef, Schema};
use polars_arrow::io::ipc::read::Dictionaries;
use polars_arrow::io::ipc::read::common::read_dictionary;

use self::buffers::Unpacked;
use self::column::{Columns, Context, Part, Reading};
use self::message::{Content, Head, Messages};
use crate::io::read::columnar::decoder::damaged;
use crate::io::source::Blob;

/// What an Arrow IPC file or stream has.
pub(super) struct IpcFile {
    columns: Vec<IpcColumn>,
    metadata: Vec<(String, String)>,
    messages: Messages,
}

struct IpcColumn {
    name: String,
    stored: format::Field,
    reading: Reading,
}

impl IpcFile {
    pub(super) fn open(file: &mut Blob) -> PolarsResult<Self> {
        let (Schema { endianness, fields, custom_metadata, .. }, messages) = message::open(file)?;
        let metadata = custom_metadata.unwrap_or_default().into_iter();
        let metadata = metadata.filter_map(|entry| Some((entry.key?, entry.value?))).collect();
        let columns = fields.unwrap_or_default().into_iter().map(|stored| {
            let reading = Reading::new(&stored, endianness);
            IpcColumn { name: stored.name.clone().unwrap_or_default(), stored, reading }
        });
        Ok(Self { columns: columns.collect(), metadata, messages })
    }

    /// The columns, each as it will be read.
    pub(super) fn schema(&self) -> ArrowSchema {
        let field = |column: &IpcColumn| column.reading.field().unwrap_or_default();
        self.columns.iter().map(|column| (column.name.as_str().into(), field(column))).collect()
    }

    /// The columns that cannot be read, and what they are.
    pub(super) fn unreadable(&self) -> HashMap<String, String> {
        let unknown = self.columns.iter().filter_map(|column| match &column.reading {
            Reading::Unknown(description) => Some((column.name.clone(), description.clone())),
            Reading::Plain(_) | Reading::Dictionary { .. } | Reading::Runs { .. } | Reading::ListView { .. } => None,
        });
        unknown.collect()
    }

    /// What the file says of itself.
    pub(super) fn metadata(&self) -> &[(String, String)] {
        &self.metadata
    }

    /// The number of rows, where the footer says where to look for it.
    pub(super) fn rows(&self, file: Blob) -> PolarsResult<Option<u64>> {
        if !matches!(self.messages, Messages::File(_)) {
            return Ok(None);
        }
        let (mut messages, mut reader, mut rows) = (self.messages.clone(), BufReader::new(file), 0u64);
        while let Some(Head { content, .. }) = messages.next(&mut reader)? {
            if let Content::Rows(batch) = content {
                let more = u64::try_from(batch.length).ok();
                let all = more.and_then(|more| rows.checked_add(more));
                rows = all.ok_or_else(|| damaged("a record batch has a length that cannot be"))?;
            }
        }
        Ok(Some(rows))
    }

    /// The record batches, with the columns `names`.
    pub(super) fn batches(
        mut self,
        file: Blob,
        names: &[String],
    ) -> impl Iterator<Item = PolarsResult<DataFrame>> + Send + use<> {
        let wanted = self.columns.iter().map(|column| names.contains(&column.name)).collect::<Vec<_>>();
        let mut reader = BufReader::new(file);
        let mut dictionaries = Dictionaries::default();
        std::iter::from_fn(move || self.next(&mut reader, &mut dictionaries, &wanted).transpose())
    }

    fn next(
        &mut self,
        reader: &mut BufReader<Blob>,
        dictionaries: &mut Dictionaries,
        wanted: &[bool],
    ) -> PolarsResult<Option<DataFrame>> {
        while let Some(Head { version, content, body }) = self.messages.next(reader)? {
            let columns = self.columns.iter().zip(wanted);
            match content {
                Content::Dictionary(batch) => {
                    let mut parts =
                        columns.filter(|(_, wanted)| **wanted).flat_map(|(column, _)| column.reading.parts());
                    if let Some(part) = parts.find(|part| part.has_dictionary(batch.id)) {
                        add_dictionary(batch, part, reader, dictionaries, &body)?;
                    }
                }
                Content::Rows(batch) => {
                    let rows = usize::try_from(batch.length).map_err(|_| damaged("a batch has a negative length"))?;
                    let mut parts = Columns::new(batch, version);
                    let mut read = Vec::new();
                    for (column, wanted) in columns {
                        let parts = parts.next(&column.stored)?;
                        if *wanted {
                            let mut context = Context { reader, dictionaries, version, body: body.clone() };
                            read.push(column.reading.read(parts, &mut context)?);
                        }
                    }
                    return Ok(Some(DataFrame::new(rows, read)?));
                }
            }
        }
        Ok(None)
    }
}

/// Takes the values of a dictionary, in the place of those before or as more of them.
fn add_dictionary(
    mut batch: DictionaryBatch,
    part: &Part,
    reader: &mut BufReader<Blob>,
    dictionaries: &mut Dictionaries,
    body: &Range<u64>,
) -> PolarsResult<()> {
    let values = batch.data.take().ok_or_else(|| damaged("a dictionary has no values"))?;
    let Unpacked { batch: values, mut place, begin } = Unpacked::new(*values, reader, body)?;
    batch.data = Some(Box::new(values));
    let id = batch.id;
    let before = if std::mem::take(&mut batch.is_delta) { dictionaries.remove(&id) } else { None };
    let mut builder = Builder::new();
    let batch =
        DictionaryBatchRef::read_as_root(builder.finish(batch, None)).map_err(|error| damaged(error.to_string()))?;
    let (schema, ipc) = part.schema();
    read_dictionary(batch, schema, ipc, dictionaries, &mut place, begin, &mut Vec::new(), Default::default())?;
    if let Some(before) = before
        && let Some(values) = dictionaries.get_mut(&id)
    {
        *values = concatenate(&[before.as_ref(), values.as_ref()])?;
    }
    Ok(())
}
