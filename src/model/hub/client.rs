use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use backon::{BlockingRetryable, ExponentialBuilder};
use ureq::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LOCATION, RANGE};
use ureq::http::{HeaderMap, Response, StatusCode, Uri};
use ureq::{Agent, Body};

use super::content::{self, ContentError};
use super::names::{Commit, Etag, Hash};
use crate::huggingface::{self, variable};

/// Why a file cannot be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// The connection failed, or took too long.
    #[error(transparent)]
    Connection(#[from] ureq::Error),
    /// The hub refuses.
    #[error("{url} answers {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// Its status.
        status: StatusCode,
    },
    /// An answer that no hub gives: of a proxy that wants a login, for example.
    #[error("{url} does not answer as a hub does: the header {header} is missing or unusable")]
    Header {
        /// What was asked for.
        url: String,
        /// The header.
        header: &'static str,
    },
    /// One place names the next without end.
    #[error("{0} leads from one place to the next without end")]
    Redirects(String),
    /// A download of another size than the file.
    #[error("{url} has {found} bytes, and should have {expected}")]
    Size {
        /// What was fetched.
        url: String,
        /// The size of the file.
        expected: u64,
        /// The size of what came.
        found: u64,
    },
    /// A download that is not the file.
    #[error("{url} has another content than the hub says")]
    Content {
        /// What was fetched.
        url: String,
        /// What shows it.
        source: ContentError,
    },
    /// The cache cannot be written.
    #[error("cannot write to the cache")]
    Cache(#[from] io::Error),
    /// Nowhere to keep files.
    #[error("there is no home directory, and neither HF_HOME nor HF_HUB_CACHE names a place for files")]
    NoCache,
}

impl HubError {
    /// Whether it may go better the next time.
    fn may_pass(&self) -> bool {
        match self {
            Self::Connection(_) | Self::Size { .. } => true,
            Self::Status { status, .. } => status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS,
            _ => false,
        }
    }
}

/// Asks a hub for files.
pub(super) struct Client {
    agent: Agent,
    endpoint: String,
    token: Option<String>,
}

/// A file, as a hub describes it.
pub(super) struct Remote {
    pub commit: Commit,
    pub etag: Etag,
    /// Where its content is.
    url: String,
    size: Option<u64>,
}

/// How often one place may name the next.
const REDIRECTS: usize = 8;

const COMMIT: &str = "x-repo-commit";
const LINKED_ETAG: &str = "x-linked-etag";
const LINKED_SIZE: &str = "x-linked-size";

impl Client {
    pub(super) fn new(token: Option<String>) -> Self {
        let answer = seconds("HF_HUB_ETAG_TIMEOUT");
        let agent = Agent::config_builder()
            .timeout_connect(Some(answer))
            .timeout_recv_response(Some(answer))
            .timeout_per_read(Some(seconds("HF_HUB_DOWNLOAD_TIMEOUT")))
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("bertqa/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Self { agent, endpoint: huggingface::endpoint(), token }
    }

    /// What the hub says of a file; `None`: it has none of that name.
    pub(super) fn find(&self, id: &str, revision: &str, file: &str) -> Result<Option<Remote>, HubError> {
        // As huggingface_hub does with refs/pr/1.
        let revision = revision.replace('/', "%2F");
        let url = format!("{}/{id}/resolve/{revision}/{file}", self.endpoint);
        self.retry(|| self.look(&url))
    }

    /// Asks for the first byte, for what is said beside it.
    fn look(&self, first: &str) -> Result<Option<Remote>, HubError> {
        let mut url = first.to_owned();
        for _ in 0..REDIRECTS {
            let response = self.get(&url, "bytes=0-0")?;
            let (status, headers) = (response.status(), response.headers());
            if matches!(status, StatusCode::NOT_FOUND | StatusCode::UNAUTHORIZED) {
                return Ok(None);
            }
            if !status.is_success() && !status.is_redirection() {
                return Err(HubError::Status { url, status });
            }
            let next = match status.is_redirection() {
                true => Some(target(&url, headers)?),
                false => None,
            };
            // A model that was renamed leads on to its new name, before anything is said of the file.
            match next {
                Some(next) if !headers.contains_key(COMMIT) => url = next,
                next => return self.describe(url, next, headers).map(Some),
            }
        }
        Err(HubError::Redirects(first.to_owned()))
    }

    fn describe(&self, url: String, next: Option<String>, headers: &HeaderMap) -> Result<Remote, HubError> {
        let missing = |header| HubError::Header { url: url.clone(), header };
        let commit = text(headers, COMMIT).and_then(Commit::parse).ok_or_else(|| missing(COMMIT))?;
        let etag = text(headers, LINKED_ETAG).or_else(|| text(headers, ETAG.as_str())).and_then(Etag::parse);
        let etag = etag.ok_or_else(|| missing("etag"))?;
        let whole = || text(headers, CONTENT_RANGE.as_str())?.rsplit('/').next();
        let linked = || text(headers, LINKED_SIZE);
        let size = if next.is_some() { linked() } else { linked().or_else(whole) };
        let size = size.and_then(|size| size.parse().ok());
        Ok(Remote { commit, etag, url: next.unwrap_or(url), size })
    }

    /// Puts the content of a file at `path`, whole or not at all. Of two programs that fetch the same, one waits.
    pub(super) fn fetch(&self, remote: &Remote, name: &str, path: &Path) -> Result<(), HubError> {
        let part = path.with_extension("incomplete");
        let mut file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&part)?;
        file.lock()?;
        if path.exists() {
            return Ok(());
        }
        if remote.etag.hash() == Hash::None {
            // Nothing would show what an earlier attempt left.
            file.set_len(0)?;
        }
        let fetched = self.retry(|| self.download(remote, name, &mut file));
        if matches!(fetched, Err(HubError::Content { .. } | HubError::Size { .. } | HubError::Header { .. })) {
            file.set_len(0)?;
        }
        fetched?;
        file.sync_all()?;
        fs::rename(&part, path)?;
        Ok(())
    }

    /// Goes on where `file` ends.
    fn download(&self, remote: &Remote, name: &str, file: &mut File) -> Result<(), HubError> {
        let mut url = remote.url.clone();
        let mut there = file.seek(SeekFrom::End(0))?;
        let mut response = self.get(&url, &format!("bytes={there}-"))?;
        for _ in 0..REDIRECTS {
            if !response.status().is_redirection() {
                break;
            }
            url = target(&url, response.headers())?;
            response = self.get(&url, &format!("bytes={there}-"))?;
        }
        let status = response.status();
        let whole = match status {
            StatusCode::PARTIAL_CONTENT => {
                let range = text(response.headers(), CONTENT_RANGE.as_str()).and_then(range);
                let (first, size) = range.ok_or_else(|| header(&url, "content-range"))?;
                if first != there {
                    return Err(header(&url, "content-range"));
                }
                Some(size)
            }
            StatusCode::OK => {
                there = 0;
                text(response.headers(), CONTENT_LENGTH.as_str()).and_then(|size| size.parse().ok())
            }
            StatusCode::RANGE_NOT_SATISFIABLE => Some(there),
            _ if status.is_redirection() => return Err(HubError::Redirects(remote.url.clone())),
            _ => return Err(HubError::Status { url, status }),
        };
        let hash = remote.etag.hash();
        let is_page = text(response.headers(), CONTENT_TYPE.as_str()).is_some_and(|kind| kind.starts_with("text/html"));
        if hash == Hash::None && is_page {
            return Err(header(&url, "content-type"));
        }
        let expected = remote.size.or(whole).ok_or_else(|| header(&url, "content-length"))?;
        file.set_len(there)?;
        file.seek(SeekFrom::End(0))?;
        if status != StatusCode::RANGE_NOT_SATISFIABLE {
            // No more than it should have, however long an answer goes on.
            let body = response.into_body().into_reader().take((expected + 1).saturating_sub(there));
            there += io::copy(&mut shown(body, name, there, expected), file).map_err(connection)?;
            file.flush()?;
        }
        if there != expected || whole.is_some_and(|whole| whole != expected) {
            // What is too long is not its beginning.
            if there > expected || hash == Hash::None {
                file.set_len(0)?;
            }
            return Err(HubError::Size { url, expected, found: there.max(whole.unwrap_or(there)) });
        }
        content::check(file, name, hash).map_err(|source| HubError::Content { url, source })
    }

    fn get(&self, url: &str, range: &str) -> Result<Response<Body>, HubError> {
        let mut request = self.agent.get(url).header(RANGE, range);
        // The places that a hub names are not to see its token.
        if let Some(token) = self.token.as_ref().filter(|_| url.starts_with(&format!("{}/", self.endpoint))) {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        Ok(request.call()?)
    }

    fn retry<T>(&self, call: impl FnMut() -> Result<T, HubError>) -> Result<T, HubError> {
        let waits =
            ExponentialBuilder::default().with_min_delay(Duration::from_millis(300)).with_jitter().with_max_times(3);
        call.retry(waits).when(HubError::may_pass).call()
    }
}

fn header(url: &str, header: &'static str) -> HubError {
    HubError::Header { url: url.to_owned(), header }
}

/// A failure in the middle of a body; one of the cache is no `ureq` error.
fn connection(error: io::Error) -> HubError {
    match error.get_ref() {
        Some(inner) if inner.is::<ureq::Error>() => HubError::Connection(error.into()),
        _ if error.kind() == io::ErrorKind::TimedOut || error.kind() == io::ErrorKind::UnexpectedEof => {
            HubError::Connection(error.into())
        }
        _ => HubError::Cache(error),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The first byte and the size of the whole in `bytes 5-9/10`.
fn range(header: &str) -> Option<(u64, u64)> {
    let (range, size) = header.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.parse().ok()?, size.parse().ok()?))
}

/// Where a redirection leads.
fn target(from: &str, headers: &HeaderMap) -> Result<String, HubError> {
    let missing = || header(from, "location");
    let location = text(headers, LOCATION.as_str()).ok_or_else(missing)?;
    if location.starts_with("http://") || location.starts_with("https://") {
        return Ok(location.to_owned());
    }
    let from: Uri = from.parse().map_err(|_| missing())?;
    match (from.scheme_str(), from.authority(), location.starts_with('/') && !location.starts_with("//")) {
        (Some(scheme), Some(authority), true) => Ok(format!("{scheme}://{authority}{location}")),
        _ => Err(missing()),
    }
}

/// As huggingface_hub has it: 10 seconds, or what the variable says.
fn seconds(name: &str) -> Duration {
    let set = variable(name).and_then(|value| value.parse().ok()).filter(|seconds| *seconds > 0);
    Duration::from_secs(set.unwrap_or(10))
}

/// A body whose progress is shown on a terminal; a pipe or a log gets none.
#[cfg(feature = "cli")]
fn shown<'a>(body: impl Read + 'a, name: &str, position: u64, size: u64) -> Box<dyn Read + 'a> {
    use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
    let bar = ProgressBar::with_draw_target(Some(size), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {bytes} of {total_bytes}, {eta} left") {
        bar.set_style(style);
    }
    bar.set_message(name.to_owned());
    bar.set_position(position);
    Box::new(bar.wrap_read(body))
}

#[cfg(not(feature = "cli"))]
fn shown<'a>(body: impl Read + 'a, _: &str, _: u64, _: u64) -> Box<dyn Read + 'a> {
    Box::new(body)
}
