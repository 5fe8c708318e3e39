//! What requests get.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::openapi::schema::AnyOfBuilder;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::one_or_many::OneOrMany;
use super::queue::Answers;
use crate::qa::{Answer, RowError};

/// A span of the context
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Span {
    /// Its text; empty where "no answer" wins under `handle_impossible_answer` or `no_answer_threshold`
    answer: String,
    /// Its probability
    score: f32,
    /// First character, in Unicode code points from the start of the context
    start: usize,
    /// One past the last character
    end: usize,
}

impl From<Answer> for Span {
    fn from(Answer { text, score, start, end }: Answer) -> Self {
        Self { answer: text, score, start, end }
    }
}

/// The answer of one question; with `top_k` over 1 a list of them
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Outcome {
    One(Span),
    Several { answers: Vec<Span> },
    Failed(Failed),
}

/// A row of a list that has no answer
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Failed {
    answer: Option<String>,
    score: Option<f32>,
    start: Option<usize>,
    end: Option<usize>,
    /// Why
    error: String,
}

impl From<RowError> for Failed {
    fn from(error: RowError) -> Self {
        Self { answer: None, score: None, start: None, end: None, error: error.to_string() }
    }
}

/// The answer of one question, and the `id` that came with it
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Row {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    id: Option<Box<RawValue>>,
    #[serde(flatten)]
    outcome: Outcome,
}

impl Row {
    pub(super) fn new(id: Option<Box<RawValue>>, answers: Answers, top_k: usize) -> Self {
        let outcome = match answers {
            Ok(answers) => match one_or_several(answers, top_k) {
                OneOrMany::One(span) => Outcome::One(span),
                OneOrMany::Many(answers) => Outcome::Several { answers },
            },
            Err(error) => Outcome::Failed(error.into()),
        };
        Self { id, outcome }
    }
}

/// The answer of one question, or the list of answers, in the shape of the request
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum AnswerBody {
    Rows(OneOrMany<Row>),
    Pipeline(PipelineAnswer),
}

/// An empty list is in both shapes, so it is not one of them only, as a derived schema says.
impl PartialSchema for AnswerBody {
    fn schema() -> RefOr<Schema> {
        AnyOfBuilder::new()
            .description(Some("The answer of one question, or the list of answers, in the shape of the request"))
            .item(OneOrMany::<Row>::schema())
            .item(PipelineAnswer::schema())
            .into()
    }
}

impl ToSchema for AnswerBody {
    fn name() -> Cow<'static, str> {
        "AnswerBody".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Row::name().into_owned(), Row::schema()));
        OneOrMany::<Row>::schemas(schemas);
        PipelineAnswer::schemas(schemas);
    }
}

/// What the Hugging Face pipeline gives for one question; with `top_k` over 1 a list
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum PipelineRow {
    One(Span),
    Several(Vec<Span>),
    Failed(Failed),
}

impl PipelineRow {
    pub(super) fn new(answers: Answers, top_k: usize) -> Self {
        match answers.map(|answers| one_or_several(answers, top_k)) {
            Ok(OneOrMany::One(span)) => Self::One(span),
            Ok(OneOrMany::Many(spans)) => Self::Several(spans),
            Err(error) => Self::Failed(error.into()),
        }
    }
}

/// What the Hugging Face pipeline gives: the answer of one question (with `top_k` over 1, a list of its answers), or
/// a list of what each question of a list gets
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum PipelineAnswer {
    One(Span),
    Many(Vec<PipelineRow>),
}

impl PipelineAnswer {
    pub(super) fn new(rows: impl Iterator<Item = PipelineRow>, is_list: bool) -> Self {
        match OneOrMany::new(rows.collect(), is_list) {
            OneOrMany::One(PipelineRow::One(span)) => Self::One(span),
            OneOrMany::One(PipelineRow::Several(spans)) => {
                Self::Many(spans.into_iter().map(PipelineRow::One).collect())
            }
            OneOrMany::One(failed @ PipelineRow::Failed(_)) => Self::Many(vec![failed]),
            OneOrMany::Many(rows) => Self::Many(rows),
        }
    }
}

/// With `top_k` over 1 a list, however many answers there are.
fn one_or_several(answers: Vec<Answer>, top_k: usize) -> OneOrMany<Span> {
    OneOrMany::new(answers.into_iter().map(Span::from).collect(), top_k > 1)
}
