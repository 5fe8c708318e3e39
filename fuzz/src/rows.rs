//! Rows, in a form that can be compared.

use bertqa::io::{InputRow, Record, Result, Rows};

/// What a row says: where it stands, its columns as JSON, and what is asked, or why nothing is.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub number: u64,
    pub fields: Vec<(String, String)>,
    pub example: std::result::Result<(String, String), String>,
}

impl Seen {
    /// `columns` are those of a columnar input.
    pub fn new(row: &InputRow, columns: &[String]) -> Self {
        let fields = match &row.record {
            Record::Fields(fields) => {
                fields.iter().map(|(name, value)| (name.clone(), value.get().to_owned())).collect()
            }
            record @ Record::Columnar { .. } => columns
                .iter()
                .map(|name| {
                    let value = match record.value(name) {
                        Ok(value) => value.map_or_else(|| "no column".to_owned(), |value| value.get().to_owned()),
                        Err(error) => format!("{error:#}"),
                    };
                    (name.clone(), value)
                })
                .collect(),
        };
        let example = match &row.example {
            Ok(example) => Ok((example.question().to_owned(), example.context().to_owned())),
            Err(error) => Err(error.to_string()),
        };
        Self { number: row.position.number, fields, example }
    }
}

/// All rows, and whether the input could be read to its end. After an error there is none.
pub fn all(rows: Result<Rows>, columns: &[String], most: usize) -> (Vec<Seen>, std::result::Result<(), String>) {
    let mut rows = match rows {
        Ok(rows) => rows,
        Err(error) => return (Vec::new(), Err(format!("{error:#}"))),
    };
    let mut seen = Vec::new();
    while let Some(row) = rows.next() {
        match row {
            Ok(row) => seen.push(Seen::new(&row, columns)),
            Err(error) => {
                assert!(rows.next().is_none(), "rows after {error}");
                return (seen, Err(format!("{error:#}")));
            }
        }
        if seen.len() == most {
            break;
        }
    }
    assert!(seen.is_sorted_by_key(|row| row.number), "rows out of order");
    (seen, Ok(()))
}
