//! Bodies of requests, read within the limits.

use std::io;
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use super::error::{ApiError, Problem};
use super::limits::Limits;
use super::pace::Pace;

/// The memory for rows of all requests, in units of [`UNIT`].
#[derive(Clone)]
pub(super) struct Memory {
    free: Arc<Semaphore>,
    total: u32,
}

/// A part of [`Memory`], until it is dropped.
#[derive(Default)]
pub(super) struct MemoryPermit(Option<OwnedSemaphorePermit>);

impl MemoryPermit {
    /// Holds what `other` does, too.
    pub(super) fn merge(&mut self, other: Self) {
        match (&mut self.0, other.0) {
            (Some(own), Some(other)) => own.merge(other),
            (own @ None, other) => *own = other,
            (Some(_), None) => {}
        }
    }
}

/// In bytes. A semaphore's permits are counted up to 2^32 only, and on small machines to less.
const UNIT: usize = 64;
const MAX_UNITS: u32 = 1 << 28;

impl Memory {
    pub(super) fn new(bytes: usize) -> Self {
        let total = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).clamp(1, MAX_UNITS);
        Self { free: Arc::new(Semaphore::new(total as usize)), total }
    }

    /// What is larger than all of the memory waits until it is alone.
    fn units(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.total)
    }

    /// How much is taken, in bytes.
    pub(super) fn held(&self) -> usize {
        (self.total as usize - self.free.available_permits()) * UNIT
    }

    /// Takes `bytes` more, if they are free.
    fn grow(&self, held: &mut MemoryPermit, bytes: usize) -> Result<(), ApiError> {
        let more = self.free.clone().try_acquire_many_owned(self.units(bytes)).map_err(|_| Problem::MemoryFull)?;
        held.merge(MemoryPermit(Some(more)));
        Ok(())
    }

    /// Takes `bytes` more for a request whose texts stand for several rows. They are no more than a body may be.
    pub(super) fn grow_for(&self, held: &mut MemoryPermit, bytes: usize, limits: &Limits) -> Result<(), ApiError> {
        let limit = limits.max_body_bytes.get();
        if bytes > limit { Err(Problem::RepeatedTooLarge { limit }.into()) } else { self.grow(held, bytes) }
    }

    /// Waits until `bytes` are free.
    pub(super) async fn wait(&self, bytes: usize) -> MemoryPermit {
        // The semaphore is never closed.
        MemoryPermit(self.free.clone().acquire_many_owned(self.units(bytes)).await.ok())
    }
}

/// Reads a JSON body, which takes its part of the memory for as long as the request does.
pub(super) async fn json<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
    limits: &Limits,
    memory: &Memory,
    deadline: Instant,
) -> Result<(T, MemoryPermit), ApiError> {
    if !is_json(headers) {
        return Err(unsupported(headers, "application/json"));
    }
    check_encoding(headers, &[])?;
    let (bytes, permit) = match timeout_at(deadline, collect(body, limits, memory)).await {
        Ok(collected) => collected?,
        Err(_) => return Err(Problem::BodyLate.into()),
    };
    let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
    let Json(value) = Json::from_bytes(text).map_err(Problem::from)?;
    Ok((value, permit))
}

async fn collect(mut body: Body, limits: &Limits, memory: &Memory) -> Result<(Vec<u8>, MemoryPermit), ApiError> {
    let most = limits.max_body_bytes.get();
    let too_large = || Problem::BodyTooLarge { limit: most };
    // What a client announces is believed only when it is too much.
    if axum::body::HttpBody::size_hint(&body).lower() > most as u64 {
        return Err(too_large().into());
    }
    let (mut bytes, mut permit, mut pace) = (Vec::new(), MemoryPermit::default(), Pace::default());
    while let Some(part) = next_part(&mut body, limits).await.transpose().map_err(broken)? {
        if bytes.len() + part.len() > most {
            return Err(too_large().into());
        }
        pace.add(part.len(), limits).map_err(broken)?;
        memory.grow(&mut permit, part.len())?;
        bytes.extend_from_slice(&part);
    }
    Ok((bytes, permit))
}

/// The next bytes of a body, `None` at its end.
pub(super) async fn next_part(body: &mut Body, limits: &Limits) -> Option<io::Result<Bytes>> {
    loop {
        return match timeout(limits.body_timeout, body.frame()).await {
            Err(_) => Some(Err(io::ErrorKind::TimedOut.into())),
            Ok(None) => None,
            Ok(Some(Err(error))) => Some(Err(io::Error::other(error))),
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => Some(Ok(data)),
                // Trailers.
                Err(_) => continue,
            },
        };
    }
}

fn broken(error: io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::TimedOut => Problem::BodyLate,
        _ => Problem::BodyBroken(error.to_string()),
    }
}

/// The content type without its parameters, in lower case.
pub(super) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next()?.trim().to_ascii_lowercase())
}

fn is_json(headers: &HeaderMap) -> bool {
    media_type(headers).is_some_and(|media_type| media_type == "application/json" || media_type.ends_with("+json"))
}

/// Refuses a body that is compressed in a way that was not undone on its way here, nor is among the `known` ones.
pub(super) fn check_encoding(headers: &HeaderMap, known: &[&str]) -> Result<(), ApiError> {
    match headers.get(header::CONTENT_ENCODING) {
        None => Ok(()),
        Some(encoding) if ["identity"].iter().chain(known).any(|known| encoding == known) => Ok(()),
        Some(encoding) => {
            Err(Problem::Encoding { found: String::from_utf8_lossy(encoding.as_bytes()).into_owned() }.into())
        }
    }
}

pub(super) fn unsupported(headers: &HeaderMap, supported: &'static str) -> ApiError {
    Problem::MediaType { found: media_type(headers), supported }.into()
}
