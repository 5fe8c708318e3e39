use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::qa::RequestOptions;
use crate::serve::answer::{PipelineAnswer, PipelineRow};
use crate::serve::app::App;
use crate::serve::body;
use crate::serve::error::{ApiError, InferenceErrors};
use crate::serve::observe::Rows;
use crate::serve::one_or_many::{Object, OneOrMany};
use crate::serve::permit::RequestPermit;
use crate::serve::queue::Ask;

/// A request as Hugging Face's inference endpoints take it
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PipelineRequest {
    inputs: OneOrMany<Input>,
    #[serde(default)]
    #[schema(value_type = Option<RequestOptions>)]
    parameters: Option<Object<RequestOptions>>,
}

/// A question and the context in which its answer is looked for
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    #[schema(example = "Who invented the telephone?")]
    question: String,
    #[schema(example = "The telephone was invented by Alexander Graham Bell.")]
    context: String,
}

/// Answer in the shape of Hugging Face's inference endpoints
#[utoipa::path(
    post,
    path = "/",
    tag = "Answers",
    request_body(content = PipelineRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "The answer, or the list of answers", body = PipelineAnswer),
        InferenceErrors,
    ),
    security((), ("key" = [])),
)]
pub(super) async fn root(
    State(app): State<App>,
    permit: RequestPermit,
    rows: Rows,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<PipelineAnswer>, ApiError> {
    answer(&app, &permit, &rows, &headers, body).await
}

/// The same as `POST /`
#[utoipa::path(
    post,
    path = "/predict",
    tag = "Answers",
    request_body(content = PipelineRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "The answer, or the list of answers", body = PipelineAnswer),
        InferenceErrors,
    ),
    security((), ("key" = [])),
)]
pub(super) async fn predict(
    State(app): State<App>,
    permit: RequestPermit,
    rows: Rows,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<PipelineAnswer>, ApiError> {
    answer(&app, &permit, &rows, &headers, body).await
}

async fn answer(
    app: &App,
    permit: &RequestPermit,
    counter: &Rows,
    headers: &HeaderMap,
    body: Body,
) -> Result<Json<PipelineAnswer>, ApiError> {
    let deadline = permit.deadline(app);
    let (Object(PipelineRequest { inputs, parameters }), _memory) =
        body::json(headers, body, &app.limits, &app.memory, deadline).await?;
    app.check_rows(inputs.len())?;
    let options = app.resolve(&parameters.unwrap_or_default().0)?;
    let is_list = inputs.is_list();
    let rows = inputs.into_vec().into_iter().map(|Input { question, context }| {
        let example = app.example(question, context)?;
        Ok(Ask { example, options: options.clone() })
    });
    let answers = app.answer(rows.collect(), is_list, counter, deadline).await?;
    let rows = answers.into_iter().map(|answers| PipelineRow::new(answers, options.top_k));
    Ok(Json(PipelineAnswer::new(rows, is_list)))
}
