//! Whether the metadata of a file agree with each other and with its size.

use polars::prelude::{PolarsError, PolarsResult};
use polars_parquet::read::{ColumnChunkMetadata, FileMetadata, RowGroupMetadata};

use crate::io::read::columnar::decoder::damaged;

/// Checks all row groups; `length` is the file's.
pub(super) fn check(metadata: &FileMetadata, length: u64) -> PolarsResult<()> {
    for (index, group) in metadata.row_groups.iter().enumerate() {
        for column in group.parquet_columns() {
            check_column(group, column, length).map_err(|error| in_group(index + 1, error))?;
        }
    }
    let mut groups = metadata.row_groups.iter().map(RowGroupMetadata::num_rows);
    let rows = groups.try_fold(0, usize::checked_add);
    if rows != Some(metadata.num_rows) {
        let rows = rows.map_or("too many".to_owned(), |rows| rows.to_string());
        return Err(damaged(format!("the file says that it has {} rows, its row groups {rows}", metadata.num_rows)));
    }
    Ok(())
}

fn check_column(group: &RowGroupMetadata, column: &ColumnChunkMetadata, length: u64) -> PolarsResult<()> {
    let wrong = |what: String| damaged(format!("column `{}` {what}", name(column)));
    let (rows, values) = (group.num_rows(), column.num_values());
    // Of a list, each value counts, and so does a list that is empty or missing.
    let is_repeated = column.descriptor().descriptor.max_rep_level > 0;
    match usize::try_from(values) {
        Ok(values) if values == rows || (is_repeated && values > rows) => {}
        _ => return Err(wrong(format!("has {values} values, and the row group {rows} rows"))),
    }
    match chunk(column) {
        Some((begin, end)) if begin <= end && end <= length => Ok(()),
        _ => Err(wrong("lies outside of the file".to_owned())),
    }
}

/// Where the pages of a column begin and end in the file; `None` if that cannot be.
pub(super) fn chunk(column: &ColumnChunkMetadata) -> Option<(u64, u64)> {
    let data = column.data_page_offset();
    // Some writers have it behind the data, or at 0, where there is none.
    let dictionary = column.dictionary_page_offset().filter(|&offset| offset != 0 && offset < data);
    let begin = u64::try_from(dictionary.unwrap_or(data)).ok()?;
    Some((begin, begin.checked_add(u64::try_from(column.compressed_size()).ok()?)?))
}

/// The column's name; of a part of a nested column the path to it.
pub(super) fn name(column: &ColumnChunkMetadata) -> String {
    column.descriptor().path_in_schema.iter().map(|part| part.as_str()).collect::<Vec<_>>().join(".")
}

/// Says in which row group an error is; `number` is from 1.
pub(super) fn in_group(number: usize, error: PolarsError) -> PolarsError {
    error.wrap_msg(|message| format!("row group {number}: {message}"))
}
