//! A column of texts.

use polars::prelude::{AnyValue, DataType, PolarsResult, Series, StringChunked};

use crate::io::read::column_selection::Text;

/// Categories stay categories: as a text a row, one of them that is long could take any memory.
pub(super) enum Texts {
    Strings(StringChunked),
    Categories(Series),
}

impl Texts {
    pub(super) fn new(column: &Series) -> PolarsResult<Self> {
        match column.dtype() {
            DataType::Categorical(..) | DataType::Enum(..) => Ok(Self::Categories(column.clone())),
            _ => Ok(Self::Strings(column.cast(&DataType::String)?.str()?.rechunk().into_owned())),
        }
    }

    /// The text of a row, if it has no more than `limit` bytes.
    pub(super) fn get(&self, row: usize, limit: usize) -> Text {
        let text = |text: Option<&str>| match text {
            Some(text) if text.len() > limit => Text::TooLong(limit),
            Some(text) => Text::Valid(text.to_owned()),
            None => Text::Null,
        };
        match self {
            Self::Strings(texts) => text(texts.get(row)),
            Self::Categories(texts) => text(texts.get(row).unwrap_or(AnyValue::Null).get_str()),
        }
    }
}
