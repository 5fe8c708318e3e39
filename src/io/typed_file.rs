use std::collections::BTreeMap;
use std::sync::Arc;

use polars::io::parquet::write::BatchedWriter;
use polars::prelude::{CompatLevel, DataFrame, ParquetCompression, ParquetWriter, Schema, SchemaExt};
use polars_arrow::datatypes::ArrowSchema;
use polars_arrow::io::ipc::IpcField;
use polars_arrow::io::ipc::write::{
    DictionaryTracker, EncodedData, FileWriter, WriteOptions, default_ipc_fields, dictionaries_to_encode,
    encode_dictionary_values, encode_record_batch,
};

use super::format::OutputFormat;
use super::target::{Sink, polars_error};

/// A Parquet or Arrow IPC file that is written a frame at a time.
pub(super) enum TypedFile {
    Parquet(Box<BatchedWriter<Sink>>),
    Arrow(Box<ArrowFile>),
}

impl TypedFile {
    pub(super) fn new(sink: Sink, format: OutputFormat, schema: &Schema) -> anyhow::Result<Self> {
        Ok(match format {
            OutputFormat::Parquet => {
                let writer = ParquetWriter::new(sink)
                    .with_compression(ParquetCompression::Zstd(None))
                    .set_parallel(false)
                    .batched(schema)
                    .map_err(polars_error)?;
                Self::Parquet(Box::new(writer))
            }
            _ => Self::Arrow(Box::new(ArrowFile::new(sink, schema)?)),
        })
    }

    /// Writes a frame as one row group or record batch.
    pub(super) fn write(&mut self, mut frame: DataFrame) -> anyhow::Result<()> {
        frame.rechunk_mut();
        match self {
            Self::Parquet(writer) => writer.write_batch(&frame).map_err(polars_error),
            Self::Arrow(file) => file.write(&frame),
        }
    }

    pub(super) fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Parquet(writer) => writer.finish().map(|_| ()).map_err(polars_error),
            Self::Arrow(file) => file.finish(),
        }
    }
}

/// An Arrow IPC file whose dictionaries are written last.
///
/// The file format has one dictionary a column, but categories are met one batch after the other; so the batches go
/// first (the footer says where everything is) and the dictionaries follow, when they are whole.
pub(super) struct ArrowFile {
    writer: FileWriter<Sink>,
    fields: Vec<IpcField>,
    dictionaries: DictionaryTracker,
}

const UNCOMPRESSED: WriteOptions = WriteOptions { compression: None };

impl ArrowFile {
    fn new(sink: Sink, schema: &Schema) -> anyhow::Result<Self> {
        let fields = schema.iter_fields().map(|field| field.to_arrow(CompatLevel::newest()));
        let schema: ArrowSchema = fields.map(|field| (field.name.clone(), field)).collect();
        let fields = default_ipc_fields(schema.iter_values());
        let writer = FileWriter::try_new(sink, Arc::new(schema), Some(fields.clone()), UNCOMPRESSED);
        let dictionaries = DictionaryTracker { dictionaries: Default::default(), cannot_replace: false };
        Ok(Self { writer: writer.map_err(polars_error)?, fields, dictionaries })
    }

    fn write(&mut self, frame: &DataFrame) -> anyhow::Result<()> {
        for batch in frame.iter_chunks(CompatLevel::newest(), false) {
            for (field, array) in self.fields.iter().zip(batch.arrays()) {
                dictionaries_to_encode(field, array.as_ref(), &mut self.dictionaries, &mut Vec::new())
                    .map_err(polars_error)?;
            }
            let mut message = EncodedData::default();
            encode_record_batch(&batch, &UNCOMPRESSED, &mut message);
            self.writer.write_encoded_record_batch(&message).map_err(polars_error)?;
        }
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<()> {
        let dictionaries: BTreeMap<_, _> = self.dictionaries.dictionaries.iter().collect();
        for (&id, values) in dictionaries {
            let message = encode_dictionary_values(id, values.as_ref(), &UNCOMPRESSED).map_err(polars_error)?;
            self.writer.write_encoded_dictionaries(&[message]).map_err(polars_error)?;
        }
        self.writer.finish().map_err(polars_error)
    }
}
