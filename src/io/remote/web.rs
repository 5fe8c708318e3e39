//! Web servers.

use std::io::{self, Read};
use std::ops::Range;
use std::time::{Duration, SystemTime};

use backon::{BlockingRetryable, ExponentialBuilder};
use chrono::DateTime;
use ureq::http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, ETAG, LAST_MODIFIED, RANGE};
use ureq::http::{HeaderMap, HeaderName, Response, StatusCode};
use ureq::{Agent, Body};

use super::{Existing, Metadata, Store};

/// How long a server may say nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// A web server, from some URL on.
pub(super) struct Web {
    agent: Agent,
    base: String,
    token: Option<String>,
}

/// What a server says instead of what it was asked for.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the server answers {0}")]
    Status(StatusCode),
    #[error("the file is another than it was")]
    Changed,
}

impl Web {
    /// `token` is shown to this server only, not to those that it leads on to.
    pub(super) fn new(base: String, token: Option<String>) -> Self {
        let agent = Agent::config_builder()
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_per_read(Some(PATIENCE))
            .http_status_as_error(false)
            .user_agent(concat!("bertqa/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Self { agent, base, token }
    }

    /// What a server answers that is there and has an opinion.
    pub(super) fn get(&self, key: &str, range: Option<Range<u64>>) -> io::Result<Response<Body>> {
        let mut request = self.agent.get(format!("{}{key}", self.base)).header(ACCEPT_ENCODING, "identity");
        if let Some(range) = range {
            request = request.header(RANGE, format!("bytes={}-{}", range.start, range.end.saturating_sub(1)));
        }
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let response = request.call().map_err(failed)?;
        match response.status() {
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => Err(refused(status)),
            _ => Ok(response),
        }
    }

    fn read_once(&self, key: &str, found: &Metadata, range: Range<u64>) -> io::Result<Vec<u8>> {
        let length = range.end - range.start;
        let response = self.get(key, Some(range))?;
        if response.status() != StatusCode::PARTIAL_CONTENT {
            return Err(refused(response.status()));
        }
        let etag = text(response.headers(), ETAG);
        if found.etag.is_some() && etag != found.etag.as_deref() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, Refusal::Changed));
        }
        let mut bytes = Vec::new();
        response.into_body().into_reader().take(length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

impl Store for Web {
    fn find(&self, key: &str) -> io::Result<Option<Metadata>> {
        retry(|| {
            let response = self.get(key, Some(0..1))?;
            let (status, headers) = (response.status(), response.headers());
            let size = match status {
                StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(None),
                StatusCode::PARTIAL_CONTENT => text(headers, CONTENT_RANGE).and_then(|range| range.rsplit('/').next()),
                // Of nothing at all there is no first byte.
                StatusCode::RANGE_NOT_SATISFIABLE => Some("0"),
                StatusCode::OK => text(headers, CONTENT_LENGTH),
                _ => return Err(refused(status)),
            };
            let size = size.and_then(|size| size.parse().ok());
            let modified = text(headers, LAST_MODIFIED).and_then(|date| DateTime::parse_from_rfc2822(date).ok());
            Ok(Some(Metadata {
                size,
                modified: modified.map(SystemTime::from),
                etag: text(headers, ETAG).map(str::to_owned),
                has_ranges: status != StatusCode::OK && size.is_some(),
            }))
        })
    }

    fn list(&self, _: &str) -> io::Result<Vec<(String, Metadata)>> {
        Ok(Vec::new())
    }

    fn read(&self, key: &str, found: &Metadata, range: Range<u64>) -> io::Result<Vec<u8>> {
        retry(|| self.read_once(key, found, range.clone()))
    }

    fn stream(&self, key: &str) -> io::Result<Box<dyn Read + Send>> {
        let response = retry(|| self.get(key, None))?;
        if response.status() != StatusCode::OK {
            return Err(refused(response.status()));
        }
        Ok(Box::new(response.into_body().into_reader()))
    }

    fn is_writable(&self) -> bool {
        false
    }

    fn write(&self, _: &str, _: &mut dyn Read, _: Existing) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

fn failed(error: ureq::Error) -> io::Error {
    match error {
        ureq::Error::Io(error) => error,
        ureq::Error::Timeout(_) | ureq::Error::ConnectionFailed => io::Error::new(io::ErrorKind::TimedOut, error),
        error => io::Error::other(error),
    }
}

fn refused(status: StatusCode) -> io::Error {
    let kind = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => io::ErrorKind::PermissionDenied,
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => io::ErrorKind::TimedOut,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, Refusal::Status(status))
}

/// Tries again what may go better the next time.
pub(super) fn retry<T>(call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let waits =
        ExponentialBuilder::default().with_min_delay(Duration::from_millis(300)).with_jitter().with_max_times(7);
    let may_pass = |error: &io::Error| {
        !matches!(
            error.kind(),
            io::ErrorKind::PermissionDenied
                | io::ErrorKind::InvalidData
                | io::ErrorKind::Other
                | io::ErrorKind::NotFound
        )
    };
    call.retry(waits).when(may_pass).call()
}

pub(super) fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}
