//! JSON as SQuAD lays it out: articles, their paragraphs (contexts), and the questions on each.

use std::io::BufRead;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::column_selection::ColumnSelection;
use crate::io::error::{Error, Result};
use crate::io::row::{Fields, InputRow, Position};

#[derive(Deserialize)]
struct Dataset {
    data: Vec<Article>,
}

#[derive(Deserialize)]
struct Article {
    title: Option<Box<RawValue>>,
    paragraphs: Vec<Paragraph>,
}

#[derive(Deserialize)]
struct Paragraph {
    context: Option<Box<RawValue>>,
    qas: Vec<Fields>,
}

/// The questions of a SQuAD file, in order.
///
/// The file is one JSON value, so it is held in memory whole. A row's columns are the keys of its `qas` entry,
/// verbatim and in order, then `title` and `context`; `question` and `context` take the names that the selection
/// has for them.
pub(crate) fn rows(
    reader: impl BufRead,
    source: Arc<str>,
    selection: Arc<ColumnSelection>,
) -> Result<impl Iterator<Item = InputRow>> {
    let dataset: Dataset =
        serde_json::from_reader(reader).map_err(|error| Error::NotSquad { name: source.clone(), source: error })?;
    let fields = dataset.data.into_iter().flat_map(|Article { title, paragraphs }| {
        paragraphs.into_iter().flat_map(move |Paragraph { context, qas }| {
            let title = title.clone();
            qas.into_iter().map(move |qa| (qa, title.clone(), context.clone()))
        })
    });
    Ok(fields.enumerate().map(move |(index, (qa, title, context))| {
        let rename = |key: String| if key == "question" { selection.question.clone() } else { key };
        let mut fields: Fields = qa.into_iter().map(|(key, value)| (rename(key), one_line(value))).collect();
        if let Some(title) = title {
            fields.entry("title".to_owned()).or_insert_with(|| one_line(title));
        }
        if let Some(context) = context {
            fields.insert(selection.context.clone(), one_line(context));
        }
        selection.row(Position { source: source.clone(), number: index as u64 + 1 }, fields)
    }))
}

/// A value without the line breaks of an indented file, so that it can stand in a JSON line.
fn one_line(value: Box<RawValue>) -> Box<RawValue> {
    if !value.get().contains(['\n', '\r']) {
        return value;
    }
    let (mut in_string, mut escaped) = (false, false);
    let mut text = value.get().to_owned();
    text.retain(|c| {
        if in_string {
            in_string = c != '"' || escaped;
            escaped = c == '\\' && !escaped;
            return true;
        }
        in_string = c == '"';
        !c.is_ascii_whitespace()
    });
    RawValue::from_string(text).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indented_values_become_one_line() {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let text = "[\n  {\"a b\": \"c \\\" d \\\\\",\r\n \"e\" : 1.50}\n]";
        assert_eq!(one_line(raw(text)).get(), r#"[{"a b":"c \" d \\","e":1.50}]"#);
        assert_eq!(one_line(raw("[1, 2]")).get(), "[1, 2]");
    }
}
