use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;

use crate::qa::{Options, RequestOptions, RowError};
use crate::serve::answer::{AnswerBody, PipelineAnswer, PipelineRow, Row};
use crate::serve::app::App;
use crate::serve::body;
use crate::serve::error::{ApiError, InferenceErrors};
use crate::serve::observe::Rows;
use crate::serve::one_or_many::OneOrMany;
use crate::serve::permit::RequestPermit;
use crate::serve::queue::Ask;
use crate::serve::request::{AnswerRequest, Question, Questions, Shape};

/// Answer a question, or a list of questions
///
/// A list gives a list, in its order; a row of it that cannot be answered has a null answer and an `error`.
#[utoipa::path(
    post,
    path = "/inferences",
    tag = "Answers",
    request_body(content = AnswerRequest, content_type = "application/json"),
    responses((status = 200, description = "The answer, or the list of answers", body = AnswerBody), InferenceErrors),
    security((), ("key" = [])),
)]
pub(super) async fn inferences(
    State(app): State<App>,
    permit: RequestPermit,
    rows: Rows,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<AnswerBody>, ApiError> {
    answer(&app, &permit, &rows, &headers, body).await
}

/// Answers a body of questions, in its shape.
pub(super) async fn answer(
    app: &App,
    permit: &RequestPermit,
    counter: &Rows,
    headers: &HeaderMap,
    body: Body,
) -> Result<Json<AnswerBody>, ApiError> {
    let deadline = permit.deadline(app);
    let (AnswerRequest { entries, parameters, shape }, mut memory) =
        body::json(headers, body, &app.limits, &app.memory, deadline).await?;
    app.check_rows(entries.len())?;
    app.memory.grow_for(&mut memory, entries.repeated_bytes(), &app.limits)?;
    let defaults = app.resolve(&parameters)?;
    let Questions { rows: questions, is_list } = entries.into_questions();
    let (mut rows, mut others) = (Vec::with_capacity(questions.len()), Vec::with_capacity(questions.len()));
    for question in questions {
        let (id, options, ask) = match question {
            Ok(Question { question, context, id, options }) => {
                let example = app.example(question, context);
                let (options, ask) = match options_of(app, &options, &defaults) {
                    Ok(options) => (options.clone(), example.map(|example| Ask { example, options })),
                    // A list is answered whatever is wrong with one of its rows.
                    Err(error) if is_list => (defaults.clone(), Err(RowError::Field(error.to_string()))),
                    Err(error) => return Err(error),
                };
                (id, options, ask)
            }
            Err(error) => (None, defaults.clone(), Err(error)),
        };
        others.push((id, options.top_k));
        rows.push(ask);
    }
    let answers = others.into_iter().zip(app.answer(rows, is_list, counter, deadline).await?);
    Ok(Json(match shape {
        Shape::Rows => {
            let rows = answers.map(|((id, top_k), answers)| Row::new(id, answers, top_k));
            AnswerBody::Rows(OneOrMany::new(rows.collect(), is_list))
        }
        Shape::Pipeline => {
            let rows = answers.map(|((_, top_k), answers)| PipelineRow::new(answers, top_k));
            AnswerBody::Pipeline(PipelineAnswer::new(rows, is_list))
        }
    }))
}

/// The options of a question, which share those of the request where it has none of its own.
fn options_of(app: &App, given: &RequestOptions, defaults: &Arc<Options>) -> Result<Arc<Options>, ApiError> {
    if *given == RequestOptions::default() { Ok(defaults.clone()) } else { app.resolve_over(defaults, given) }
}
