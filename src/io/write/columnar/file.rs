use polars::prelude::{CompatLevel, DataFrame, Schema, SchemaExt};
use polars_arrow::datatypes::ArrowSchema;
use polars_io::parquet::write::{BatchedWriter, KeyValueMetadata, ParquetCompression, ParquetWriter};
use polars_parquet::write::{KeyValue, schema_to_metadata_key};

use super::arrow::{ArrowFile, ArrowStream, with_signed_keys};
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
    ArrowStream(Box<ArrowStream>),
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
            ColumnarFormat::ArrowStream => {
                ArrowStream::new(sink, schema, metadata).map(|stream| Encoder::ArrowStream(Box::new(stream)))
            }
        };
        Ok(Self { encoder: encoder.map_err(|error| failure.explain(error))?, failure })
    }

    /// Writes a frame as one row group or record batch.
    pub(crate) fn write(&mut self, mut frame: DataFrame) -> Result<()> {
        frame.rechunk_mut();
        let result = match &mut self.encoder {
            Encoder::Parquet(writer) => writer.write_batch(&frame),
            Encoder::Arrow(file) => file.write(&frame),
            Encoder::ArrowStream(stream) => stream.write(&frame),
        };
        result.map_err(|error| self.failure.explain(error))
    }

    pub(crate) fn finish(self) -> Result<()> {
        let result = match self.encoder {
            Encoder::Parquet(writer) => writer.finish().map(|_| ()),
            Encoder::Arrow(file) => file.finish(),
            Encoder::ArrowStream(stream) => stream.finish(),
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
