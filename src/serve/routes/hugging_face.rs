use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;

use super::inferences;
use crate::serve::answer::AnswerBody;
use crate::serve::app::App;
use crate::serve::error::{ApiError, InferenceErrors};
use crate::serve::observe::Rows;
use crate::serve::permit::RequestPermit;
use crate::serve::request::AnswerRequest;

/// Answer in the shape of Hugging Face's inference endpoints
#[utoipa::path(
    post,
    path = "/",
    tag = "Answers",
    request_body(content = AnswerRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "The answer, or the list of answers", body = AnswerBody),
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
) -> Result<Json<AnswerBody>, ApiError> {
    inferences::answer(&app, &permit, &rows, &headers, body).await
}

/// The same as `POST /`
#[utoipa::path(
    post,
    path = "/predict",
    tag = "Answers",
    request_body(content = AnswerRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "The answer, or the list of answers", body = AnswerBody),
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
) -> Result<Json<AnswerBody>, ApiError> {
    inferences::answer(&app, &permit, &rows, &headers, body).await
}
