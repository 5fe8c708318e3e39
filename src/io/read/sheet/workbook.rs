//! Workbooks, and the rows of their sheets.

use std::fs::File;
use std::io::{BufReader, Seek};
use std::sync::Arc;

use calamine::{DataRef, Ods, Reader, Sheet, SheetType, SheetVisible, Xlsx, XlsxError};

use super::batches::RowsIn;
use super::value;
use crate::io::error::{Error, Result};
use crate::io::format::SheetFormat;

pub(super) enum Workbook {
    /// Its sheets are read a cell at a time.
    Xlsx(Box<Xlsx<BufReader<File>>>),
    /// All sheets are in memory.
    Ods(Box<Ods<BufReader<File>>>),
}

impl Workbook {
    pub(super) fn open(mut file: File, name: &Arc<str>, format: SheetFormat) -> Result<Self> {
        file.rewind().map_err(|source| Error::Read { name: name.clone(), source })?;
        let reader = BufReader::new(file);
        let opened = match format {
            SheetFormat::Xlsx => Xlsx::new(reader).map(Box::new).map(Self::Xlsx).map_err(|error| error.to_string()),
            SheetFormat::Ods => Ods::new(reader).map(Box::new).map(Self::Ods).map_err(|error| error.to_string()),
        };
        opened.map_err(|message| Error::NotWorkbook { name: name.clone(), format: format.into(), message })
    }

    /// The sheet that is called `wanted`, or has that number from 1; without it the first that is shown.
    pub(super) fn sheet(&self, name: &Arc<str>, wanted: Option<&str>) -> Result<String> {
        let sheets: &[Sheet] = match self {
            Self::Xlsx(workbook) => workbook.sheets_metadata(),
            Self::Ods(workbook) => workbook.sheets_metadata(),
        };
        let sheets: Vec<&Sheet> = sheets.iter().filter(|sheet| sheet.typ == SheetType::WorkSheet).collect();
        let found = match wanted {
            None => sheets.iter().find(|sheet| sheet.visible == SheetVisible::Visible).or(sheets.first()),
            Some(wanted) => sheets.iter().find(|sheet| sheet.name == wanted).or_else(|| {
                let place: usize = wanted.parse().ok()?;
                sheets.get(place.checked_sub(1)?)
            }),
        };
        found.map(|sheet| sheet.name.clone()).ok_or_else(|| Error::NoSheet {
            name: name.clone(),
            sheet: wanted.unwrap_or("1").to_owned(),
            available: sheets.iter().map(|sheet| sheet.name.clone()).collect(),
        })
    }

    /// Sends the rows of a sheet, until nobody takes them.
    pub(super) fn rows(self, sheet: &str, rows: &mut RowsIn) {
        match self {
            Self::Xlsx(mut workbook) => {
                if let Err(error) = xlsx_rows(&mut workbook, sheet, rows) {
                    rows.fail(error.to_string());
                }
            }
            Self::Ods(mut workbook) => match workbook.worksheet_range(sheet) {
                Ok(range) => {
                    let (first_row, first_column) = range.start().unwrap_or_default();
                    for (row, values) in range.rows().enumerate() {
                        let cells = values.iter().enumerate().filter_map(|(column, cell)| {
                            let value = value::json(&value::borrowed(cell))?;
                            Some((first_column + column as u32, value))
                        });
                        if !rows.send(u64::from(first_row) + row as u64, cells.collect()) {
                            return;
                        }
                    }
                }
                Err(error) => rows.fail(error.to_string()),
            },
        }
    }
}

fn xlsx_rows(workbook: &mut Xlsx<BufReader<File>>, sheet: &str, rows: &mut RowsIn) -> Result<(), XlsxError> {
    let mut reader = workbook.worksheet_cells_reader(sheet)?;
    let mut cells = Vec::new();
    let mut row = 0;
    while let Some(cell) = reader.next_cell()? {
        let (cell_row, column) = cell.get_position();
        if cell_row != row {
            if !rows.send(u64::from(row), std::mem::take(&mut cells)) {
                return Ok(());
            }
            row = cell_row;
        }
        let cell: &DataRef = cell.get_value();
        cells.extend(value::json(cell).map(|value| (column, value)));
    }
    rows.send(u64::from(row), cells);
    Ok(())
}
