//! Rows of the text formats.

use std::io::{BufRead, Read};
use std::sync::Arc;

use super::column_selection::ColumnSelection;
use super::csv::CsvRows;
use super::json;
use super::jsonl::JsonlRows;
use crate::io::error::{Error, Result};
use crate::io::format::{InputFormat, Layout, TextFormat};
use crate::io::options::ReadOptions;
use crate::io::row::{InputRow, Record, Rows};
use crate::io::source::compression;

/// The rows of a text that `reader` gives, compressed or not, a row at a time; `name` is what messages call it.
///
/// # Errors
/// A format that is not text, a text that cannot be read, a CSV header without a column that is asked for.
pub fn read_stream(
    reader: impl Read + Send + 'static,
    name: &str,
    format: InputFormat,
    options: &ReadOptions,
) -> Result<Rows> {
    let name: Arc<str> = name.into();
    let Layout::Text(text_format) = format.layout() else { return Err(Error::NotStreamable { name, format }) };
    let text = compression::decode(reader).map_err(|source| Error::Read { name: name.clone(), source })?;
    rows(text, name, text_format, options, &ColumnSelection::new(options, true))
}

/// The rows of a decompressed text.
pub(crate) fn rows(
    text: Box<dyn BufRead + Send>,
    name: Arc<str>,
    format: TextFormat,
    options: &ReadOptions,
    selection: &Arc<ColumnSelection>,
) -> Result<Rows> {
    let (selection, limit) = (selection.clone(), options.max_line_bytes);
    Ok(match format {
        TextFormat::Jsonl => Box::new(JsonlRows::new(text, name, selection, limit)),
        TextFormat::Csv => Box::new(CsvRows::new(text, name, selection, limit)?),
        TextFormat::Squad => Box::new(json::rows(text, name, selection)?.map(Ok)),
    })
}

/// Names of the columns that a text begins with: those in a CSV header, or in the first row of another text.
pub(crate) fn first_names(
    text: Box<dyn BufRead + Send>,
    name: Arc<str>,
    format: TextFormat,
    options: &ReadOptions,
    selection: &Arc<ColumnSelection>,
) -> Result<Vec<String>> {
    match format {
        TextFormat::Csv => {
            let rows = CsvRows::new(text, name, selection.clone(), options.max_line_bytes)?;
            Ok(rows.columns().map(str::to_owned).collect())
        }
        TextFormat::Jsonl | TextFormat::Squad => {
            Ok(match rows(text, name, format, options, selection)?.next().transpose()? {
                Some(InputRow { record: Record::Fields(fields), .. }) => fields.into_keys().collect(),
                Some(InputRow { record: Record::Columnar { .. }, .. }) | None => Vec::new(),
            })
        }
    }
}
