use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context, bail};
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;

use super::error::EvalError;
use super::gold;
use super::prediction::Prediction;
use crate::io::{InputFormat, Position, ReadOptions, Record, Table};

/// An answer that was made earlier.
#[derive(Debug, Clone)]
pub(crate) struct PredictionRow {
    pub position: Position,
    pub id: Option<String>,
    /// Where it was carried along.
    pub question: Option<String>,
    /// `None` for a row that could not be answered.
    pub answer: Option<Prediction>,
}

pub(super) type Predictions = Box<dyn Iterator<Item = anyhow::Result<PredictionRow>> + Send>;

/// Which columns of a row of predictions hold what.
#[derive(Debug, Clone, Default)]
pub(crate) struct PredictionColumns {
    pub id: String,
    pub question: String,
    /// Put before the names of the answer columns.
    pub prefix: String,
}

impl PredictionColumns {
    /// Opens what `bertqa run` wrote, or a JSON object of ids and answers as SQuAD's own script takes it.
    ///
    /// # Errors
    /// A file that cannot be read, or has no answers.
    pub(crate) fn open(self, path: &Path, max_line_bytes: usize) -> anyhow::Result<Predictions> {
        if InputFormat::from_path(path) == Some(InputFormat::Json) {
            return squad(path);
        }
        let options = ReadOptions { max_line_bytes, ..ReadOptions::default() };
        let table = Table::open(&[path], &options)?;
        let one = format!("{}answer", self.prefix);
        let several = format!("{}answers", self.prefix);
        let names: Vec<String> = table.columns().names().into_iter().map(str::to_owned).collect();
        let has = |name: &str| names.iter().any(|other| other == name);
        // The names of a pipe's columns, and of an empty file's, are not known before its rows are.
        if !names.is_empty() && !has(&one) && !has(&several) {
            let names = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            return Err(EvalError::NoPredictionColumn { path: path.display().to_string(), one, several, names }.into());
        }
        Ok(Box::new(table.rows().map(move |row| {
            let (position, record) = row?;
            let record = record.map_err(|error| anyhow::anyhow!("{position}: {error}"))?;
            let prediction = self.read(&record, &one, &several).with_context(|| position.to_string())?;
            let (id, question, answer) = prediction;
            Ok(PredictionRow { position, id, question, answer })
        })))
    }

    /// Id, question and answer of a row.
    fn read(
        &self,
        record: &Record,
        one: &str,
        several: &str,
    ) -> anyhow::Result<(Option<String>, Option<String>, Option<Prediction>)> {
        let id = gold::id(record, &self.id)?;
        let question = match value(record, &self.question)? {
            Some(Value::String(question)) => Some(question),
            _ => None,
        };
        let answer = match value(record, one)? {
            Some(Value::Null) => None,
            Some(Value::String(text)) => {
                // CSV has no null: a row without an answer has no score either, unlike "no answer".
                let error = value(record, &format!("{}error", self.prefix))?;
                let failed = text.is_empty() && matches!(error, Some(Value::String(error)) if !error.is_empty());
                let score = number(record, &format!("{}score", self.prefix))?;
                let start = number(record, &format!("{}start", self.prefix))?;
                (!failed).then(|| Prediction::only(text, score, start))
            }
            Some(other) => bail!("`{one}` is {other}; it must be a text"),
            None => match value(record, several)? {
                None => bail!("the row has neither `{one}` nor `{several}`"),
                Some(Value::Null) => None,
                // In CSV, a list stands as JSON in its text.
                Some(Value::String(text)) if text.is_empty() => None,
                Some(Value::String(text)) => Prediction::first_of(list(serde_json::from_str(&text)?, several)?),
                Some(other) => Prediction::first_of(list(other, several)?),
            },
        };
        Ok((id, question, answer))
    }
}

fn value(record: &Record, name: &str) -> anyhow::Result<Option<Value>> {
    let value = record.value(name)?;
    value.map(|value| serde_json::from_str(value.get())).transpose().with_context(|| format!("`{name}`"))
}

/// A number, or a text that is one; nothing if it is missing, null or empty.
fn number<T: std::str::FromStr>(record: &Record, name: &str) -> anyhow::Result<Option<T>> {
    let text = match value(record, name)? {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) if text.is_empty() => return Ok(None),
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
    };
    match text.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => bail!("`{name}` is {text}, which is no such number as `bertqa run` writes there"),
    }
}

/// An element of `answers`.
#[derive(Deserialize)]
#[serde(expecting = "an object of answer, score, start, end")]
struct Listed {
    answer: String,
    score: Option<f32>,
    start: Option<usize>,
}

fn list(value: Value, name: &str) -> anyhow::Result<Vec<Prediction>> {
    let answers: Vec<Listed> = serde_json::from_value(value)
        .with_context(|| format!("`{name}` is no list of answers as `bertqa run` writes it; are they gold?"))?;
    Ok(answers.into_iter().map(|Listed { answer, score, start }| Prediction::only(answer, score, start)).collect())
}

/// Ids and answers; an empty answer is "no answer".
fn squad(path: &Path) -> anyhow::Result<Predictions> {
    let source: std::sync::Arc<str> = path.display().to_string().into();
    let file = File::open(path).with_context(|| format!("cannot open {source}"))?;
    let answers: IndexMap<String, Option<String>> =
        serde_json::from_reader(BufReader::new(file)).with_context(|| {
            format!("{source}: predictions in a .json are one object of ids and answers, {{\"id\": \"answer\", ...}}")
        })?;
    Ok(Box::new(answers.into_iter().zip(1..).map(move |((id, answer), number)| {
        let position = Position { source: source.clone(), number };
        let answer = answer.map(|text| Prediction::only(text, None, None));
        Ok(PredictionRow { position, id: Some(id), question: None, answer })
    })))
}
