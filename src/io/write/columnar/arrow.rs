//! Arrow IPC, files and streams.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use num_traits::AsPrimitive;
use polars::prelude::{CompatLevel, DataFrame, DataType, PolarsResult, Schema, SchemaExt};
use polars::series::arrow_export::ToArrowConverter;
use polars::series::arrow_export::categorical::CategoricalToArrowConverter;
use polars_arrow::array::{Array, DictionaryArray, DictionaryKey, PrimitiveArray};
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, Field, IntegerType};
use polars_arrow::io::ipc::IpcField;
use polars_arrow::io::ipc::write::{
    DictionaryTracker, EncodedData, FileWriter, StreamWriter, WriteOptions, default_ipc_fields, dictionaries_to_encode,
    encode_dictionary_values, encode_record_batch,
};
use polars_arrow::record_batch::RecordBatchT;

use crate::io::columnar::metadata::Metadata;
use crate::io::write::sink::Sink;

const UNCOMPRESSED: WriteOptions = WriteOptions { compression: None };

/// A field whose categories, if it has such, are numbered as old readers can hand them to pandas.
pub(super) fn with_signed_keys(mut field: Field) -> Field {
    if let ArrowDataType::Dictionary(keys, ..) = &mut field.dtype {
        *keys = IntegerType::Int32;
        // Which says that the keys are others.
        field.metadata = None;
    }
    field
}

/// Categories that are numbered so.
fn signed_keys(array: Box<dyn Array>) -> PolarsResult<Box<dyn Array>> {
    fn signed<K: DictionaryKey + AsPrimitive<i32>>(array: &dyn Array) -> Option<PolarsResult<Box<dyn Array>>> {
        let array = array.as_any().downcast_ref::<DictionaryArray<K>>()?;
        let keys: PrimitiveArray<i32> = array.keys().iter().map(|key| key.map(|key| key.as_())).collect();
        Some(
            DictionaryArray::try_from_keys(keys, array.values().clone(), array.is_ordered())
                .map(DictionaryArray::boxed),
        )
    }
    let array_ref = array.as_ref();
    signed::<u32>(array_ref)
        .or_else(|| signed::<u16>(array_ref))
        .or_else(|| signed::<u8>(array_ref))
        .unwrap_or(Ok(array))
}

/// An Arrow IPC file whose dictionaries are written last.
///
/// The file format has one dictionary a column, but categories are met one batch after the other; so the batches go
/// first (the footer says where everything is) and the dictionaries follow, when they are whole.
pub(super) struct ArrowFile {
    writer: FileWriter<Sink>,
    columns: Columns,
    dictionaries: DictionaryTracker,
}

impl ArrowFile {
    pub(super) fn new(sink: Sink, schema: &Schema, metadata: &Metadata) -> PolarsResult<Self> {
        let columns = Columns::new(schema);
        let (schema, ipc_fields) = (columns.schema.clone(), columns.ipc_fields.clone());
        let mut writer = FileWriter::try_new(sink, schema, Some(ipc_fields), UNCOMPRESSED)?;
        if !metadata.is_empty() {
            writer.set_custom_schema_metadata(Arc::new(metadata.iter().collect()));
        }
        let dictionaries = DictionaryTracker { dictionaries: Default::default(), cannot_replace: false };
        Ok(Self { writer, columns, dictionaries })
    }

    /// Of a frame in one chunk.
    pub(super) fn write(&mut self, frame: &DataFrame) -> PolarsResult<()> {
        let batch = self.columns.batch(frame)?;
        for (ipc_field, array) in self.columns.ipc_fields.iter().zip(batch.arrays()) {
            dictionaries_to_encode(ipc_field, array.as_ref(), &mut self.dictionaries, &mut Vec::new())?;
        }
        let mut message = EncodedData::default();
        encode_record_batch(&batch, &UNCOMPRESSED, &mut message);
        self.writer.write_encoded_record_batch(&message)
    }

    pub(super) fn finish(mut self) -> PolarsResult<()> {
        let dictionaries: BTreeMap<_, _> = self.dictionaries.dictionaries.iter().collect();
        for (&id, values) in dictionaries {
            let message = encode_dictionary_values(id, values.as_ref(), &UNCOMPRESSED)?;
            self.writer.write_encoded_dictionaries(&[message])?;
        }
        self.writer.finish()
    }
}

/// An Arrow IPC stream. A dictionary that has grown is written again, before the batch that needs it.
pub(super) struct ArrowStream {
    writer: StreamWriter<Sink>,
    columns: Columns,
}

impl ArrowStream {
    pub(super) fn new(sink: Sink, schema: &Schema, metadata: &Metadata) -> PolarsResult<Self> {
        let columns = Columns::new(schema);
        let mut writer = StreamWriter::new(sink, UNCOMPRESSED);
        if !metadata.is_empty() {
            writer.set_custom_schema_metadata(Arc::new(metadata.iter().collect()));
        }
        writer.start(&columns.schema, Some(columns.ipc_fields.clone()))?;
        Ok(Self { writer, columns })
    }

    /// Of a frame in one chunk.
    pub(super) fn write(&mut self, frame: &DataFrame) -> PolarsResult<()> {
        let batch = self.columns.batch(frame)?;
        self.writer.write(&batch, Some(&self.columns.ipc_fields))
    }

    pub(super) fn finish(mut self) -> PolarsResult<()> {
        self.writer.finish()?;
        Ok(self.writer.into_inner().flush()?)
    }
}

/// The columns of a frame as they are written.
struct Columns {
    columns: Vec<ArrowColumn>,
    schema: Arc<ArrowSchema>,
    ipc_fields: Vec<IpcField>,
}

struct ArrowColumn {
    /// As the converter takes it.
    field: Field,
    /// Gives a category the same key in every batch.
    converter: ToArrowConverter,
}

impl Columns {
    fn new(schema: &Schema) -> Self {
        let fields: Vec<Field> = schema.iter_fields().map(|field| field.to_arrow(CompatLevel::oldest())).collect();
        let written = fields.iter().cloned().map(with_signed_keys);
        let arrow_schema: ArrowSchema = written.map(|field| (field.name.clone(), field)).collect();
        let ipc_fields = default_ipc_fields(arrow_schema.iter_values());
        let columns = fields.into_iter().zip(schema.iter_values());
        let columns = columns.map(|(field, dtype)| ArrowColumn { field, converter: converter(dtype) }).collect();
        Self { columns, schema: Arc::new(arrow_schema), ipc_fields }
    }

    /// Of a frame in one chunk.
    fn batch(&mut self, frame: &DataFrame) -> PolarsResult<RecordBatchT<Box<dyn Array>>> {
        let mut arrays = Vec::with_capacity(self.columns.len());
        for (column, series) in self.columns.iter_mut().zip(frame.materialized_column_iter()) {
            for chunk in series.chunks() {
                let field = Cow::Borrowed(&column.field);
                arrays.push(signed_keys(column.converter.array_to_arrow(chunk.as_ref(), series.dtype(), field)?)?);
            }
        }
        RecordBatchT::try_new(frame.height(), self.schema.clone(), arrays)
    }
}

fn converter(dtype: &DataType) -> ToArrowConverter {
    let mut categorical_converter = CategoricalToArrowConverter { converters: Default::default(), persist_remap: true };
    categorical_converter.initialize(dtype);
    ToArrowConverter { skip_attach_pl_metadata: true, categorical_converter }
}
