//! The header of a CSV text, and how the text is delimited.

use std::collections::HashSet;
use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::broken_off;
use super::parser::Dialect;
use super::records::{Read, Records};
use crate::io::encoding::Doubt;
use crate::io::error::{Error, Result};
use crate::io::options::ReadOptions;
use crate::io::read::column_selection::ColumnSelection;

/// What a text may be delimited by if nobody says so.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// The names of the columns.
#[derive(Debug)]
pub(super) struct Header {
    /// Without a name, a column is left out.
    columns: Vec<Option<String>>,
    /// Columns up to the last that has a name.
    named: usize,
}

impl Header {
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().flatten().map(String::as_str)
    }

    pub(super) fn name(&self, index: usize) -> Option<&str> {
        self.columns.get(index)?.as_deref()
    }

    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    pub(super) fn named(&self) -> usize {
        self.named
    }

    /// # Errors
    /// Names that are not UTF-8, or that are there twice.
    fn new<'a>(fields: impl Iterator<Item = &'a [u8]>, source: &Arc<str>, options: &ReadOptions) -> Result<Self> {
        let mut columns = Vec::new();
        let mut seen = HashSet::new();
        for (index, field) in fields.enumerate() {
            let Ok(name) = std::str::from_utf8(field) else {
                let note = Doubt::new(options.encoding).note(field);
                return Err(Error::HeaderNotUtf8 { name: source.clone(), note });
            };
            // The first may have none: it is an index that pandas wrote. Spreadsheets leave nameless ones behind.
            let is_named = index == 0 || !name.trim().is_empty();
            if is_named && !seen.insert(name.to_owned()) {
                return Err(Error::RepeatedColumn { name: source.clone(), column: name.to_owned() });
            }
            columns.push(is_named.then(|| name.to_owned()));
        }
        let named = columns.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        Ok(Self { columns, named })
    }
}

/// Reads the header, and finds out how the text is delimited: as the options say, else as a first line `sep=;` says,
/// else as the file's extension promises, if the header then has the columns that are asked for, else as it has them.
pub(super) fn read<R: BufRead>(
    records: &mut Records<R>,
    source: &Arc<str>,
    selection: &ColumnSelection,
    promised: u8,
    options: &ReadOptions,
) -> Result<(Dialect, Header)> {
    let csv = &options.csv;
    let mut dialect = Dialect {
        delimiter: csv.delimiter.unwrap_or(promised),
        quote: csv.quote,
        escape: csv.escape,
        ends_with_cr: records.ends_with_cr().map_err(|error| broken_off(source, 0, error))?,
    };
    let mut record = record(records, source, &dialect)?;
    let said = separator_line(records.raw());
    if let Some(said) = said {
        dialect.delimiter = csv.delimiter.unwrap_or(said);
        record = self::record(records, source, &dialect)?;
    }
    let first = parse(record, records, source, options);
    // However it is delimited.
    let is_too_long = matches!(first, Err(Error::HeaderTooLong { .. }));
    if is_too_long || csv.delimiter.is_some() || said.is_some() {
        let header = first?;
        selection.check(source, header.names())?;
        return Ok((dialect, header));
    }
    let fits = |header: &Result<Header>| {
        header.as_ref().is_ok_and(|header| {
            selection.check(source, header.names()).is_ok() && (selection.needs_question || header.len() > 1)
        })
    };
    if fits(&first) {
        return Ok((dialect, first?));
    }
    // Without the columns, the one that makes most of the header is the one to complain of.
    let mut best = (dialect.delimiter, first);
    for delimiter in DELIMITERS.into_iter().filter(|delimiter| *delimiter != promised) {
        records.again();
        let tried = Dialect { delimiter, ..dialect };
        let record = self::record(records, source, &tried)?;
        let header = parse(record, records, source, options);
        let is_better = fits(&header) || header.as_ref().is_ok_and(|header| columns(&best.1) < header.len());
        if is_better {
            let fits = fits(&header);
            best = (delimiter, header);
            if fits {
                break;
            }
        }
    }
    if best.0 != promised && !selection.announced.swap(true, Ordering::Relaxed) {
        tracing::warn!("{source}: taken as separated by {}, as its header looks", delimiter_name(best.0));
    }
    records.again();
    dialect.delimiter = best.0;
    self::record(records, source, &dialect)?;
    let header = best.1?;
    selection.check(source, header.names())?;
    Ok((dialect, header))
}

/// How much is made of a header. What is wrong with it but for its quotes, is wrong.
fn columns(header: &Result<Header>) -> usize {
    match header {
        Ok(header) => header.len(),
        Err(Error::HeaderQuotes { .. }) => 0,
        Err(_) => usize::MAX,
    }
}

fn record<R: BufRead>(records: &mut Records<R>, source: &Arc<str>, dialect: &Dialect) -> Result<Read> {
    let record = records.next(dialect, usize::MAX).map_err(|error| broken_off(source, 0, error))?;
    record.ok_or_else(|| Error::NoHeader(source.clone()))
}

fn parse<R: BufRead>(record: Read, records: &Records<R>, source: &Arc<str>, options: &ReadOptions) -> Result<Header> {
    match record {
        Read::Whole => Header::new(records.fields(), source, options),
        Read::TooLong => Err(Error::HeaderTooLong { name: source.clone(), limit: records.limit }),
        Read::Fault { line, .. } => Err(Error::HeaderQuotes { name: source.clone(), line }),
    }
}

/// What a first line like `sep=;` says, which Excel writes and reads.
fn separator_line(line: &[u8]) -> Option<u8> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    match line {
        [s, e, p, b'=', separator] if [*s, *e, *p].eq_ignore_ascii_case(b"sep") => Some(*separator),
        _ => None,
    }
}

/// For messages.
pub(super) fn delimiter_name(delimiter: u8) -> String {
    match delimiter {
        b',' => "a comma".to_owned(),
        b';' => "a semicolon".to_owned(),
        b'\t' => "a tab".to_owned(),
        other => format!("`{}`", char::from(other)),
    }
}
