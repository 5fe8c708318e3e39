//! Places for requests.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::app::App;
use super::error::{ApiError, Problem};

/// A place among the requests that are worked on, for as long as it is held.
///
/// It is refused while the server is not ready, and when there are as many requests as it takes on.
pub(super) struct RequestPermit {
    pub began: Instant,
    _permit: OwnedSemaphorePermit,
}

impl RequestPermit {
    /// By when the request must be answered.
    pub(super) fn deadline(&self, app: &App) -> Instant {
        self.began + app.limits.request_timeout
    }
}

impl FromRequestParts<App> for RequestPermit {
    type Rejection = ApiError;

    async fn from_request_parts(_: &mut Parts, app: &App) -> Result<Self, ApiError> {
        app.serving()?;
        let permit = app.requests.clone().try_acquire_owned().map_err(|_| Problem::TooManyRequests)?;
        Ok(Self { began: Instant::now(), _permit: permit })
    }
}
