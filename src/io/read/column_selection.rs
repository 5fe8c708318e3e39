use std::collections::HashSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::value::RawValue;

use super::field_path;
use crate::io::error::{ColumnRole, Error, Result};
use crate::io::json::{Kind, lone_surrogate};
use crate::io::options::ReadOptions;
use crate::io::row::{Fields, InputRow, Position, Record};
use crate::qa::{Example, RowError};

/// Which columns of a row are the question and the context, and which are carried along.
#[derive(Debug)]
pub(crate) struct ColumnSelection {
    /// Whether every row needs a question and a context.
    pub(crate) needs_question: bool,
    pub(crate) question: String,
    pub(crate) context: String,
    id: Option<String>,
    /// All, if none are named.
    columns: Option<Vec<String>>,
    /// Columns that folders name, and files need not have.
    partitions: HashSet<String>,
    /// The column that says from which file a row is.
    source_file: Option<String>,
    /// Whether it was said how a CSV is delimited; once is enough.
    pub(crate) announced: AtomicBool,
    /// Columns to carry along that no row of fields has had so far. Before the first such row there are none.
    absent: Mutex<Option<Vec<String>>>,
}

/// A question or a context, as far as it could be read.
pub(crate) enum Text {
    Missing,
    Null,
    /// A value of another type, named.
    Other(&'static str),
    /// A string that stands for no text, and why.
    Invalid(String),
    Valid(String),
    /// Longer than this limit in bytes.
    TooLong(usize),
}

impl ColumnSelection {
    pub(crate) fn new(options: &ReadOptions, needs_question: bool, partitions: HashSet<String>) -> Arc<Self> {
        Arc::new(Self {
            needs_question,
            question: options.question.clone(),
            context: options.context.clone(),
            id: options.id.clone(),
            columns: options.columns.clone(),
            partitions,
            source_file: options.source_file.clone(),
            announced: AtomicBool::new(false),
            absent: Mutex::new(None),
        })
    }

    /// Whether a column is carried along.
    pub(crate) fn keeps(&self, name: &str) -> bool {
        if self.source_file.as_deref() == Some(name) {
            return true;
        }
        let Some(columns) = &self.columns else { return true };
        columns.iter().any(|column| column == name) || self.id.as_deref() == Some(name)
    }

    /// Whether a typed column is carried along, or holds one that is.
    pub(crate) fn carries(&self, name: &str) -> bool {
        let named = self.id.iter().chain(self.columns.iter().flatten());
        self.keeps(name) || named.into_iter().any(|wanted| roots(wanted).any(|root| root == name))
    }

    /// Whether a column is, or holds, the question or the context.
    pub(crate) fn reads(&self, name: &str) -> bool {
        self.needs_question
            && [&self.question, &self.context].into_iter().any(|path| roots(path).any(|root| root == name))
    }

    /// Checks that a header or schema has all columns that are named.
    pub(crate) fn check<'a>(&self, source: &Arc<str>, names: impl Iterator<Item = &'a str>) -> Result<()> {
        let names: Vec<&str> = names.collect();
        let known: HashSet<&str> = names.iter().copied().collect();
        let missing = |name: &str| !self.partitions.contains(name) && !roots(name).any(|root| known.contains(root));
        let (column, role) = if self.needs_question && missing(&self.question) {
            (&self.question, ColumnRole::Question)
        } else if self.needs_question && missing(&self.context) {
            (&self.context, ColumnRole::Context)
        } else if let Some(id) = self.id.as_ref().filter(|id| missing(id)) {
            (id, ColumnRole::Id)
        } else if let Some(column) = self.columns.iter().flatten().find(|column| missing(column)) {
            (column, ColumnRole::Carried)
        } else {
            return Ok(());
        };
        let available = names.into_iter().map(str::to_owned).collect();
        Err(Error::MissingColumn { name: source.clone(), column: column.clone(), role, available })
    }

    pub(crate) fn example(&self, question: Text, context: Text) -> Result<Example, RowError> {
        if !self.needs_question {
            return Err(RowError::field("no question is needed"));
        }
        Example::new(valid(question, &self.question)?, valid(context, &self.context)?)
    }

    /// A row of text fields.
    pub(crate) fn row(&self, position: Position, mut fields: Fields) -> InputRow {
        let field = |name: &str| text(field_path::find(&fields, name).as_deref());
        let example = self.example(field(&self.question), field(&self.context));
        self.note_absent(&fields);
        let nested = self.nested(&fields);
        fields.retain(|name, _| self.keeps(name));
        fields.extend(nested);
        InputRow { position, record: Record::Fields(fields), example }
    }

    fn note_absent(&self, fields: &Fields) {
        let Some(columns) = &self.columns else { return };
        let mut absent = self.absent.lock().unwrap_or_else(PoisonError::into_inner);
        let given = |name: &String| self.partitions.contains(name) || self.source_file.as_ref() == Some(name);
        let absent = absent.get_or_insert_with(|| columns.iter().filter(|name| !given(name)).cloned().collect());
        absent.retain(|name| !fields.contains_key(name) && field_path::find(fields, name).is_none());
    }

    /// Says at the end of the input which columns to carry along no row of fields had.
    pub(crate) fn warn_of_absent(&self) {
        let absent = self.absent.lock().unwrap_or_else(PoisonError::into_inner).take();
        for name in absent.iter().flatten().filter(|name| !name.is_empty()) {
            tracing::warn!("no row has the column `{name}`, which was to be carried along");
        }
    }

    /// A row of fields, or an error if it has one that is called as the column of its file is.
    pub(crate) fn without_clash(&self, row: InputRow) -> InputRow {
        match (&self.source_file, row) {
            (Some(column), InputRow { position, record: Record::Fields(mut fields), example: Ok(_) })
                if fields.contains_key(column) =>
            {
                fields.shift_remove(column);
                self.unreadable(
                    position,
                    fields,
                    format!("it has a field `{column}`, which is the name of its file's column"),
                )
            }
            (_, row) => row,
        }
    }

    /// Columns to carry along that are inside of others.
    fn nested(&self, fields: &Fields) -> Vec<(String, Box<RawValue>)> {
        let names = self.id.iter().chain(self.columns.iter().flatten());
        let absent = names.filter(|name| name.contains('.') && !fields.contains_key(*name));
        absent.filter_map(|name| Some((name.clone(), field_path::find(fields, name)?.into_owned()))).collect()
    }

    /// A row that could not be read, with the fields that could.
    pub(crate) fn unreadable(&self, position: Position, mut fields: Fields, message: impl ToString) -> InputRow {
        fields.retain(|name, _| self.keeps(name));
        let error = RowError::unreadable(message.to_string());
        InputRow { position, record: Record::Fields(fields), example: Err(error) }
    }
}

/// The columns that a path such as `meta.question` may begin in: itself, and what stands before a dot.
fn roots(path: &str) -> impl Iterator<Item = &str> {
    std::iter::once(path).chain(path.match_indices('.').map(|(at, _)| &path[..at]))
}

fn valid(text: Text, field: &str) -> Result<String, RowError> {
    match text {
        Text::Valid(text) => Ok(text),
        Text::Missing => Err(RowError::field(format!("`{field}` is missing"))),
        Text::Null => Err(RowError::field(format!("`{field}` is null"))),
        Text::Other(kind) => Err(RowError::field(format!("`{field}` is {kind}; it must be a string"))),
        Text::TooLong(limit) => {
            Err(RowError::unreadable(format!("`{field}` is longer than the limit of {limit} bytes")))
        }
        Text::Invalid(why) => Err(RowError::field(format!("`{field}` is not valid text: {why}"))),
    }
}

fn text(value: Option<&RawValue>) -> Text {
    let Some(value) = value else { return Text::Missing };
    match Kind::of(value) {
        Kind::Null => Text::Null,
        Kind::String => match serde_json::from_str(value.get()) {
            Ok(text) => Text::Valid(text),
            Err(error) => Text::Invalid(match lone_surrogate(value.get()) {
                Some(surrogate) => format!("it has a lone surrogate, {surrogate}, which is half of a character"),
                None => error.to_string(),
            }),
        },
        Kind::List if serde_json::from_str::<[(); 0]>(value.get()).is_ok() => Text::Other("an empty list"),
        kind => Text::Other(kind.name()),
    }
}
