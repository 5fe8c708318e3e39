use std::io;
use std::num::NonZeroUsize;

/// Why a server cannot start as it is configured. Its parameters are named as the fields of [`Config`](super::Config)
/// and [`Limits`](super::Limits) are.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Requests may have more rows than the queue.
    #[error("max_rows, {max_rows}, is more than max_queued_rows, {max_queued_rows}: such a request would never fit")]
    Rows {
        /// Most rows of a request.
        max_rows: NonZeroUsize,
        /// Most rows that wait.
        max_queued_rows: NonZeroUsize,
    },
    /// Bodies may be larger than the memory for them.
    #[error(
        "max_body_bytes, {max_body_bytes}, is more than max_buffered_bytes, {max_buffered_bytes}: such a request would \
         never fit"
    )]
    Bytes {
        /// Largest body.
        max_body_bytes: NonZeroUsize,
        /// Memory for all of them.
        max_buffered_bytes: NonZeroUsize,
    },
    /// A key without characters.
    #[error("the API key is empty; leave it out to ask for none")]
    EmptyApiKey,
    /// A key that no header can carry.
    #[error("the API key may have visible ASCII characters only")]
    UnprintableApiKey,
    /// What is no origin.
    #[error("{0} is no origin, such as https://example.org or http://localhost:3000")]
    Origin(String),
    /// The address cannot be listened on.
    #[error("cannot listen on {host}:{port}")]
    Listen {
        /// Name or address.
        host: String,
        /// Its port.
        port: u16,
        /// Why not.
        source: io::Error,
    },
}
