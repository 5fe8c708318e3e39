//! Parquet: rows out of a file, a bounded slice of a row group at a time.
//!
//! What a file says of itself is held against itself before memory is asked for: its metadata when it is opened
//! ([`checks`]), the pages of a row group before its first row ([`pages`]). A page is decompressed here, with its
//! checksum and its size checked, and decoded by polars, which does neither.

mod checks;
mod compression;
mod footer;
mod group;
mod header;
mod pages;

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::sync::Arc;

use polars::prelude::{ArrowDataType, ArrowSchema, DataFrame, PolarsResult};
use polars_parquet::parquet::schema::types::{ParquetType, PrimitiveConvertedType, PrimitiveLogicalType};
use polars_parquet::read::schema::parquet_to_arrow_schema;
use polars_parquet::read::{FileMetadata, infer_schema, read_metadata};
use polars_parquet::write::schema_to_metadata_key;

use self::group::RowGroup;
use super::decoder::{guarded, storage};

/// A Parquet file whose metadata has been read.
pub(super) struct ParquetFile {
    metadata: FileMetadata,
    /// What its columns are stored as.
    schema: Arc<ArrowSchema>,
    /// What they are decoded as.
    decoded: ArrowSchema,
}

impl ParquetFile {
    pub(super) fn open(file: &mut File) -> PolarsResult<Self> {
        footer::check(file)?;
        let mut metadata = read_metadata(file)?;
        checks::check(&metadata, file.seek(SeekFrom::End(0))?)?;
        let (schema, is_known) = match guarded(|| infer_schema(&metadata)) {
            Ok(schema) => (schema, true),
            // Its writer's Arrow types are newer than that: there are still Parquet's own.
            Err(_) => (parquet_to_arrow_schema(metadata.schema_descr.fields()), false),
        };
        let mut stored = schema.iter_values().map(storage).map(|field| (field.name.clone(), field)).collect();
        json_is_text(&metadata, &mut stored);
        if !is_known || stored != schema {
            // The decoder's schema goes by what the file says.
            let said = schema_to_metadata_key(&stored);
            let entries = metadata.key_value_metadata.get_or_insert_default();
            entries.retain(|entry| entry.key != said.key);
            entries.push(said);
        }
        let decoded = infer_schema(&metadata)?;
        Ok(Self { metadata, schema: Arc::new(stored), decoded })
    }

    pub(super) fn schema(&self) -> &Arc<ArrowSchema> {
        &self.schema
    }

    /// What the file says of itself.
    pub(super) fn metadata(&self) -> Vec<(String, String)> {
        let entries = self.metadata.key_value_metadata.iter().flatten();
        entries.filter_map(|entry| Some((entry.key.clone(), entry.value.clone()?))).collect()
    }

    pub(super) fn rows(&self) -> u64 {
        self.metadata.num_rows as u64
    }

    /// Row group by row group, each in slices of at most `chunk_rows`, with the columns `names`.
    pub(super) fn chunks(
        self,
        file: File,
        names: &[String],
        chunk_rows: usize,
    ) -> impl Iterator<Item = PolarsResult<DataFrame>> + Send + use<> {
        let Self { metadata, decoded, .. } = self;
        let fields: Vec<_> =
            decoded.iter_values().filter(|field| names.iter().any(|name| *name == field.name)).cloned().collect();
        let (mut next, mut current) = (0, None::<RowGroup>);
        std::iter::from_fn(move || {
            loop {
                let number = next;
                let slice = guarded(|| match &mut current {
                    Some(group) => group.next(&file, chunk_rows),
                    None => Ok(None),
                });
                if let Some(slice) = slice.transpose() {
                    return Some(slice.map_err(|error| checks::in_group(number, error)));
                }
                let group = metadata.row_groups.get(next)?;
                next += 1;
                match guarded(|| RowGroup::open(&file, group, &fields)) {
                    Ok(group) => current = Some(group),
                    Err(error) => return Some(Err(checks::in_group(next, error))),
                }
            }
        })
    }
}

/// JSON and enumerations are text, which Parquet says in another way than of other text.
fn json_is_text(metadata: &FileMetadata, schema: &mut ArrowSchema) {
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
