//! Rows of the text formats.

use std::collections::HashSet;
use std::io::{self, BufRead, Read};
use std::sync::Arc;

use super::column_selection::ColumnSelection;
use super::csv::CsvRows;
use super::json::JsonRows;
use super::jsonl::JsonlRows;
use super::metered::Metered;
use crate::io::error::{Error, Result};
use crate::io::format::{InputFormat, Layout, TextFormat};
use crate::io::options::ReadOptions;
use crate::io::row::{InputRow, Record, Rows};
use crate::io::source::compression::{self, Accepted};

/// The rows of a text that `reader` gives, a row at a time, compressed with gzip or Zstandard or not; `name` is what
/// messages call it.
///
/// # Errors
/// A format that is not text, a text that cannot be read, a CSV header without a column that is asked for.
pub fn read_stream(
    reader: impl Read + Send + 'static,
    name: &str,
    format: InputFormat,
    options: &ReadOptions,
) -> Result<Rows> {
    read_metered(reader, name, format, options, |_| Ok(()))
}

/// As [`read_stream`]. `meter` is told of all bytes of the text, decompressed, as they are read ahead of a row; an error
/// of its ends the rows.
///
/// # Errors
/// As [`read_stream`].
pub fn read_metered(
    reader: impl Read + Send + 'static,
    name: &str,
    format: InputFormat,
    options: &ReadOptions,
    meter: impl FnMut(usize) -> io::Result<()> + Send + 'static,
) -> Result<Rows> {
    let name: Arc<str> = name.into();
    let Layout::Text(text_format) = format.layout() else { return Err(Error::NotStreamable { name, format }) };
    let text = compression::decode(reader, options.encoding, Accepted::Bodies)
        .map_err(|source| Error::Read { name: name.clone(), source })?;
    let text = Box::new(Metered::new(text, meter));
    let rows = rows(text, name, text_format, options, &ColumnSelection::new(options, true, HashSet::new()))?;
    Ok(Box::new(until_error(rows)))
}

/// A reader that fails may go on when it is asked again, with what is no row any more.
fn until_error(mut rows: Rows) -> impl Iterator<Item = Result<InputRow>> + Send {
    let mut failed = false;
    std::iter::from_fn(move || {
        let row = if failed { None } else { rows.next() };
        failed = row.as_ref().is_none_or(Result::is_err);
        row
    })
}

/// The rows of a decompressed text.
pub(crate) fn rows(
    text: Box<dyn BufRead + Send>,
    name: Arc<str>,
    format: TextFormat,
    options: &ReadOptions,
    selection: &Arc<ColumnSelection>,
) -> Result<Rows> {
    let selection = selection.clone();
    Ok(match format {
        TextFormat::Jsonl => Box::new(JsonlRows::new(text, name, selection, options)),
        TextFormat::Delimited(delimiter) => Box::new(CsvRows::new(text, name, selection, delimiter, options)?),
        TextFormat::Json => Box::new(JsonRows::new(text, name, selection, options)?),
    })
}

/// What the beginning of a text says of its columns.
pub(crate) struct Beginning {
    /// Those in a CSV header, or in the first row of another text.
    pub(crate) names: Vec<String>,
    /// Whether the first row was part of a larger value.
    pub(crate) has_parts: bool,
}

/// Reads no more than the beginning of a text.
pub(crate) fn beginning(
    text: Box<dyn BufRead + Send>,
    name: Arc<str>,
    format: TextFormat,
    options: &ReadOptions,
    selection: &Arc<ColumnSelection>,
) -> Result<Beginning> {
    let selection = selection.clone();
    let (first, has_parts) = match format {
        TextFormat::Delimited(delimiter) => {
            let rows = CsvRows::new(text, name, selection, delimiter, options)?;
            return Ok(Beginning { names: rows.columns().map(str::to_owned).collect(), has_parts: false });
        }
        TextFormat::Jsonl => {
            let mut rows = JsonlRows::new(text, name, selection, options);
            (rows.next(), rows.was_part())
        }
        TextFormat::Json => {
            let mut rows = JsonRows::new(text, name, selection, options)?;
            (rows.next(), rows.was_part())
        }
    };
    let names = match first.transpose()? {
        Some(InputRow { record: Record::Fields(fields), .. }) => fields.into_keys().collect(),
        Some(InputRow { record: Record::Columnar { .. }, .. }) | None => Vec::new(),
    };
    Ok(Beginning { names, has_parts })
}
