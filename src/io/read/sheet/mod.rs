//! Spreadsheets: the rows of one sheet, under a header.

mod batches;
mod size;
mod value;
mod workbook;

use std::collections::HashSet;
use std::fs::File;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;

use serde_json::value::RawValue;

use self::batches::{RowsOut, SheetRow};
use self::workbook::Workbook;
use super::column_selection::ColumnSelection;
use crate::io::error::{Error, Result};
use crate::io::format::SheetFormat;
use crate::io::options::ReadOptions;
use crate::io::row::{Fields, InputRow, Position};
use crate::panic;

/// The rows of a sheet. Rows without a value are no rows, but count.
pub(crate) struct SheetRows {
    rows: RowsOut,
    /// Names by column.
    header: Vec<Option<String>>,
    /// The row last read, from 1.
    number: u64,
    max_row_bytes: usize,
    source: Arc<str>,
    selection: Arc<ColumnSelection>,
}

impl SheetRows {
    /// # Errors
    /// A file that is no workbook, or is too large; a sheet that is not there; a header without a column that is asked
    /// for.
    pub(crate) fn new(
        file: File,
        source: Arc<str>,
        selection: Arc<ColumnSelection>,
        format: SheetFormat,
        options: &ReadOptions,
    ) -> Result<Self> {
        let wanted = options.sheet.clone();
        let name = source.clone();
        let (opened_in, opened) = sync_channel(1);
        let (mut rows_in, rows) = batches::channel();
        // The reader of a sheet borrows from the workbook, and so both live on a stack of their own.
        let read = move || {
            let read = panic::caught(|| match open(file, &name, format, wanted.as_deref()) {
                Ok((workbook, sheet)) => {
                    drop(opened_in.send(Ok(())));
                    workbook.rows(&sheet, &mut rows_in);
                }
                Err(error) => drop(opened_in.send(Err(error))),
            });
            if let Err(message) = read {
                rows_in.fail(format!("its reader failed: {message}"));
            }
        };
        thread::Builder::new()
            .name("sheet".to_owned())
            .spawn(read)
            .map_err(|error| Error::Read { name: source.clone(), source: error })?;
        // Who is gone without a word has panicked, and says so among the rows.
        opened.recv().unwrap_or(Ok(()))?;
        let mut sheet =
            Self { rows, header: Vec::new(), number: 0, max_row_bytes: options.max_line_bytes, source, selection };
        sheet.read_header()?;
        Ok(sheet)
    }

    /// Names of the columns that are carried along.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &str> {
        self.header.iter().flatten().map(String::as_str).filter(|name| self.selection.keeps(name))
    }

    /// The first row that has a value.
    fn read_header(&mut self) -> Result<()> {
        let Some(row) = self.read()? else { return Err(Error::NoSheetHeader(self.source.clone())) };
        let mut seen = HashSet::new();
        for (column, value) in row.cells {
            // A year or another number may be a name.
            let name = serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned());
            let name = name.trim().to_owned();
            if name.is_empty() {
                continue;
            }
            if !seen.insert(name.clone()) {
                return Err(Error::RepeatedColumn { name: self.source.clone(), column: name });
            }
            self.header.resize(column as usize + 1, None);
            self.header[column as usize] = Some(name);
        }
        self.selection.check(&self.source, self.header.iter().flatten().map(String::as_str))
    }

    fn read(&mut self) -> Result<Option<SheetRow>> {
        match self.rows.next() {
            Some(Ok(row)) => {
                self.number = row.number;
                Ok(Some(row))
            }
            Some(Err(message)) => Err(Error::ReadOnLine {
                name: self.source.clone(),
                line: self.number,
                source: std::io::Error::other(message),
            }),
            // All are read.
            None => Ok(None),
        }
    }

    fn row(&self, row: SheetRow) -> InputRow {
        let position = Position { source: self.source.clone(), number: row.number };
        let names = self.header.iter().flatten();
        let mut fields: Fields = names.map(|name| (name.clone(), RawValue::NULL.to_owned())).collect();
        let bytes: usize = row.cells.iter().map(|(_, value)| value.get().len()).sum();
        if bytes > self.max_row_bytes {
            let message = format!("the row is longer than the limit of {} bytes", self.max_row_bytes);
            return self.selection.unreadable(position, Fields::new(), message);
        }
        let mut nameless = None;
        for (column, value) in row.cells {
            match self.header.get(column as usize).and_then(Option::as_ref) {
                Some(name) => {
                    fields.insert(name.clone(), value);
                }
                // An index that pandas wrote.
                None if column == 0 => {}
                None => nameless = nameless.or(Some(column)),
            }
        }
        match nameless {
            Some(column) => {
                let message = format!("column {} has a value, and no name in the header", letters(column));
                self.selection.unreadable(position, fields, message)
            }
            None => self.selection.row(position, fields),
        }
    }
}

impl Iterator for SheetRows {
    type Item = Result<InputRow>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.read().transpose()?;
        Some(row.map(|row| self.row(row)))
    }
}

/// A workbook, and the name of its sheet that is wanted.
fn open(file: File, name: &Arc<str>, format: SheetFormat, wanted: Option<&str>) -> Result<(Workbook, String)> {
    size::check(&file, name, format)?;
    let workbook = Workbook::open(file, name, format)?;
    let sheet = workbook.sheet(name, wanted)?;
    Ok((workbook, sheet))
}

/// What spreadsheets call a column: A, B, … Z, AA.
fn letters(mut column: u32) -> String {
    let mut letters = Vec::new();
    loop {
        letters.push(char::from(b'A' + (column % 26) as u8));
        if column < 26 {
            return letters.iter().rev().collect();
        }
        column = column / 26 - 1;
    }
}

#[cfg(test)]
mod tests {
    use super::letters;

    #[test]
    fn columns_have_letters() {
        for (column, name) in [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA"), (16383, "XFD")] {
            assert_eq!(letters(column), name);
        }
    }
}
