use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};

use super::{inferences, stream};
use crate::qa::RequestOptions;
use crate::serve::answer::AnswerBody;
use crate::serve::app::App;
use crate::serve::error::{ApiError, InferenceErrors};
use crate::serve::observe::Rows;
use crate::serve::permit::RequestPermit;
use crate::serve::request::AnswerRequest;

/// SageMaker's health check: 200 when the model answers
#[utoipa::path(
    get,
    path = "/ping",
    tag = "State",
    responses(
        (status = 200, description = "The model answers"),
        (status = 503, description = "The model is being loaded, or the server is shutting down", body = crate::serve::error::ErrorBody),
    ),
)]
pub(super) async fn ping(State(app): State<App>) -> Result<(), ApiError> {
    app.ready().map(|_| ())
}

/// SageMaker's route for answers: JSON as /inferences takes it, and JSON Lines as /inferences/stream does
#[utoipa::path(
    post,
    path = "/invocations",
    tag = "Answers",
    request_body(content(
        (AnswerRequest = "application/json"),
        (String = "application/jsonlines"),
        (String = "application/x-ndjson"),
    )),
    responses(
        (status = 200, description = "The answers", content((AnswerBody = "application/json"), (String = "application/x-ndjson"))),
        InferenceErrors,
    ),
    security((), ("key" = [])),
)]
pub(super) async fn invocations(
    State(app): State<App>,
    permit: RequestPermit,
    rows: Rows,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    match stream::format(&headers)? {
        Some(format) => stream::answer(app, permit, rows, &RequestOptions::default(), format, body).await,
        None => Ok(inferences::answer(&app, &permit, &rows, &headers, body).await?.into_response()),
    }
}
