//! The key that requests have to show.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use subtle::ConstantTimeEq;

use super::config_error::ConfigError;
use super::error::{ApiError, Problem};

/// The key that requests have to show; compared in constant time.
#[derive(Clone)]
pub struct ApiKey(Arc<str>);

impl ApiKey {
    /// # Errors
    /// A key that no header can carry, or none at all.
    pub fn new(key: &str) -> Result<Self, ConfigError> {
        if key.is_empty() {
            return Err(ConfigError::EmptyApiKey);
        }
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ConfigError::UnprintableApiKey);
        }
        Ok(Self(key.into()))
    }

    /// In a time that does not reveal how much of a wrong key is right.
    fn is(&self, other: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(other).into()
    }
}

/// Turns away requests without the key.
pub(super) async fn require(State(key): State<ApiKey>, request: Request, next: Next) -> Result<Response, ApiError> {
    match given(request.headers()) {
        Some(given) if key.is(given) => Ok(next.run(request).await),
        Some(_) => Err(Problem::WrongKey.into()),
        None => Err(Problem::NoKey.into()),
    }
}

fn given(headers: &HeaderMap) -> Option<&[u8]> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.as_bytes().split_at_checked("Bearer ".len())?;
        scheme.eq_ignore_ascii_case(b"Bearer ").then_some(key.trim_ascii())
    });
    bearer.or_else(|| headers.get("x-api-key").map(|value| value.as_bytes()))
}
