use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::qa::{OptionsError, RowError};

/// Why a request has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The body is not what its content type says.
    Malformed,
    /// There is no key with the request, or a wrong one.
    Unauthorized,
    NotFound,
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
    /// There are as many requests as the server takes on.
    Overloaded,
    Internal,
    /// The model is being loaded, or the server is ending.
    NotReady,
    /// The answer took longer than requests may.
    Timeout,
}

impl Kind {
    pub fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
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
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unauthorized => "unauthorized",
            Self::NotFound => "not_found",
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

/// An answer that is an error: `{"error": "...", "kind": "..."}` with the status of its kind.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    pub kind: Kind,
    message: String,
    retry_after: Option<Duration>,
}

/// What an error looks like.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    /// What is wrong, for people.
    error: String,
    /// What is wrong, for programs.
    kind: Kind,
}

impl ApiError {
    pub fn new(kind: Kind, message: impl ToString) -> Self {
        Self { kind, message: message.to_string(), retry_after: None }
    }

    /// With a time after which it is worth to try again.
    pub fn retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    /// For the row of a list that is wrong, counted from 0 as paths of JSON are.
    pub fn at(self, place: usize) -> Self {
        Self { message: format!("[{place}].{}", self.message), ..self }
    }

    pub fn too_large(message: impl ToString) -> Self {
        Self::new(Kind::TooLarge, message)
    }

    pub fn invalid(message: impl ToString) -> Self {
        Self::new(Kind::Invalid, message)
    }

    pub fn internal(message: impl ToString) -> Self {
        Self::new(Kind::Internal, message)
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        let kind = match &rejection {
            JsonRejection::JsonSyntaxError(_) => Kind::Malformed,
            JsonRejection::MissingJsonContentType(_) => Kind::UnsupportedMediaType,
            _ => Kind::Invalid,
        };
        Self::new(kind, rejection.body_text())
    }
}

impl From<RowError> for ApiError {
    fn from(error: RowError) -> Self {
        Self::new(Kind::Unanswerable, error)
    }
}

impl From<OptionsError> for ApiError {
    fn from(error: OptionsError) -> Self {
        Self::invalid(error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = ErrorBody { error: self.message.clone(), kind: self.kind };
        let mut response = (self.kind.status(), Json(body)).into_response();
        if let Some(wait) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        if self.kind == Kind::Unauthorized {
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
pub enum InferenceErrors {
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
    /// There are as many requests as the server takes on; `Retry-After` says when to try again
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
