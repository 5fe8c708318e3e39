use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Number, Value};

use super::error::EvalError;
use super::normalize::Normalization;
use super::python_literal;
use crate::io::{Input, InputColumns, InputRow, Position, Record};
use crate::qa::Example;

/// Which columns of a gold row hold what.
#[derive(Debug, Clone)]
pub(crate) struct GoldColumns {
    pub id: String,
    pub answers: String,
}

impl Default for GoldColumns {
    fn default() -> Self {
        Self { id: "id".to_owned(), answers: "answers".to_owned() }
    }
}

/// A question whose right answers are known.
#[derive(Debug, Clone)]
pub(crate) struct Gold {
    pub position: Position,
    pub id: Option<String>,
    pub example: Example,
    /// Any of them is right; empty if the question cannot be answered from the context. As in SQuAD's own definition,
    /// this decides, not `is_impossible`.
    pub answers: Vec<GoldAnswer>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GoldAnswer {
    pub text: String,
    /// Its first character, in Unicode code points from the start of the context, where that is known.
    pub start: Option<usize>,
}

impl GoldColumns {
    /// Checks that gold files have the column of the answers, as far as that is known before they are read.
    pub(crate) fn check(&self, input: &Input) -> anyhow::Result<()> {
        let names: Vec<&str> = match input.columns() {
            columns @ (InputColumns::Columnar(_) | InputColumns::Fields { complete: true, .. }) => columns.names(),
            InputColumns::Fields { complete: false, .. } => return Ok(()),
        };
        if names.contains(&self.answers.as_str()) {
            return Ok(());
        }
        let names = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let first = input.paths().next().map_or("<stdin>".to_owned(), |path| path.display().to_string());
        Err(EvalError::NoGoldColumn { file: first, column: self.answers.clone(), names }.into())
    }

    /// # Errors
    /// A row that is no use as gold: it cannot be asked, or its answers cannot be read.
    pub(crate) fn read(&self, row: InputRow) -> anyhow::Result<Gold> {
        let InputRow { position, record, example } = row;
        let example = example.map_err(|error| {
            anyhow::anyhow!("{position}: {error}; a gold row that cannot be asked cannot be scored, mend or remove it")
        })?;
        let id = id(&record, &self.id).with_context(|| position.to_string())?;
        let value = record.value(&self.answers)?;
        let answers = match &value {
            Some(value) => answers(value).with_context(|| format!("{position}: the gold `{}`", self.answers))?,
            None => return Err(EvalError::NoGoldAnswers { position, column: self.answers.clone() }.into()),
        };
        Ok(Gold { position, id, example, answers })
    }
}

/// Gold rows, until one cannot be read.
pub(crate) type Golds = Box<dyn Iterator<Item = anyhow::Result<Gold>> + Send>;

/// First rows from which the normalization is inferred.
const SAMPLE_ROWS: usize = 100;

/// The normalization that fits the contexts of the first rows, and all rows again.
///
/// # Errors
/// One of the first rows cannot be read, or there is none.
pub(crate) fn normalization(mut golds: Golds) -> anyhow::Result<(Normalization, Golds)> {
    let first: Vec<Gold> = golds.by_ref().take(SAMPLE_ROWS).collect::<anyhow::Result<_>>()?;
    if first.is_empty() {
        bail!("GOLD has no rows; there is nothing to evaluate");
    }
    let normalization = Normalization::of(first.iter().map(|gold| gold.example.context()));
    Ok((normalization, Box::new(first.into_iter().map(Ok).chain(golds))))
}

/// A row's id as text: 7 and "7" are the same, since CSV knows only text.
pub(super) fn id(record: &Record, column: &str) -> anyhow::Result<Option<String>> {
    let Some(value) = record.value(column)? else { return Ok(None) };
    Ok(match serde_json::from_str(value.get())? {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        other => bail!("`{column}` is {other}; an id is a text or a number"),
    })
}

/// As Hugging Face's datasets lay out SQuAD's answers.
#[derive(Deserialize)]
struct AnswerColumns {
    text: Vec<String>,
    answer_start: Option<Vec<Option<Number>>>,
}

/// As SQuAD does.
#[derive(Deserialize)]
struct AnswerObject {
    text: String,
    answer_start: Option<Number>,
}

fn answers(value: &RawValue) -> anyhow::Result<Vec<GoldAnswer>> {
    let value: Value = serde_json::from_str(value.get())?;
    let mut answers = any(value)?;
    answers.retain(|answer| answer.text != NOT_GIVEN);
    Ok(answers)
}

/// What some label tools write for "there is no answer".
const NOT_GIVEN: &str = "NOT_GIVEN";

fn any(value: Value) -> anyhow::Result<Vec<GoldAnswer>> {
    match value {
        // Where there is only text, as in CSV, lists stand in it as JSON, or as Python prints them.
        Value::String(text) if text.trim_start().starts_with(['[', '{', '(']) || text.starts_with("array(") => {
            let value = serde_json::from_str(&text).or_else(|_| python_literal::parse(&text));
            match value {
                Ok(value) => several(value),
                Err(_) if text.trim_start().starts_with('(') => several(Value::String(text)),
                Err(error) => Err(error).with_context(|| {
                    format!("begins like JSON, but is not: {}; write a JSON list, or a text", excerpt(&text))
                }),
            }
        }
        Value::String(text) if text.is_empty() => Ok(Vec::new()),
        other => several(other),
    }
}

fn several(value: Value) -> anyhow::Result<Vec<GoldAnswer>> {
    match value {
        Value::Array(answers) => answers.into_iter().map(one).collect(),
        Value::Object(_) => {
            let AnswerColumns { text, answer_start } =
                serde_json::from_value(value).context("is an object, but not {\"text\": [...]}")?;
            let starts = answer_start.unwrap_or_else(|| vec![None; text.len()]);
            if starts.len() != text.len() {
                bail!("has {} texts and {} starts", text.len(), starts.len());
            }
            Ok(text.into_iter().zip(starts).map(|(text, start)| answer(text, start)).collect())
        }
        text @ Value::String(_) => Ok(vec![one(text)?]),
        other => bail!(
            "is {}; it must be a list of texts, SQuAD's list of {{\"text\", \"answer_start\"}}, \
             {{\"text\": [...], \"answer_start\": [...]}}, or one text; empty if there is no answer",
            excerpt(&other.to_string())
        ),
    }
}

fn one(value: Value) -> anyhow::Result<GoldAnswer> {
    match value {
        Value::String(text) => Ok(answer(text, None)),
        Value::Object(_) => {
            let AnswerObject { text, answer_start } =
                serde_json::from_value(value).context("has an element that is not {\"text\", \"answer_start\"}")?;
            Ok(answer(text, answer_start))
        }
        other => bail!("has the element {}, which is no text", excerpt(&other.to_string())),
    }
}

/// A start can be a float where a column has missing ones, and negative where it is not known.
fn answer(text: String, start: Option<Number>) -> GoldAnswer {
    let start = start.and_then(|start| start.as_f64()).filter(|start| *start >= 0.0 && start.fract() == 0.0);
    // Exact up to 2^53.
    GoldAnswer { text, start: start.map(|start| start as usize) }
}

fn excerpt(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> anyhow::Result<Vec<(String, Option<usize>)>> {
        let value = RawValue::from_string(json.to_owned())?;
        Ok(answers(&value)?.into_iter().map(|answer| (answer.text, answer.start)).collect())
    }

    #[test]
    fn every_layout_of_answers() {
        let two = [("a".to_owned(), Some(3)), ("b".to_owned(), Some(0))];
        for json in [
            r#"[{"text": "a", "answer_start": 3, "answer_type": "x"}, {"text": "b", "answer_start": 0}]"#,
            r#"{"text": ["a", "b"], "answer_start": [3, 0]}"#,
            r#""[{\"text\": \"a\", \"answer_start\": 3}, {\"text\": \"b\", \"answer_start\": 0}]""#,
            r#""{'text': array(['a', 'b'], dtype=object), 'answer_start': array([3, 0], dtype=int32)}""#,
            r#""[{'text': 'a', 'answer_start': 3.0}, {'text': 'b', 'answer_start': 0}]""#,
            r#"{"text": ["a", "b"], "answer_start": [3.0, 0]}"#,
        ] {
            assert_eq!(parse(json).unwrap(), two, "{json}");
        }
        for json in
            [r#"["a", "b"]"#, r#"{"text": ["a", "b"]}"#, r#"[{"text": "a"}, {"text": "b", "answer_start": -1}]"#]
        {
            assert_eq!(parse(json).unwrap(), [("a".to_owned(), None), ("b".to_owned(), None)], "{json}");
        }
        for (json, text) in [(r#""a b""#, "a b"), (r#""(a) b""#, "(a) b"), (r#"["a", "NOT_GIVEN"]"#, "a")] {
            assert_eq!(parse(json).unwrap(), [(text.to_owned(), None)], "{json}");
        }
        for json in
            ["[]", r#""""#, r#""[]""#, r#"{"text": [], "answer_start": []}"#, r#""NOT_GIVEN""#, r#""{'text': []}""#]
        {
            assert_eq!(parse(json).unwrap(), [], "{json}");
        }
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for (json, words) in [
            ("null", "is null; it must be a list"),
            ("3", "is 3; it must be a list"),
            ("[1]", "the element 1"),
            (r#"{"text": ["a"], "answer_start": [1, 2]}"#, "1 texts and 2 starts"),
            (r#"{"texts": ["a"]}"#, "not {\"text\": [...]}"),
            (r#""{'text': array(['a'""#, "begins like JSON, but is not"),
        ] {
            let error = format!("{:#}", parse(json).unwrap_err());
            assert!(error.contains(words), "{error}");
        }
    }
}
