//! A row group, a slice of rows at a time.

use std::io::Cursor;
use std::ops::Range;

use polars::prelude::{Column, DataFrame, IntoColumn, PolarsResult, Series};
use polars_arrow::datatypes::Field;
use polars_buffer::Buffer;
use polars_parquet::parquet::read::PageMetaData;
use polars_parquet::parquet::schema::types::{PhysicalType, PrimitiveType};
use polars_parquet::read::{
    BasicDecompressor, ColumnChunkMetadata, Filter, PageReader, RowGroupMetadata, column_iter_to_arrays,
};

use super::pages::{Encoded, Pages, in_column};
use crate::io::read::columnar::decoder::damaged;
use crate::io::read::columnar::memory;
use crate::io::source::Blob;

/// A slice holds about this much, unless a single row is larger.
const SLICE_BYTES: usize = 16 << 20;

/// What a decoded text takes besides itself; no number takes more.
const VIEW_BYTES: usize = 16;

/// A row group whose pages are found.
pub(super) struct RowGroup {
    columns: Vec<GroupColumn>,
    rows: usize,
    /// Rows given so far.
    next: usize,
    /// The most rows of a slice.
    step: usize,
}

struct GroupColumn {
    field: Field,
    types: Vec<PrimitiveType>,
    pages: ColumnPages,
}

enum ColumnPages {
    /// A value is a row: a slice needs the pages that have its rows.
    Flat {
        pages: Box<Pages>,
        /// Those that the last slice needed, with what they have.
        held: Option<(Range<usize>, Held)>,
    },
    /// Of each part all pages: in which a row is, is known when those before it are decoded.
    Nested(Vec<Held>),
}

struct Held {
    bytes: Buffer<u8>,
    metadata: PageMetaData,
    first: usize,
}

impl From<Encoded> for Held {
    fn from(Encoded { bytes, metadata, values }: Encoded) -> Self {
        Self { bytes: Buffer::from_vec(bytes), metadata, first: values.start }
    }
}

impl RowGroup {
    /// Finds the pages of the columns `fields`.
    pub(super) fn open(file: &mut Blob, group: &RowGroupMetadata, fields: &[Field]) -> PolarsResult<Self> {
        let rows = group.num_rows();
        let (mut columns, mut bytes, mut row_bytes) = (Vec::new(), 0usize, 1);
        for field in fields {
            let leaves: Vec<_> = group.columns_under_root_iter(&field.name).into_iter().flatten().collect();
            let types = leaves.iter().map(|leaf| leaf.descriptor().descriptor.primitive_type.clone()).collect();
            let mut pages = leaves.iter().map(|leaf| Pages::find(file, leaf)).collect::<PolarsResult<Vec<_>>>()?;
            let is_flat = leaves.len() == 1 && !field.dtype.is_nested();
            for (leaf, pages) in leaves.iter().zip(&pages) {
                let values = usize::try_from(leaf.num_values()).unwrap_or_default();
                bytes = bytes.saturating_add(pages.unpacked().max(values.saturating_mul(fixed_length(leaf))));
                row_bytes = row_bytes.max(pages.longest_prefixed());
                // The decoder of nested columns makes room for all values at once, that of others for those of a slice.
                let at_once = if is_flat { 1 } else { values };
                let room = at_once.saturating_mul(fixed_length(leaf).max(VIEW_BYTES));
                memory::check(room as u64).map_err(in_column(&field.name))?;
            }
            let pages = match pages.pop() {
                Some(pages) if is_flat => ColumnPages::Flat { pages: Box::new(pages), held: None },
                Some(last) => {
                    let all = pages.into_iter().chain([last]).map(|pages| pages.read_all(file).map(Held::from));
                    ColumnPages::Nested(all.collect::<PolarsResult<_>>()?)
                }
                None => return Err(damaged(format!("column `{}` is missing", field.name))),
            };
            columns.push(GroupColumn { field: field.clone(), types, pages });
        }
        let row_bytes = row_bytes.max(bytes / rows.max(1));
        Ok(Self { columns, rows, next: 0, step: (SLICE_BYTES / row_bytes).max(1) })
    }

    /// The next rows, at most `most`; `None` after the last.
    pub(super) fn next(&mut self, file: &mut Blob, most: usize) -> PolarsResult<Option<DataFrame>> {
        if self.next == self.rows {
            return Ok(None);
        }
        let rows = self.next..self.rows.min(self.next.saturating_add(self.step.min(most)));
        self.next = rows.end;
        let columns = self.columns.iter_mut().map(|column| column.read(file, &rows));
        let columns = columns.collect::<PolarsResult<Vec<_>>>()?;
        DataFrame::new(rows.len(), columns).map(Some)
    }
}

/// Bytes of each value of a column where all have one length, which those that are null take too once they are decoded.
fn fixed_length(column: &ColumnChunkMetadata) -> usize {
    match column.physical_type() {
        PhysicalType::FixedLenByteArray(length) => length,
        _ => 0,
    }
}

impl GroupColumn {
    fn read(&mut self, file: &mut Blob, rows: &Range<usize>) -> PolarsResult<Column> {
        let (held, first) = match &mut self.pages {
            ColumnPages::Flat { pages, held } => {
                let wanted = pages.with_values(rows);
                if held.as_ref().is_none_or(|(pages, _)| *pages != wanted) {
                    // What is not needed any more goes before more comes.
                    *held = None;
                    *held = Some((wanted.clone(), pages.read(file, wanted)?.into()));
                }
                let held = held.iter().map(|(_, held)| held).collect::<Vec<_>>();
                let first = held.first().map_or(0, |held| held.first);
                (held, first)
            }
            ColumnPages::Nested(all) => (all.iter().collect(), 0),
        };
        let rows = rows.start - first..rows.end - first;
        decode(&self.field, &self.types, &held, rows).map_err(in_column(&self.field.name))
    }
}

/// The values of these rows, counted from the first in the pages.
fn decode(field: &Field, types: &[PrimitiveType], pages: &[&Held], rows: Range<usize>) -> PolarsResult<Column> {
    let count = rows.len();
    let pages = pages.iter().map(|held| {
        let reader = Cursor::new(held.bytes.clone());
        let reader = PageReader::new_with_page_meta(reader, held.metadata.clone(), Vec::new(), usize::MAX);
        BasicDecompressor::new(reader, Vec::new())
    });
    let filter = Filter::new_ranged(rows.start, rows.end);
    let (arrays, _) = column_iter_to_arrays(pages.collect(), types.iter().collect(), field.clone(), Some(filter))?;
    let values = Series::try_from((field, arrays))?;
    if values.len() != count {
        return Err(damaged(format!("{} values are there of {count} rows", values.len())));
    }
    Ok(values.into_column())
}
