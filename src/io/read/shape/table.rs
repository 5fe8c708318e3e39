//! Tables as one JSON object: by column, as pandas and `datasets` write them, or split into names and values.

use serde_json::value::{RawValue, to_raw_value};

use crate::io::json::Kind;
use crate::io::row::Fields;

/// The rows of a table as objects, if `fields` is a table with the column `question`.
pub(crate) fn rows(fields: &Fields, question: &str) -> Option<Vec<Box<RawValue>>> {
    split(fields, question).or_else(|| by_column(fields, question))
}

/// `{"columns": ["question", …], "data": [["…", …], …]}`
fn split(fields: &Fields, question: &str) -> Option<Vec<Box<RawValue>>> {
    let names: Vec<String> = serde_json::from_str(fields.get("columns")?.get()).ok()?;
    let data: Vec<Vec<Box<RawValue>>> = serde_json::from_str(fields.get("data")?.get()).ok()?;
    if !names.iter().any(|name| name == question) {
        return None;
    }
    let row = |values: Vec<Box<RawValue>>| to_raw_value(&names.iter().cloned().zip(values).collect::<Fields>()).ok();
    data.into_iter().map(row).collect()
}

/// `{"question": {"0": "…", …}, …}`, or `{"question": ["…", …], …}` where all columns are as long.
fn by_column(fields: &Fields, question: &str) -> Option<Vec<Box<RawValue>>> {
    let kind = Kind::of(fields.get(question)?);
    if fields.values().any(|column| Kind::of(column) != kind) {
        return None;
    }
    let columns: Vec<Vec<Box<RawValue>>> = match kind {
        Kind::Object => {
            let mut columns = fields.values().map(|column| serde_json::from_str::<Fields>(column.get()).ok());
            columns.try_fold(Vec::new(), |mut columns, column| {
                columns.push(column?.into_values().collect());
                Some(columns)
            })?
        }
        Kind::List => {
            let columns = fields.values().map(|column| serde_json::from_str(column.get()).ok());
            columns.collect::<Option<_>>()?
        }
        Kind::Null | Kind::Boolean | Kind::Number | Kind::String => return None,
    };
    let height = columns.first()?.len();
    if fields.len() < 2 || columns.iter().any(|column| column.len() != height) {
        return None;
    }
    let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
    let rows = (0..height).map(|_| {
        let values = columns.iter_mut().filter_map(Iterator::next);
        to_raw_value(&fields.keys().cloned().zip(values).collect::<Fields>()).ok()
    });
    rows.collect()
}
