//! What is wrong with a request, and the answer that says so.

use std::fmt;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::qa::{OptionsError, RowError};

/// Why a request has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// The body is not what its content type says, or the head is not HTTP.
    Malformed,
    /// There is no key with the request, or a wrong one.
    Unauthorized,
    NotFound,
    /// The server is not known by this name.
    UnknownHost,
    MethodNotAllowed,
    /// The body did not arrive in time.
    BodyTimeout,
    /// The request is larger than a limit.
    TooLarge,
    UnsupportedMediaType,
    /// A field or an option is missing, unknown, of the wrong type or out of range.
    Invalid,
    /// The request is right, but the model cannot be run on its question and context.
    Unanswerable,
    /// The server is at capacity.
    Overloaded,
    Internal,
    /// The model is being loaded, or the server is shutting down.
    NotReady,
    /// The answer took longer than requests may.
    Timeout,
}

impl Kind {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::UnknownHost => StatusCode::MISDIRECTED_REQUEST,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid | Self::Unanswerable => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Overloaded => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotReady => StatusCode::SERVICE_UNAVAILABLE,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// As it is written in JSON and in metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unauthorized => "unauthorized",
            Self::NotFound => "not_found",
            Self::UnknownHost => "unknown_host",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::BodyTimeout => "body_timeout",
            Self::TooLarge => "too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::Invalid => "invalid",
            Self::Unanswerable => "unanswerable",
            Self::Overloaded => "overloaded",
            Self::Internal => "internal",
            Self::NotReady => "not_ready",
            Self::Timeout => "timeout",
        }
    }
}

/// What is wrong: every text that a client can get, but for those of JSON's and the query's own parsers.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) enum Problem {
    #[error("{0}")]
    Syntax(String),
    #[error("the body broke off: {0}")]
    BodyBroken(String),
    #[error("send one Host header, with the name of the server")]
    HostHeader,
    #[error("send the server's key as `Authorization: Bearer KEY` or `x-api-key: KEY`")]
    NoKey,
    #[error("the key is not the server's")]
    WrongKey,
    #[error("this server is not known by the name {host:?}; its allowed_hosts say by which it is")]
    UnknownHost { host: String },
    #[error("there is no such path; /docs shows those that there are")]
    NoPath,
    #[error("there is no such file")]
    NoFile,
    #[error("this path does not take this method; /docs shows what it takes")]
    WrongMethod,
    #[error("the body did not arrive in time")]
    BodyLate,
    #[error("the body is larger than the limit of {limit} bytes")]
    BodyTooLarge { limit: usize },
    #[error(
        "{rows} rows are more than the limit of {limit} a request; send several requests, or a stream to \
         /inferences/stream"
    )]
    TooManyRows { rows: usize, limit: usize },
    #[error("{}; send {supported}", found.as_ref().map_or("there is no content type".to_owned(), |found| format!("content type {found}")))]
    MediaType { found: Option<String>, supported: &'static str },
    #[error("content encoding {found}; send gzip, or the body as it is")]
    Encoding { found: String },
    #[error("the questions, each with its context, are larger than the limit of {limit} bytes")]
    RepeatedTooLarge { limit: usize },
    /// Of JSON, of a query, or of a stream's first bytes.
    #[error("{0}")]
    Fields(String),
    #[error(transparent)]
    Options(#[from] OptionsError),
    #[error(transparent)]
    Row(#[from] RowError),
    #[error("too many rows are waiting; try again later")]
    QueueFull { wait: Duration },
    #[error("too many requests are being answered; try again later")]
    TooManyRequests,
    #[error("too many streams are being answered; try again later")]
    TooManyStreams,
    #[error("the bodies of requests take all memory that they may; try again later")]
    MemoryFull,
    #[error("the server failed on this request")]
    Panicked,
    /// The pipeline ended before the row came out.
    #[error("the model failed, or the server ended, before the answer was there; try again later")]
    Lost,
    #[error("{0}")]
    Failed(String),
    #[error("the model is being loaded")]
    Loading,
    #[error("the model failed, and is being loaded again; try again later")]
    Reloading,
    #[error("the server is shutting down")]
    Ending,
    #[error("there is no answer after {seconds} seconds, the limit for a request")]
    Late { seconds: f64 },
}

impl Problem {
    fn kind(&self) -> Kind {
        match self {
            Self::Syntax(_) | Self::BodyBroken(_) | Self::HostHeader => Kind::Malformed,
            Self::NoKey | Self::WrongKey => Kind::Unauthorized,
            Self::NoPath | Self::NoFile => Kind::NotFound,
            Self::UnknownHost { .. } => Kind::UnknownHost,
            Self::WrongMethod => Kind::MethodNotAllowed,
            Self::BodyLate => Kind::BodyTimeout,
            Self::BodyTooLarge { .. } | Self::TooManyRows { .. } | Self::RepeatedTooLarge { .. } => Kind::TooLarge,
            Self::MediaType { .. } | Self::Encoding { .. } => Kind::UnsupportedMediaType,
            Self::Fields(_) | Self::Options(_) => Kind::Invalid,
            Self::Row(_) => Kind::Unanswerable,
            Self::QueueFull { .. } | Self::TooManyRequests | Self::TooManyStreams | Self::MemoryFull => {
                Kind::Overloaded
            }
            Self::Panicked | Self::Failed(_) => Kind::Internal,
            Self::Lost | Self::Loading | Self::Reloading | Self::Ending => Kind::NotReady,
            Self::Late { .. } => Kind::Timeout,
        }
    }

    /// After how long it is worth to try again.
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::QueueFull { wait } => Some((*wait).min(Duration::from_secs(60))),
            Self::TooManyRequests
            | Self::TooManyStreams
            | Self::MemoryFull
            | Self::Lost
            | Self::Loading
            | Self::Reloading => Some(Duration::from_secs(1)),
            _ => None,
        }
    }
}

/// An answer that is an error: `{"error": "...", "kind": "..."}` with the status of its kind.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    problem: Problem,
}

/// What an error looks like.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorBody {
    /// What is wrong, for people.
    error: String,
    /// What is wrong, for programs.
    kind: Kind,
}

impl ApiError {
    pub(super) fn kind(&self) -> Kind {
        self.problem.kind()
    }
}

impl std::error::Error for ApiError {}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

impl<P: Into<Problem>> From<P> for ApiError {
    fn from(problem: P) -> Self {
        Self { problem: problem.into() }
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        let text = rejection.body_text();
        match rejection {
            JsonRejection::JsonSyntaxError(_) => Self::Syntax(text),
            _ => Self::Fields(text),
        }
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::Fields(rejection.body_text())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let kind = self.kind();
        let body = ErrorBody { error: self.to_string(), kind };
        let mut response = (kind.status(), Json(body)).into_response();
        if let Some(wait) = self.problem.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        if kind == Kind::Unauthorized {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // For the request's line in the log.
        response.extensions_mut().insert(self);
        response
    }
}

/// The errors that every route has that runs the model.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "it is there for its description")]
pub(super) enum InferenceErrors {
    /// The body is not what its content type says
    #[response(status = 400)]
    Malformed(ErrorBody),
    /// The server asks for a key, and there is none with the request, or a wrong one
    #[response(status = 401)]
    Unauthorized(ErrorBody),
    /// The body did not arrive in time
    #[response(status = 408)]
    BodyTimeout(ErrorBody),
    /// The request is larger than a limit
    #[response(status = 413)]
    TooLarge(ErrorBody),
    /// The content type is none that this route takes
    #[response(status = 415)]
    UnsupportedMediaType(ErrorBody),
    /// A field or an option is wrong (`invalid`), or the question cannot be answered (`unanswerable`)
    #[response(status = 422)]
    Invalid(ErrorBody),
    /// The server is at capacity; `Retry-After` says when to try again
    #[response(status = 429)]
    Overloaded(ErrorBody),
    /// The server failed
    #[response(status = 500)]
    Internal(ErrorBody),
    /// The model is still being loaded
    #[response(status = 503)]
    NotReady(ErrorBody),
    /// The answer took longer than requests may
    #[response(status = 504)]
    Timeout(ErrorBody),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qa::TextField;

    /// One of each variant; does not compile where one is missing.
    macro_rules! one_of_each {
        ($type:ty { $($pattern:pat => $sample:expr,)* }) => {{
            let _ = |value: &$type| match value { $($pattern => (),)* };
            vec![$($sample),*]
        }};
    }

    fn options_errors() -> Vec<OptionsError> {
        use OptionsError::*;
        one_of_each!(OptionsError {
            WindowTooLong { .. } => WindowTooLong { max_seq_len: 2, longest: 1 },
            StrideTooLong { .. } => StrideTooLong { doc_stride: 2, max_seq_len: 1 },
            OverLimit { .. } => OverLimit { name: "top_k", value: 2, limit: 1 },
        })
    }

    fn row_errors() -> Vec<RowError> {
        use RowError::*;
        one_of_each!(RowError {
            Unreadable(_) => Unreadable("why".to_owned()),
            Field(_) => Field("why".to_owned()),
            Empty(_) => Empty(TextField::Question),
            Blank(_) => Blank(TextField::Context),
            TooManyCharacters { .. } => TooManyCharacters { field: TextField::Question, limit: 1 },
            NoTokens => NoTokens,
            NoRoom { .. } => NoRoom { question: 3, max_seq_len: 5, room: 0, doc_stride: 2 },
            TooManyWindows { .. } => TooManyWindows { windows: 2, limit: 1 },
            TokenId { .. } => TokenId { id: 9, vocab_size: 9 },
            Tokenizer(_) => Tokenizer("why".to_owned()),
            NoProbableSpan => NoProbableSpan,
            Schema(_) => Schema("why".to_owned()),
            Cancelled => Cancelled,
        })
    }

    fn problems() -> Vec<Problem> {
        use Problem::*;
        let own = one_of_each!(Problem {
            Syntax(_) => Syntax("why".to_owned()),
            UnknownHost { .. } => UnknownHost { host: "example.org".to_owned() },
            BodyBroken(_) => BodyBroken("why".to_owned()),
            HostHeader => HostHeader,
            NoKey => NoKey,
            WrongKey => WrongKey,
            NoPath => NoPath,
            NoFile => NoFile,
            WrongMethod => WrongMethod,
            BodyLate => BodyLate,
            BodyTooLarge { .. } => BodyTooLarge { limit: 1 },
            TooManyRows { .. } => TooManyRows { rows: 2, limit: 1 },
            MediaType { .. } => MediaType { found: None, supported: "application/json" },
            Encoding { .. } => Encoding { found: "br".to_owned() },
            RepeatedTooLarge { .. } => RepeatedTooLarge { limit: 1 },
            Fields(_) => Fields("why".to_owned()),
            Options(_) => Options(OptionsError::OverLimit { name: "top_k", value: 2, limit: 1 }),
            Row(_) => Row(RowError::NoTokens),
            QueueFull { .. } => QueueFull { wait: Duration::ZERO },
            TooManyRequests => TooManyRequests,
            TooManyStreams => TooManyStreams,
            MemoryFull => MemoryFull,
            Panicked => Panicked,
            Lost => Lost,
            Failed(_) => Failed("why".to_owned()),
            Loading => Loading,
            Reloading => Reloading,
            Ending => Ending,
            Late { .. } => Late { seconds: 1.5 },
        });
        let options = options_errors().into_iter().map(Options);
        let rows = row_errors().into_iter().map(Row);
        own.into_iter().chain(options).chain(rows).collect()
    }

    #[test]
    fn no_error_names_a_flag() {
        for problem in problems() {
            let text = ApiError::from(problem).to_string();
            assert!(!text.is_empty() && !text.contains("--"), "{text}");
        }
    }

    #[test]
    fn names_are_those_of_json() {
        for problem in problems() {
            let kind = problem.kind();
            assert_eq!(serde_json::json!(kind), kind.name());
        }
    }
}
