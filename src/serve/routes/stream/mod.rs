//! Rows in and answers out, at the same time and without end.
//!
//! A thread reads rows from the body, as `bertqa stdin` reads them from a pipe, and queues them. A task waits for
//! their answers, in the rows' order, and writes them out. Between the two is a bounded channel; so a client that
//! does not take its answers is not read from.

mod parts;
mod reader;
mod unfinished;
mod writer;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;

use crate::io::{InputFormat, WriteOptions, write_stream};
use crate::qa::RequestOptions;
use crate::serve::app::App;
use crate::serve::body;
use crate::serve::error::{ApiError, InferenceErrors, Problem};
use crate::serve::observe::Rows;
use crate::serve::permit::RequestPermit;
use parts::{Parts, pump};
use reader::Reader;
use writer::{Output, Writer};

/// Parts of a body, in or out, that wait.
const PARTS: usize = 4;

/// Answer rows as they arrive: JSON Lines or CSV in, JSON Lines out
///
/// One row comes out for each that goes in, in order and with all of its fields, while further ones are still
/// arriving. The body may have any length, and may be compressed (gzip, Zstandard). Read the answers while you send:
/// what is not read holds back the rest.
#[utoipa::path(
    post,
    path = "/inferences/stream",
    tag = "Answers",
    params(RequestOptions),
    request_body(content(
        (String = "application/x-ndjson"),
        (String = "application/jsonlines"),
        (String = "text/csv"),
    )),
    responses(
        (status = 200, description = "The rows with their answers", body = String, content_type = "application/x-ndjson"),
        InferenceErrors,
    ),
    security((), ("key" = [])),
)]
pub(super) async fn stream(
    State(app): State<App>,
    permit: RequestPermit,
    rows: Rows,
    query: Result<Query<RequestOptions>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let format = format(&headers)?
        .ok_or_else(|| body::unsupported(&headers, "application/x-ndjson, application/jsonlines or text/csv"))?;
    let Query(parameters) = query.map_err(Problem::from)?;
    answer(app, permit, rows, &parameters, format, body).await
}

/// The format of a streamed body, if it is one.
pub(super) fn format(headers: &HeaderMap) -> Result<Option<InputFormat>, ApiError> {
    let format = body::media_type(headers).and_then(|media_type| InputFormat::from_media_type(&media_type));
    let format = format.filter(|format| format.is_streamable());
    if format.is_some() {
        // Compressed rows are known by their first bytes.
        body::check_encoding(headers, &["zstd"])?;
    }
    Ok(format)
}

/// Answers a body of rows while it arrives.
pub(super) async fn answer(
    app: App,
    permit: RequestPermit,
    counter: Rows,
    parameters: &RequestOptions,
    format: InputFormat,
    body: Body,
) -> Result<Response, ApiError> {
    let place = app.streams.clone().try_acquire_owned().map_err(|_| Problem::TooManyStreams)?;
    let options = app.resolve(parameters)?;
    let stream_rows = app.serving()?.stream_rows;
    let output = Output::default();
    let write = WriteOptions { top_k: options.top_k, ..WriteOptions::default() };
    let writer = write_stream(output.clone(), &write).map_err(|error| Problem::Failed(error.to_string()))?;

    let (parts_in, parts) = mpsc::channel(PARTS);
    tokio::spawn(pump(app.clone(), body, parts_in));

    let lane = Arc::new(app.queue.open());
    let (rows_in, rows) = mpsc::channel(stream_rows);
    let (opened_in, opened) = oneshot::channel();
    let reader = Reader { app, lane: lane.clone(), options, runtime: Handle::current(), rows: rows_in };
    let reader = tokio::task::spawn_blocking(move || reader.run(Parts::new(parts), format, opened_in));
    // What is wrong with the start of a body can still be said with a status.
    opened.await.map_err(|_| Problem::Lost)??;

    let (answers_in, answers) = mpsc::channel(PARTS);
    let writer = Writer { writer, output, rows, answers: answers_in, counter };
    tokio::spawn(async move {
        // Until the last answer is sent, the request has its place, and its rows theirs.
        let _places = (permit, place, lane);
        writer.run(reader).await;
    });
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(ReceiverStream::new(answers))).into_response())
}
