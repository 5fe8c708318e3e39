//! What is said about every request: its line in the log, its metrics, its id.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use uuid::Uuid;

use super::app::App;
use super::error::{ApiError, Kind};
use super::metrics::{ERRORS, REQUEST_SECONDS, REQUESTS, REQUESTS_IN_FLIGHT, ROWS};

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id that is taken from a client.
const MAX_REQUEST_ID: usize = 128;

/// Counts the rows of a request that came out.
#[derive(Clone, Default)]
pub(super) struct Rows(Arc<AtomicU64>);

impl Rows {
    pub(super) fn count<T, E>(&self, answers: &Result<T, E>) {
        self.0.fetch_add(1, Ordering::Relaxed);
        metrics::counter!(ROWS, "outcome" => if answers.is_ok() { "answered" } else { "failed" }).increment(1);
    }
}

impl<S: Sync> FromRequestParts<S> for Rows {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}

/// Notes a request from its head to the last byte of its answer, or until the client is gone.
pub(super) async fn observe(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    app.in_flight().fetch_add(1, Ordering::Relaxed);
    metrics::gauge!(REQUESTS_IN_FLIGHT).increment(1);
    let mut entry = Entry {
        app,
        method: request.method().clone(),
        path: request.uri().path().to_owned(),
        route: request.extensions().get::<MatchedPath>().cloned(),
        id: id.to_str().unwrap_or_default().to_owned(),
        rows: Rows::default(),
        began: Instant::now(),
        end: End::Gone,
    };
    request.extensions_mut().insert(entry.rows.clone());
    let mut response = next.run(request).await;
    response.headers_mut().insert(REQUEST_ID, id);
    if entry.app.is_draining() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    entry.end = End::Status(response.status().as_u16(), response.extensions_mut().remove::<ApiError>());
    response.map(|body| Body::new(Observed { body, entry, is_over: false }))
}

/// The client's own id, if it is one that can be written anywhere, or else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
    match headers.get(REQUEST_ID) {
        Some(id) if (1..=MAX_REQUEST_ID).contains(&id.len()) && id.as_bytes().iter().all(is_plain) => id.clone(),
        // A UUID is ASCII.
        _ => HeaderValue::try_from(Uuid::new_v4().to_string()).unwrap_or(HeaderValue::from_static("")),
    }
}

/// The methods that HTTP has; clients can make up others, and each would be a metric of its own.
fn known(method: &Method) -> &'static str {
    const METHODS: [&str; 9] = ["GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT"];
    METHODS.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

/// The body of an answer, dropped when all of it is sent or nobody takes it any more.
struct Observed {
    body: Body,
    entry: Entry,
    is_over: bool,
}

impl HttpBody for Observed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        match &frame {
            Poll::Ready(None) => self.is_over = true,
            Poll::Ready(Some(Err(error))) => {
                let error = error.to_string();
                self.entry.end = End::Broken(error);
                self.is_over = true;
            }
            _ => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        if !self.is_over && !self.body.is_end_stream() {
            self.entry.end = End::Gone;
        }
    }
}

/// A request's line, which is written when this is dropped.
struct Entry {
    app: App,
    method: Method,
    path: String,
    route: Option<MatchedPath>,
    id: String,
    rows: Rows,
    began: Instant,
    end: End,
}

enum End {
    Status(u16, Option<ApiError>),
    /// The client went before it had the whole answer.
    Gone,
    /// The answer broke off.
    Broken(String),
}

impl Drop for Entry {
    fn drop(&mut self) {
        let Self { app, method, path, route, id, rows, began, end } = self;
        let (method, rows) = (known(method), rows.0.load(Ordering::Relaxed));
        let elapsed = began.elapsed();
        let milliseconds = elapsed.as_micros() as f64 / 1000.0;
        let (status, kind) = match end {
            End::Status(status, None) => {
                tracing::info!(method, path, status, rows, milliseconds, id, "request");
                (status.to_string(), None)
            }
            End::Status(status, Some(error)) => {
                let (is_ours, kind) = (error.kind() == Kind::Internal, error.kind().name());
                // As a string it is quoted: it may hold what the client sent.
                let error = error.to_string();
                if is_ours {
                    tracing::error!(method, path, status, rows, milliseconds, id, kind, error, "request");
                } else {
                    tracing::warn!(method, path, status, rows, milliseconds, id, kind, error, "request");
                }
                (status.to_string(), Some(kind))
            }
            End::Gone => {
                tracing::warn!(method, path, rows, milliseconds, id, kind = "client_gone", "request");
                ("none".to_owned(), Some("client_gone"))
            }
            End::Broken(error) => {
                tracing::warn!(method, path, rows, milliseconds, id, kind = "broken_off", error, "request");
                ("none".to_owned(), Some("broken_off"))
            }
        };
        let route = route.as_ref().map_or("none", MatchedPath::as_str).to_owned();
        app.in_flight().fetch_sub(1, Ordering::Relaxed);
        metrics::gauge!(REQUESTS_IN_FLIGHT).decrement(1);
        metrics::histogram!(REQUEST_SECONDS, "route" => route.clone()).record(elapsed);
        metrics::counter!(REQUESTS, "method" => method.to_owned(), "route" => route, "status" => status).increment(1);
        if let Some(kind) = kind {
            metrics::counter!(ERRORS, "kind" => kind).increment(1);
        }
    }
}
