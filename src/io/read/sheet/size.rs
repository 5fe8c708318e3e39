//! How large a workbook is when it is unpacked: a few kilobytes can stand for any number of cells.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::sync::Arc;

use quick_xml::events::{BytesStart, Event};
use zip::ZipArchive;

use crate::io::error::{Error, Result};
use crate::io::format::SheetFormat;

/// The most that a workbook takes when it is unpacked, in bytes.
pub(super) const LIMIT: u64 = 512 << 20;
/// A cell of an OpenDocument sheet takes about this in memory, in bytes.
const CELL: u64 = 64;
/// A string takes at least this in memory, in bytes.
const STRING: u64 = 24;
/// Sheets have no more of them.
const ROWS: u64 = 1 << 20;
const COLUMNS: u64 = 1 << 14;

/// Refuses a workbook that is larger than [`LIMIT`].
pub(super) fn check(file: &File, name: &Arc<str>, format: SheetFormat) -> Result<()> {
    match fits(file, format) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::WorkbookTooLarge { name: name.clone(), limit: LIMIT }),
        Err(error) => Err(Error::NotWorkbook { name: name.clone(), format: format.into(), message: error.to_string() }),
    }
}

fn fits(file: &File, format: SheetFormat) -> io::Result<bool> {
    let mut file = file.try_clone()?;
    file.rewind()?;
    let mut archive = ZipArchive::new(BufReader::new(file))?;
    let mut total = 0;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index)?;
        // What an entry says of its size need not be so.
        total += io::copy(&mut entry.by_ref().take(LIMIT + 1 - total), &mut io::sink())?;
        if total > LIMIT {
            return Ok(false);
        }
    }
    match format {
        SheetFormat::Xlsx => {
            let is_strings = |name: &&str| name.eq_ignore_ascii_case("xl/sharedStrings.xml");
            let Some(strings) = archive.file_names().find(is_strings).map(str::to_owned) else { return Ok(true) };
            let strings = BufReader::new(archive.by_name(&strings)?);
            Ok(said_strings(strings)?.saturating_mul(STRING) <= LIMIT)
        }
        SheetFormat::Ods => match archive.by_name("content.xml") {
            Ok(content) => Ok(cells(BufReader::new(content))? <= LIMIT),
            Err(error) => Err(error.into()),
        },
    }
}

/// How many strings an Office Open XML workbook says that its cells share: room is made for so many.
fn said_strings(content: impl io::BufRead) -> io::Result<u64> {
    let mut reader = quick_xml::Reader::from_reader(content);
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer).map_err(io::Error::other)? {
            Event::Start(start) | Event::Empty(start) if start.local_name().as_ref() == b"sst" => {
                return count(&start, "uniqueCount", u64::MAX);
            }
            Event::Eof => return Ok(0),
            _ => {}
        }
    }
}

/// About what the cells of an OpenDocument file take: of what repeats there is only one in the file.
fn cells(content: impl io::BufRead) -> io::Result<u64> {
    let mut reader = quick_xml::Reader::from_reader(content);
    let mut buffer = Vec::new();
    let mut total: u64 = 0;
    // Of the sheet: rows so far, those up to the last with a value, and columns up to the last with a value.
    let (mut rows, mut used_rows, mut used_columns) = (0, 0, 0);
    // Of the row: how often it repeats, columns so far, those up to the last with a value, bytes of its text.
    let (mut repeats, mut columns, mut used, mut text) = (0, 0, 0, 0);
    // Of the cell: how often it repeats, and bytes of its text.
    let mut cell: Option<(u64, u64)> = None;
    let end_cell = |cell: &mut Option<(u64, u64)>, columns: &mut u64, used: &mut u64, text: &mut u64| {
        if let Some((repeats, bytes)) = cell.take() {
            *columns = (*columns + repeats).min(COLUMNS);
            if bytes > 0 {
                *used = *columns;
                *text += repeats * bytes;
            }
        }
    };
    loop {
        buffer.clear();
        let event = reader.read_event_into(&mut buffer).map_err(io::Error::other)?;
        let (start, is_empty) = match &event {
            Event::Start(start) => (Some(start), false),
            Event::Empty(start) => (Some(start), true),
            _ => (None, false),
        };
        if let Some(start) = start {
            match start.name().as_ref() {
                b"table:table" => (rows, used_rows, used_columns) = (0, 0, 0),
                b"table:table-row" => {
                    (repeats, columns, used, text) = (count(start, "table:number-rows-repeated", ROWS)?, 0, 0, 0);
                }
                b"table:table-cell" | b"table:covered-table-cell" => {
                    let value = start.try_get_attribute("office:value-type").map_err(io::Error::other)?;
                    let own = if value.is_some() { start.len() as u64 } else { 0 };
                    cell = Some((count(start, "table:number-columns-repeated", COLUMNS)?, own));
                    if is_empty {
                        end_cell(&mut cell, &mut columns, &mut used, &mut text);
                    }
                }
                _ => {}
            }
        }
        match &event {
            Event::Text(bytes) => {
                if let Some((_, own)) = &mut cell {
                    *own += bytes.len() as u64;
                }
            }
            Event::End(end) => match end.name().as_ref() {
                b"table:table-cell" | b"table:covered-table-cell" => {
                    end_cell(&mut cell, &mut columns, &mut used, &mut text);
                }
                b"table:table-row" => {
                    rows = (rows + repeats).min(ROWS);
                    if used > 0 {
                        (used_rows, used_columns) = (rows, used_columns.max(used));
                        total = total.saturating_add(repeats.saturating_mul(text));
                    }
                }
                b"table:table" => total = total.saturating_add(used_rows * used_columns * CELL),
                _ => {}
            },
            Event::Eof => return Ok(total),
            _ => {}
        }
        if total > LIMIT || text > LIMIT {
            return Ok(LIMIT + 1);
        }
    }
}

fn count(element: &BytesStart, attribute: &str, most: u64) -> io::Result<u64> {
    let value = element.try_get_attribute(attribute).map_err(io::Error::other)?;
    let count = value.and_then(|value| std::str::from_utf8(&value.value).ok()?.parse::<u64>().ok());
    Ok(count.unwrap_or(1).min(most))
}
