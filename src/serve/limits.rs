use std::num::NonZeroUsize;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::config_error::ConfigError;
use crate::qa::{OptionLimits, Options};

/// How much a server takes on. What goes beyond is refused, so that memory does not grow with load.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[cfg_attr(feature = "cli", derive(clap::Args), command(next_help_heading = "Limits"))]
pub struct Limits {
    /// Largest body of a request; for streams, longest line
    #[cfg_attr(
        feature = "cli",
        arg(long, value_name = "BYTES", default_value = "8388608", env = "BERTQA_MAX_BODY_BYTES")
    )]
    #[schema(value_type = usize)]
    pub max_body_bytes: NonZeroUsize,

    /// Memory for the rows of all requests together. A quarter of it is kept for small ones: streams, and requests of
    /// more than 64 KiB, do not get it
    #[cfg_attr(
        feature = "cli",
        arg(long, value_name = "BYTES", default_value = "268435456", env = "BERTQA_MAX_BUFFERED_BYTES")
    )]
    #[schema(value_type = usize)]
    pub max_buffered_bytes: NonZeroUsize,

    /// Most rows of a request; streams have no such limit
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value = "512", env = "BERTQA_MAX_ROWS"))]
    #[schema(value_type = usize)]
    pub max_rows: NonZeroUsize,

    /// Longest context, and longest question, in characters
    #[cfg_attr(
        feature = "cli",
        arg(long, value_name = "N", default_value = "100000", env = "BERTQA_MAX_CONTEXT_CHARS")
    )]
    #[schema(value_type = usize)]
    pub max_context_chars: NonZeroUsize,

    /// Most windows for a context
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value = "256", env = "BERTQA_MAX_WINDOWS"))]
    #[schema(value_type = usize)]
    pub max_windows: NonZeroUsize,

    /// Largest top_k that a request may ask for
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value = "100", env = "BERTQA_MAX_TOP_K"))]
    #[schema(value_type = usize)]
    pub max_top_k: NonZeroUsize,

    /// Most rows that wait for the network; further requests get status 429
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value = "2048", env = "BERTQA_MAX_QUEUED_ROWS"))]
    #[schema(value_type = usize)]
    pub max_queued_rows: NonZeroUsize,

    /// Most requests at once, streams included; further ones get status 429
    #[cfg_attr(
        feature = "cli",
        arg(long, value_name = "N", default_value = "512", env = "BERTQA_MAX_CONCURRENT_REQUESTS")
    )]
    #[schema(value_type = usize)]
    pub max_concurrent_requests: NonZeroUsize,

    /// Most streams at once, so that other requests find a place, and never more than half of max_concurrent_requests;
    /// further ones get status 429
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value = "256", env = "BERTQA_MAX_STREAMS"))]
    #[schema(value_type = usize)]
    pub max_streams: NonZeroUsize,

    /// Most open connections; further ones wait to be accepted
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value = "1000", env = "BERTQA_MAX_CONNECTIONS"))]
    #[schema(value_type = usize)]
    pub max_connections: NonZeroUsize,

    /// Longest time for a request, from its head to its answer; streams have no such limit
    #[cfg_attr(feature = "cli", arg(long, value_name = "SECONDS", default_value = "120", value_parser = seconds, env = "BERTQA_REQUEST_TIMEOUT"))]
    #[serde(serialize_with = "as_seconds")]
    #[schema(value_type = f64)]
    pub request_timeout: Duration,

    /// Longest time for the head of a request, and for an idle connection
    #[cfg_attr(feature = "cli", arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds, env = "BERTQA_HEADER_TIMEOUT"))]
    #[serde(serialize_with = "as_seconds")]
    #[schema(value_type = f64)]
    pub header_timeout: Duration,

    /// Longest wait for the next part of a request's body
    #[cfg_attr(feature = "cli", arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds, env = "BERTQA_BODY_TIMEOUT"))]
    #[serde(serialize_with = "as_seconds")]
    #[schema(value_type = f64)]
    pub body_timeout: Duration,

    /// Fewest bytes a second, on average, of a body or a stream's row that takes longer than that
    #[cfg_attr(feature = "cli", arg(long, value_name = "BYTES", default_value = "1024", env = "BERTQA_MIN_BODY_RATE"))]
    pub min_body_rate: usize,

    /// Longest wait for a client to read the next part of its answer
    #[cfg_attr(feature = "cli", arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds, env = "BERTQA_WRITE_TIMEOUT"))]
    #[serde(serialize_with = "as_seconds")]
    #[schema(value_type = f64)]
    pub write_timeout: Duration,

    /// How long requests may take to finish after SIGTERM, SIGHUP or Ctrl-C
    #[cfg_attr(feature = "cli", arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds, env = "BERTQA_GRACE"))]
    #[serde(serialize_with = "as_seconds")]
    #[schema(value_type = f64)]
    pub grace: Duration,
}

impl Limits {
    /// What requests may ask for of a model that takes windows of at most `longest` tokens. The server's own defaults
    /// are always allowed.
    pub(super) fn of_options(&self, longest: usize, defaults: &Options) -> OptionLimits {
        OptionLimits {
            longest,
            top_k: self.max_top_k.get().max(defaults.top_k),
            max_answer_len: longest,
            max_windows: self.max_windows.get(),
        }
    }

    /// These limits, with room for other requests beside streams.
    ///
    /// # Errors
    /// Limits of which one keeps another from ever being reached.
    pub fn checked(self) -> Result<Self, ConfigError> {
        let Self { max_rows, max_queued_rows, max_body_bytes, max_buffered_bytes, .. } = self;
        if max_rows > max_queued_rows {
            return Err(ConfigError::Rows { max_rows, max_queued_rows });
        }
        if max_body_bytes > max_buffered_bytes {
            return Err(ConfigError::Bytes { max_body_bytes, max_buffered_bytes });
        }
        let half = NonZeroUsize::new(self.max_concurrent_requests.get() / 2).unwrap_or(NonZeroUsize::MIN);
        Ok(Self { max_streams: self.max_streams.min(half), ..self })
    }
}

#[cfg(feature = "cli")]
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    let duration = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
    // Timers have an end; this is for ever all the same.
    Ok(duration.min(Duration::from_secs(366 * 24 * 60 * 60)))
}

fn as_seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}
