use polars::prelude::{AnyValue, DataType, Field, PolarsResult};
use serde::Serialize;

use super::encoder::OutputRow;
use crate::io::columnar::schema;
use crate::io::error::{Error, Result};
use crate::qa::Answer;

/// The columns that an output has after the input's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AnswerColumns {
    answers: AnswerNames,
    error: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum AnswerNames {
    /// One answer a row, a column for each of its parts.
    One([String; 4]),
    /// Several answers a row, in one column.
    Several(String),
}

/// An element of `answers`.
#[derive(Serialize)]
struct AnswerJson<'a> {
    answer: &'a str,
    score: f32,
    start: usize,
    end: usize,
}

const PARTS: [&str; 4] = ["answer", "score", "start", "end"];

impl AnswerColumns {
    /// With `top_k` above 1, the answers are a list.
    pub(crate) fn new(prefix: Option<&str>, top_k: usize) -> Self {
        let name = |name: &str| format!("{}{name}", prefix.unwrap_or_default());
        let answers = match top_k {
            0 | 1 => AnswerNames::One(PARTS.map(name)),
            _ => AnswerNames::Several(name("answers")),
        };
        Self { answers, error: name("error") }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let answers = match &self.answers {
            AnswerNames::One(names) => names.as_slice(),
            AnswerNames::Several(name) => std::slice::from_ref(name),
        };
        answers.iter().chain([&self.error]).map(String::as_str)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.names().any(|other| other == name)
    }

    /// # Errors
    /// An input column that has the name of an answer column.
    pub(crate) fn check_clash<'a>(&self, mut inputs: impl Iterator<Item = &'a str>) -> Result<()> {
        match inputs.find(|name| self.has(name)) {
            Some(name) => Err(Error::NameClash(name.to_owned())),
            None => Ok(()),
        }
    }

    /// Names and JSON texts of a row's values. A score is the shortest text that reads back as the same f32.
    pub(crate) fn json(&self, row: &OutputRow) -> Result<Vec<(&str, String)>> {
        let mut values = Vec::with_capacity(5);
        match &self.answers {
            AnswerNames::One(names) => {
                let texts = match row.answers.first() {
                    Some(answer) => [
                        serde_json::to_string(&answer.text)?,
                        serde_json::to_string(&answer.score)?,
                        answer.start.to_string(),
                        answer.end.to_string(),
                    ],
                    None => [const { String::new() }; 4].map(|_| "null".to_owned()),
                };
                values.extend(names.iter().map(String::as_str).zip(texts));
            }
            AnswerNames::Several(name) if row.answers.is_empty() => values.push((name, "null".to_owned())),
            AnswerNames::Several(name) => {
                let answers: Vec<_> = row
                    .answers
                    .iter()
                    .map(|Answer { text, score, start, end }| AnswerJson {
                        answer: text,
                        score: *score,
                        start: *start,
                        end: *end,
                    })
                    .collect();
                values.push((name, serde_json::to_string(&answers)?));
            }
        }
        values.push((&self.error, serde_json::to_string(&row.error())?));
        Ok(values)
    }

    /// Names and types.
    pub(crate) fn fields(&self) -> Vec<Field> {
        let mut fields = match &self.answers {
            AnswerNames::One(names) => part_fields(names),
            AnswerNames::Several(name) => {
                let answers = DataType::List(Box::new(DataType::Struct(part_fields(&PARTS))));
                vec![Field::new(name.as_str().into(), answers)]
            }
        };
        fields.push(Field::new(self.error.as_str().into(), DataType::String));
        fields
    }

    /// A row's values, of the types of [`Self::fields`].
    pub(crate) fn values(&self, row: &OutputRow) -> PolarsResult<Vec<AnyValue<'static>>> {
        let mut values = match &self.answers {
            AnswerNames::One(_) => match row.answers.first() {
                Some(answer) => part_values(answer),
                None => vec![AnyValue::Null; 4],
            },
            AnswerNames::Several(_) if row.answers.is_empty() => vec![AnyValue::Null],
            AnswerNames::Several(_) => {
                let fields = part_fields(&PARTS);
                let mut answers = Vec::with_capacity(row.answers.len());
                for answer in &row.answers {
                    answers.push(AnyValue::StructOwned(Box::new((part_values(answer), fields.clone()))));
                }
                vec![schema::list(&answers, &DataType::Struct(fields))?]
            }
        };
        values.push(row.error().map_or(AnyValue::Null, |error| AnyValue::StringOwned(error.into())));
        Ok(values)
    }
}

fn part_fields(names: &[impl AsRef<str>; 4]) -> Vec<Field> {
    let types = [DataType::String, DataType::Float32, DataType::Int64, DataType::Int64];
    names.iter().zip(types).map(|(name, dtype)| Field::new(name.as_ref().into(), dtype)).collect()
}

fn part_values(answer: &Answer) -> Vec<AnyValue<'static>> {
    // No text in memory is longer than that.
    let offset = |offset: usize| AnyValue::Int64(i64::try_from(offset).unwrap_or(i64::MAX));
    vec![
        AnyValue::StringOwned(answer.text.as_str().into()),
        AnyValue::Float32(answer.score),
        offset(answer.start),
        offset(answer.end),
    ]
}
