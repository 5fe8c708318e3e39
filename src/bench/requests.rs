use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::io::Rows;
use crate::plural::plural;

/// A row to ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub question: String,
    pub context: String,
}

impl Sample {
    /// The built-in sample questions.
    ///
    /// # Errors
    /// If they are not what they should be.
    pub(crate) fn bundled() -> anyhow::Result<Vec<Self>> {
        let text = include_str!("../../samples/questions.jsonl");
        text.lines().map(|line| serde_json::from_str(line).context("the sample questions")).collect()
    }

    /// Whatever of `rows` can be asked; `None` for a row that can't.
    ///
    /// # Errors
    /// If the input can't be read on.
    pub(crate) fn read(rows: Rows) -> anyhow::Result<Vec<Option<Self>>> {
        let sample = |example: crate::qa::Example| Self {
            question: example.question().to_owned(),
            context: example.context().to_owned(),
        };
        rows.map(|row| Ok(row?.example.ok().map(sample))).collect()
    }
}

/// An answer, as `POST /inferences` and `bertqa run` give it. One without `answer` is a row that failed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Answer {
    answer: Option<String>,
    score: Option<f32>,
    start: Option<u64>,
    end: Option<u64>,
}

/// Scores that differ by more are not the same; so much is rounding of sums in another order.
const SCORE_TOLERANCE: f32 = 1e-4;

impl Answer {
    pub(super) fn is_failed(&self) -> bool {
        self.answer.is_none()
    }

    /// Same text, same place, and the same score but for rounding.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let same_score = match (self.score, other.score) {
            (Some(score), Some(other)) => (score - other).abs() <= SCORE_TOLERANCE,
            (score, other) => score == other,
        };
        same_score && (&self.answer, self.start, self.end) == (&other.answer, other.start, other.end)
    }
}

/// Request bodies, made once and sent again and again.
#[derive(Debug)]
pub(crate) struct Requests {
    requests: Vec<Request>,
}

#[derive(Debug)]
pub(super) struct Request {
    /// JSON: an object for one row, a list for several.
    pub body: Vec<u8>,
    pub rows: usize,
    /// One for each row, where answers are checked.
    pub expected: Option<Vec<Answer>>,
}

impl Requests {
    /// Requests of `rows_per_request` rows each; the last may have fewer. With `expected`, the path of what
    /// `bertqa run` answered to the same rows as JSON Lines, rows that failed there are left out.
    ///
    /// # Errors
    /// If `expected` can't be read or has not as many rows, or no row is left.
    pub(crate) fn new(
        samples: Vec<Option<Sample>>,
        rows_per_request: usize,
        expected: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let expected = expected.map(|path| answers(path, samples.len())).transpose()?;
        let rows: Vec<(Sample, Option<Answer>)> = match expected {
            None => samples.into_iter().flatten().map(|sample| (sample, None)).collect(),
            Some(answers) => samples
                .into_iter()
                .zip(answers)
                .filter(|(_, answer)| !answer.is_failed())
                .filter_map(|(sample, answer)| Some((sample?, Some(answer))))
                .collect(),
        };
        if rows.is_empty() {
            bail!("there is no row to ask");
        }
        let requests = rows.chunks(rows_per_request).map(|rows| Request::new(rows, rows_per_request));
        Ok(Self { requests: requests.collect::<Result<_, _>>()? })
    }

    /// The request to send as number `number`: all in turn, and again from the first.
    pub(super) fn get(&self, number: u64) -> &Request {
        &self.requests[(number % self.requests.len() as u64) as usize]
    }
}

impl Request {
    fn new(rows: &[(Sample, Option<Answer>)], rows_per_request: usize) -> serde_json::Result<Self> {
        let samples: Vec<&Sample> = rows.iter().map(|(sample, _)| sample).collect();
        let body = match samples.as_slice() {
            [sample] if rows_per_request == 1 => serde_json::to_vec(sample)?,
            samples => serde_json::to_vec(samples)?,
        };
        let expected = rows.iter().map(|(_, answer)| answer.clone()).collect();
        Ok(Self { body, rows: rows.len(), expected })
    }
}

fn answers(path: &Path, rows: usize) -> anyhow::Result<Vec<Answer>> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut answers = Vec::with_capacity(rows);
    for (line, number) in BufReader::new(file).lines().zip(1..) {
        let at = || format!("{}:{number}: not a row that `bertqa run` wrote as JSON Lines", path.display());
        answers.push(serde_json::from_str(&line.with_context(at)?).with_context(at)?);
    }
    if answers.len() != rows {
        bail!(
            "{} has {} {} and the input {rows}; make it with `bertqa run INPUT -o {}`",
            path.display(),
            answers.len(),
            plural(answers.len(), "row"),
            path.display()
        );
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(question: &str) -> Option<Sample> {
        Some(Sample { question: question.to_owned(), context: "c".to_owned() })
    }

    #[test]
    fn one_row_is_an_object_and_several_are_a_list() {
        let samples = vec![sample("a"), None, sample("b"), sample("c")];
        let bodies = |rows_per_request| {
            let requests = Requests::new(samples.clone(), rows_per_request, None).unwrap().requests;
            requests.into_iter().map(|request| String::from_utf8(request.body).unwrap()).collect::<Vec<_>>()
        };
        let row = |question| format!(r#"{{"question":"{question}","context":"c"}}"#);
        assert_eq!(bodies(1), [row("a"), row("b"), row("c")]);
        assert_eq!(bodies(2), [format!("[{},{}]", row("a"), row("b")), format!("[{}]", row("c"))]);
        assert!(Requests::new(vec![None], 1, None).is_err());
    }

    #[test]
    fn answers_stay_with_their_rows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answers.jsonl");
        let text = r#"{"answer":"A","score":0.5,"start":0,"end":1,"error":null}
{"answer":null,"score":null,"start":null,"end":null,"error":"too long"}
{"answer":"C","score":0.25,"start":2,"end":3,"error":null}"#;
        std::fs::write(&path, text).unwrap();
        let requests = Requests::new(vec![sample("a"), sample("b"), sample("c")], 1, Some(&path)).unwrap();
        let expected = |number| requests.get(number).expected.as_ref().unwrap()[0].answer.clone().unwrap();
        assert_eq!([expected(0), expected(1), expected(2)], ["A", "C", "A"]);
        let error = Requests::new(vec![sample("a")], 1, Some(&path)).unwrap_err();
        assert!(error.to_string().contains("3 rows and the input 1"), "{error}");
    }

    #[test]
    fn scores_are_the_same_but_for_rounding() {
        let answer = |answer: &str, score| Answer {
            answer: Some(answer.to_owned()),
            score: Some(score),
            start: Some(0),
            end: Some(1),
        };
        assert!(answer("a", 0.5).is_same(&answer("a", 0.50005)));
        assert!(!answer("a", 0.5).is_same(&answer("a", 0.5002)));
        assert!(!answer("a", 0.5).is_same(&answer("b", 0.5)));
        assert!(!answer("a", 0.5).is_same(&Answer { start: Some(1), ..answer("a", 0.5) }));
    }
}
