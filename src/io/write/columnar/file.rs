use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use polars::io::parquet::write::BatchedWriter;
use polars::prelude::{
    CompatLevel, DataFrame, DataType, ParquetCompression, ParquetWriter, PolarsResult, Schema, SchemaExt,
};
use polars::series::arrow_export::ToArrowConverter;
use polars::series::arrow_export::categorical::CategoricalToArrowConverter;
use polars_arrow::array::Array;
use polars_arrow::datatypes::{ArrowSchema, Field};
use polars_arrow::io::ipc::IpcField;
use polars_arrow::io::ipc::write::{
    DictionaryTracker, EncodedData, FileWriter, WriteOptions, default_ipc_fields, dictionaries_to_encode,
    encode_dictionary_values, encode_record_batch,
};
use polars_arrow::record_batch::RecordBatchT;

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
    pub(crate) fn new(sink: Sink, format: ColumnarFormat, schema: &Schema) -> Result<Self> {
        let failure = sink.failure();
        let encoder = match format {
            ColumnarFormat::Parquet => ParquetWriter::new(sink)
                .with_compression(ParquetCompression::Zstd(None))
                .set_parallel(false)
                .batched(schema)
                .map(|writer| Encoder::Parquet(Box::new(writer))),
            ColumnarFormat::Arrow => ArrowFile::new(sink, schema).map(|file| Encoder::Arrow(Box::new(file))),
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
    field: Field,
    ipc_field: IpcField,
    /// Gives a category the same key in every batch.
    converter: ToArrowConverter,
}

const UNCOMPRESSED: WriteOptions = WriteOptions { compression: None };

impl ArrowFile {
    fn new(sink: Sink, schema: &Schema) -> PolarsResult<Self> {
        let fields: Vec<Field> = schema.iter_fields().map(|field| field.to_arrow(CompatLevel::newest())).collect();
        let ipc_fields = default_ipc_fields(fields.iter());
        let arrow_schema: ArrowSchema = fields.iter().map(|field| (field.name.clone(), field.clone())).collect();
        let writer = FileWriter::try_new(sink, Arc::new(arrow_schema), Some(ipc_fields.clone()), UNCOMPRESSED)?;
        let columns = fields
            .into_iter()
            .zip(ipc_fields)
            .zip(schema.iter_values())
            .map(|((field, ipc_field), dtype)| ArrowColumn { field, ipc_field, converter: converter(dtype) })
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
                let array = column.converter.array_to_arrow(chunk.as_ref(), series.dtype(), field)?;
                dictionaries_to_encode(&column.ipc_field, array.as_ref(), &mut self.dictionaries, &mut Vec::new())?;
                arrays.push(array);
            }
        }
        let schema = self.columns.iter().map(|column| (column.field.name.clone(), column.field.clone())).collect();
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
