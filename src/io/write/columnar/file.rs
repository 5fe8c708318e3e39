use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use num_traits::AsPrimitive;
use polars::io::parquet::write::{BatchedWriter, KeyValueMetadata};
use polars::prelude::{
    CompatLevel, DataFrame, DataType, ParquetCompression, ParquetWriter, PolarsResult, Schema, SchemaExt,
};
use polars::series::arrow_export::ToArrowConverter;
use polars::series::arrow_export::categorical::CategoricalToArrowConverter;
use polars_arrow::array::{Array, DictionaryArray, DictionaryKey, PrimitiveArray};
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, Field, IntegerType};
use polars_arrow::io::ipc::IpcField;
use polars_arrow::io::ipc::write::{
    DictionaryTracker, EncodedData, FileWriter, WriteOptions, default_ipc_fields, dictionaries_to_encode,
    encode_dictionary_values, encode_record_batch,
};
use polars_arrow::record_batch::RecordBatchT;
use polars_parquet::write::{KeyValue, schema_to_metadata_key};

use crate::io::columnar::metadata::Metadata;
use crate::io::error::Result;
use crate::io::format::ColumnarFormat;
use crate::io::write::sink::{Failure, Sink};

/// A Parquet or Arrow IPC file that is written a frame at a time.
pub(crate) struct ColumnarFile {
    encoder: Encoder,
    failure: Failure,
}

enum Encoder {
    Parquet(Box<BatchedWriter<Sink>>),
    Arrow(Box<ArrowFile>),
}

impl ColumnarFile {
    pub(crate) fn new(sink: Sink, format: ColumnarFormat, schema: &Schema, metadata: &Metadata) -> Result<Self> {
        let failure = sink.failure();
        let encoder = match format {
            ColumnarFormat::Parquet => ParquetWriter::new(sink)
                .with_key_value_metadata(Some(key_values(schema, metadata)))
                .with_compression(ParquetCompression::Zstd(None))
                .set_parallel(false)
                .batched(schema)
                .map(|writer| Encoder::Parquet(Box::new(writer))),
            ColumnarFormat::Arrow => ArrowFile::new(sink, schema, metadata).map(|file| Encoder::Arrow(Box::new(file))),
        };
        Ok(Self { encoder: encoder.map_err(|error| failure.explain(error))?, failure })
    }

    /// Writes a frame as one row group or record batch.
    pub(crate) fn write(&mut self, mut frame: DataFrame) -> Result<()> {
        frame.rechunk_mut();
        let result = match &mut self.encoder {
            Encoder::Parquet(writer) => writer.write_batch(&frame),
            Encoder::Arrow(file) => file.write(&frame),
        };
        result.map_err(|error| self.failure.explain(error))
    }

    pub(crate) fn finish(self) -> Result<()> {
        let result = match self.encoder {
            Encoder::Parquet(writer) => writer.finish().map(|_| ()),
            Encoder::Arrow(file) => file.finish(),
        };
        result.map_err(|error| self.failure.explain(error))
    }
}

/// What a Parquet file says of itself: `metadata`, and the Arrow types that it has. Those are the ones that old readers
/// know too, which stand for the same bytes.
fn key_values(schema: &Schema, metadata: &Metadata) -> KeyValueMetadata {
    let fields = schema.iter_fields().map(|field| with_signed_keys(field.to_arrow(CompatLevel::oldest())));
    let arrow_schema: ArrowSchema = fields.map(|field| (field.name.clone(), field)).collect();
    let KeyValue { key, value } = schema_to_metadata_key(&arrow_schema);
    let entries = metadata.iter().map(|(name, text)| (name.to_string(), text.to_string()));
    KeyValueMetadata::from_static([(key, value.unwrap_or_default())].into_iter().chain(entries).collect())
}

/// A field whose categories, if it has such, are numbered as old readers can hand them to pandas.
fn with_signed_keys(mut field: Field) -> Field {
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
struct ArrowFile {
    writer: FileWriter<Sink>,
    columns: Vec<ArrowColumn>,
    dictionaries: DictionaryTracker,
}

struct ArrowColumn {
    /// As the converter takes it, and as it is written.
    field: Field,
    written: Field,
    ipc_field: IpcField,
    /// Gives a category the same key in every batch.
    converter: ToArrowConverter,
}

const UNCOMPRESSED: WriteOptions = WriteOptions { compression: None };

impl ArrowFile {
    fn new(sink: Sink, schema: &Schema, metadata: &Metadata) -> PolarsResult<Self> {
        let fields: Vec<Field> = schema.iter_fields().map(|field| field.to_arrow(CompatLevel::oldest())).collect();
        let written: Vec<Field> = fields.iter().cloned().map(with_signed_keys).collect();
        let ipc_fields = default_ipc_fields(written.iter());
        let arrow_schema: ArrowSchema = written.iter().map(|field| (field.name.clone(), field.clone())).collect();
        let mut writer = FileWriter::try_new(sink, Arc::new(arrow_schema), Some(ipc_fields.clone()), UNCOMPRESSED)?;
        if !metadata.is_empty() {
            writer.set_custom_schema_metadata(Arc::new(metadata.iter().collect()));
        }
        let columns = fields
            .into_iter()
            .zip(written)
            .zip(ipc_fields)
            .zip(schema.iter_values())
            .map(|(((field, written), ipc_field), dtype)| ArrowColumn {
                field,
                written,
                ipc_field,
                converter: converter(dtype),
            })
            .collect();
        let dictionaries = DictionaryTracker { dictionaries: Default::default(), cannot_replace: false };
        Ok(Self { writer, columns, dictionaries })
    }

    /// Of a frame in one chunk.
    fn write(&mut self, frame: &DataFrame) -> PolarsResult<()> {
        let mut arrays: Vec<Box<dyn Array>> = Vec::with_capacity(self.columns.len());
        for (column, series) in self.columns.iter_mut().zip(frame.materialized_column_iter()) {
            for chunk in series.chunks() {
                let field = Cow::Borrowed(&column.field);
                let array = signed_keys(column.converter.array_to_arrow(chunk.as_ref(), series.dtype(), field)?)?;
                dictionaries_to_encode(&column.ipc_field, array.as_ref(), &mut self.dictionaries, &mut Vec::new())?;
                arrays.push(array);
            }
        }
        let schema = self.columns.iter().map(|column| (column.written.name.clone(), column.written.clone())).collect();
        let batch = RecordBatchT::try_new(frame.height(), Arc::new(schema), arrays)?;
        let mut message = EncodedData::default();
        encode_record_batch(&batch, &UNCOMPRESSED, &mut message);
        self.writer.write_encoded_record_batch(&message)
    }

    fn finish(mut self) -> PolarsResult<()> {
        let dictionaries: BTreeMap<_, _> = self.dictionaries.dictionaries.iter().collect();
        for (&id, values) in dictionaries {
            let message = encode_dictionary_values(id, values.as_ref(), &UNCOMPRESSED)?;
            self.writer.write_encoded_dictionaries(&[message])?;
        }
        self.writer.finish()
    }
}

fn converter(dtype: &DataType) -> ToArrowConverter {
    let mut categorical_converter = CategoricalToArrowConverter { converters: Default::default(), persist_remap: true };
    categorical_converter.initialize(dtype);
    ToArrowConverter { skip_attach_pl_metadata: true, categorical_converter }
}
