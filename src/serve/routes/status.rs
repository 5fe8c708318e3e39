use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::qa::Options;
use crate::serve::app::{App, Serving};
use crate::serve::error::{ApiError, ErrorBody};
use crate::serve::limits::Limits;
use crate::serve::metrics::BUFFERED_BYTES;
use crate::serve::model_info::ModelInfo;

/// A state that is as it should be
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Status {
    status: &'static str,
}

/// Whether the server is up
#[utoipa::path(get, path = "/health", tag = "State", responses((status = 200, description = "It is", body = Status)))]
pub(super) async fn health() -> Json<Status> {
    Json(Status { status: "ok" })
}

/// Whether the server answers: not before the model is loaded and has run once, nor after it failed until it is loaded
/// again, nor while the server shuts down
#[utoipa::path(
    get,
    path = "/ready",
    tag = "State",
    responses(
        (status = 200, description = "It does", body = Status),
        (status = 503, description = "Not yet, or no longer", body = ErrorBody),
    ),
)]
pub(super) async fn ready(State(app): State<App>) -> Result<Json<Status>, ApiError> {
    app.ready().map(|_| Json(Status { status: "ready" }))
}

/// The program, its model and its limits
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Info {
    version: &'static str,
    model: ModelInfo,
    /// Options of an answer that a request leaves out
    defaults: Options,
    limits: Limits,
}

/// What is served: version, model, defaults and limits
#[utoipa::path(
    get,
    path = "/info",
    tag = "State",
    responses(
        (status = 200, description = "What is served", body = Info),
        (status = 401, description = "The server asks for a key", body = ErrorBody),
        (status = 503, description = "The model is being loaded, for the first time or again", body = ErrorBody),
    ),
    security((), ("key" = [])),
)]
pub(super) async fn info(State(app): State<App>) -> Result<Json<Info>, ApiError> {
    let serving = app.serving()?;
    let Serving { info, defaults, .. } = &*serving;
    Ok(Json(Info {
        version: env!("CARGO_PKG_VERSION"),
        model: info.clone(),
        defaults: defaults.clone(),
        limits: app.limits.clone(),
    }))
}

/// Metrics for Prometheus
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "State",
    responses(
        (status = 200, description = "Prometheus' text format", body = String, content_type = "text/plain"),
        (status = 401, description = "The server asks for a key", body = ErrorBody),
    ),
    security((), ("key" = [])),
)]
pub(super) async fn metrics(State(app): State<App>) -> ([(HeaderName, &'static str); 1], String) {
    metrics::gauge!(BUFFERED_BYTES).set(app.memory.held() as f64);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.render())
}
