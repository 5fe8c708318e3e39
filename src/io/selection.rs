use std::sync::Arc;

use anyhow::bail;
use serde_json::value::RawValue;

use super::input::ReadOptions;
use super::row::{Fields, InputRow, Position, Record};
use crate::qa::{Example, RowError};

/// Which columns of a row are asked and which are carried along.
#[derive(Debug)]
pub(super) struct Selection {
    /// Whether rows are asked at all; if not, they need neither question nor context.
    pub(super) asks: bool,
    pub(super) question: String,
    pub(super) context: String,
    id: Option<String>,
    /// All, if none are named.
    columns: Option<Vec<String>>,
}

/// A question or a context, as far as it could be read.
pub(super) enum Text {
    Missing,
    Null,
    /// A value of another type, named.
    Other(&'static str),
    /// A string that stands for no text, and why.
    Invalid(String),
    Valid(String),
}

impl Selection {
    pub(super) fn new(options: &ReadOptions, asks: bool) -> Arc<Self> {
        Arc::new(Self {
            asks,
            question: options.question.clone(),
            context: options.context.clone(),
            id: options.id.clone(),
            columns: options.columns.clone(),
        })
    }

    /// Whether a column is carried along.
    pub(super) fn keeps(&self, name: &str) -> bool {
        let Some(columns) = &self.columns else { return true };
        columns.iter().any(|column| column == name) || self.id.as_deref() == Some(name)
    }

    /// Checks that a header or schema has all columns that are named.
    pub(super) fn check<'a>(&self, source: &str, names: impl Iterator<Item = &'a str>) -> anyhow::Result<()> {
        let names: Vec<&str> = names.collect();
        let missing = |name: &str| !names.contains(&name);
        let (column, flag) = if self.asks && missing(&self.question) {
            (&self.question, "--question")
        } else if self.asks && missing(&self.context) {
            (&self.context, "--context")
        } else if let Some(id) = self.id.as_ref().filter(|id| missing(id)) {
            (id, "--id")
        } else if let Some(column) = self.columns.iter().flatten().find(|column| missing(column)) {
            (column, "--columns")
        } else {
            return Ok(());
        };
        let names = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        bail!("{source}: there is no column `{column}`, only {names}; name the right one with {flag}")
    }

    pub(super) fn example(&self, question: Text, context: Text) -> Result<Example, RowError> {
        if !self.asks {
            return Err(RowError::field("the row is not asked"));
        }
        Example::new(valid(question, &self.question, "--question")?, valid(context, &self.context, "--context")?)
    }

    /// A row of text fields.
    pub(super) fn row(&self, position: Position, mut fields: Fields) -> InputRow {
        let field = |name: &str| fields.get(name).map(Box::as_ref);
        let example = self.example(text(field(&self.question)), text(field(&self.context)));
        fields.retain(|name, _| self.keeps(name));
        InputRow { position, record: Record::Fields(fields), example }
    }

    /// A row that could not be read, with the fields that could.
    pub(super) fn unreadable(&self, position: Position, mut fields: Fields, message: impl ToString) -> InputRow {
        fields.retain(|name, _| self.keeps(name));
        let error = RowError::unreadable(message.to_string());
        InputRow { position, record: Record::Fields(fields), example: Err(error) }
    }
}

fn valid(text: Text, field: &str, flag: &str) -> Result<String, RowError> {
    match text {
        Text::Valid(text) => Ok(text),
        Text::Missing => {
            Err(RowError::field(format!("`{field}` is missing; if it has another name, give that with {flag}")))
        }
        Text::Null => Err(RowError::field(format!("`{field}` is null"))),
        Text::Other(kind) => Err(RowError::field(format!("`{field}` is {kind}; it must be a string"))),
        Text::Invalid(why) => Err(RowError::field(format!("`{field}` is not valid text: {why}"))),
    }
}

fn text(value: Option<&RawValue>) -> Text {
    let Some(value) = value else { return Text::Missing };
    match kind(value) {
        Kind::Null => Text::Null,
        Kind::String => match serde_json::from_str(value.get()) {
            Ok(text) => Text::Valid(text),
            Err(error) => Text::Invalid(error.to_string()),
        },
        kind => Text::Other(kind.name()),
    }
}

/// The six types of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Boolean,
    Number,
    String,
    List,
    Object,
}

impl Kind {
    /// With its article, as messages put it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::List => "a list",
            Self::Object => "an object",
        }
    }
}

/// The type of a value, told by its first byte.
pub(super) fn kind(value: &RawValue) -> Kind {
    match value.get().as_bytes().first() {
        Some(b'"') => Kind::String,
        Some(b'{') => Kind::Object,
        Some(b'[') => Kind::List,
        Some(b't' | b'f') => Kind::Boolean,
        Some(b'n') => Kind::Null,
        _ => Kind::Number,
    }
}
