//! Rows through readers and writers that the caller has.

use std::io::{Read, Write};

use anyhow::{Context, bail};

use super::compression;
use super::format::InputFormat;
use super::input::{ReadOptions, Rows, text_rows};
use super::output::{self, RowWriter, WriteOptions};
use super::selection::Selection;

/// The rows of a text that `reader` gives, compressed or not, a row at a time; `name` is what messages call it.
///
/// # Errors
/// A format that is not text, a text that cannot be read, a CSV header without a column that is asked for.
pub fn read_stream(
    reader: impl Read + Send + 'static,
    name: &str,
    format: InputFormat,
    options: &ReadOptions,
) -> anyhow::Result<Rows> {
    if format.is_typed() {
        bail!("{name}: Parquet and Arrow cannot be read as a stream");
    }
    let text = compression::decode(reader).with_context(|| format!("cannot read {name}"))?;
    text_rows(text, name.into(), format, options, &Selection::new(options, true))
}

/// Writes rows as JSON Lines.
///
/// # Errors
/// If `writer` cannot be written to.
pub fn write_stream(writer: impl Write + Send + 'static, options: &WriteOptions) -> anyhow::Result<Box<dyn RowWriter>> {
    Ok(output::jsonl(Box::new(writer), options)?)
}
