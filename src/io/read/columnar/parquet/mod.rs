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

use std::io::{Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use polars::prelude::{ArrowDataType, ArrowSchema, DataFrame, PolarsResult};
use polars_parquet::parquet::schema::types::{ParquetType, PrimitiveConvertedType, PrimitiveLogicalType};
use polars_parquet::read::schema::parquet_to_arrow_schema;
use polars_parquet::read::{FileMetadata, RowGroupMetadata, infer_schema, read_metadata};
use polars_parquet::write::schema_to_metadata_key;

use self::group::RowGroup;
use super::decoder::{guarded, storage};
use crate::io::source::{Blob, Extent};

/// A Parquet file whose metadata has been read.
pub(super) struct ParquetFile {
    metadata: FileMetadata,
    /// The row groups that are read.
    groups: Range<usize>,
    /// What its columns are stored as.
    schema: Arc<ArrowSchema>,
    /// What they are decoded as.
    decoded: ArrowSchema,
}

impl ParquetFile {
    pub(super) fn open(file: &mut Blob, extent: &Extent) -> PolarsResult<Self> {
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
        let groups = groups(&metadata.row_groups, extent);
        Ok(Self { metadata, groups, schema: Arc::new(stored), decoded })
    }

    pub(super) fn schema(&self) -> &Arc<ArrowSchema> {
        &self.schema
    }

    /// What the file says of itself.
    pub(super) fn metadata(&self) -> Vec<(String, String)> {
        let entries = self.metadata.key_value_metadata.iter().flatten();
        entries.filter_map(|entry| Some((entry.key.clone(), entry.value.clone()?))).collect()
    }

    /// Rows before those that are read.
    pub(super) fn first(&self) -> u64 {
        count(&self.metadata.row_groups[..self.groups.start])
    }

    /// Rows that are read.
    pub(super) fn rows(&self) -> u64 {
        count(&self.metadata.row_groups[self.groups.clone()])
    }

    /// Row group by row group, each in slices of at most `chunk_rows`, with the columns `names`.
    pub(super) fn chunks(
        self,
        mut file: Blob,
        names: &[String],
        chunk_rows: usize,
    ) -> impl Iterator<Item = PolarsResult<DataFrame>> + Send + use<> {
        let Self { metadata, groups, decoded, .. } = self;
        let fields: Vec<_> =
            decoded.iter_values().filter(|field| names.iter().any(|name| *name == field.name)).cloned().collect();
        let (mut next, mut current) = (groups.start, None::<RowGroup>);
        std::iter::from_fn(move || {
            loop {
                let number = next;
                let slice = guarded(|| match &mut current {
                    Some(group) => group.next(&mut file, chunk_rows),
                    None => Ok(None),
                });
                if let Some(slice) = slice.transpose() {
                    return Some(slice.map_err(|error| checks::in_group(number, error)));
                }
                let group = metadata.row_groups[..groups.end].get(next)?;
                next += 1;
                match guarded(|| RowGroup::open(&mut file, group, &fields)) {
                    Ok(group) => current = Some(group),
                    Err(error) => return Some(Err(checks::in_group(next, error))),
                }
            }
        })
    }
}

/// The row groups that begin where `extent` says. Where they do not lie in order, each begins with the one before it.
fn groups(all: &[RowGroupMetadata], extent: &Extent) -> Range<usize> {
    let mut starts: Vec<u64> = all.iter().map(start).collect();
    for next in 1..starts.len() {
        starts[next] = starts[next].max(starts[next - 1]);
    }
    let before = |place: u64| starts.partition_point(|start| *start < place);
    match extent {
        Extent::Whole => 0..all.len(),
        Extent::Within(range) => before(range.start)..before(range.end),
        Extent::Nothing => 0..0,
    }
}

/// Where a row group begins.
fn start(group: &RowGroupMetadata) -> u64 {
    group.parquet_columns().iter().map(|column| column.byte_range().start).min().unwrap_or_default()
}

fn count(groups: &[RowGroupMetadata]) -> u64 {
    groups.iter().map(|group| group.num_rows() as u64).sum()
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
