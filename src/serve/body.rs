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

/// The memory for rows of all requests, in units of [`UNIT`]. A part of it is kept for small requests: those that take
/// much, or take it for as long as they like, do not shut others out.
#[derive(Clone)]
pub(super) struct Memory {
    all: Pool,
    /// What of it streams may take, and requests of more than [`SMALL`].
    large: Pool,
}

/// A part of [`Memory`], until it is dropped.
#[derive(Default)]
pub(super) struct MemoryPermit {
    all: Option<OwnedSemaphorePermit>,
    large: Option<OwnedSemaphorePermit>,
}

impl MemoryPermit {
    /// Holds what `other` does, too.
    pub(super) fn merge(&mut self, other: Self) {
        merge(&mut self.all, other.all);
        merge(&mut self.large, other.large);
    }
}

fn merge(own: &mut Option<OwnedSemaphorePermit>, other: Option<OwnedSemaphorePermit>) {
    match (own, other) {
        (Some(own), Some(other)) => own.merge(other),
        (own @ None, other) => *own = other,
        (Some(_), None) => {}
    }
}

fn units(permit: &Option<OwnedSemaphorePermit>) -> u32 {
    permit.as_ref().map_or(0, |permit| permit.num_permits() as u32)
}

/// In bytes. A semaphore's permits are counted up to 2^32 only, and on small machines to less.
const UNIT: usize = 64;
const MAX_UNITS: u32 = 1 << 28;

/// So much in bytes is a small request. All that there may be at once, by the usual limits, take an eighth of the memory.
const SMALL: usize = 64 << 10;

#[derive(Clone)]
struct Pool {
    free: Arc<Semaphore>,
    total: u32,
}

impl Pool {
    fn new(bytes: usize) -> Self {
        let total = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).clamp(1, MAX_UNITS);
        Self { free: Arc::new(Semaphore::new(total as usize)), total }
    }

    /// What is larger than all of it waits until it is alone.
    fn try_take(&self, units: u32) -> Result<OwnedSemaphorePermit, Problem> {
        self.free.clone().try_acquire_many_owned(units.min(self.total)).map_err(|_| Problem::MemoryFull)
    }

    async fn take(&self, units: u32) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        self.free.clone().acquire_many_owned(units.min(self.total)).await.ok()
    }
}

impl Memory {
    pub(super) fn new(limits: &Limits) -> Self {
        let (all, body) = (limits.max_buffered_bytes.get(), limits.max_body_bytes.get());
        Self { all: Pool::new(all), large: Pool::new((all - all / 4).max(body.min(all))) }
    }

    /// How much is taken, in bytes.
    pub(super) fn held(&self) -> usize {
        (self.all.total as usize - self.all.free.available_permits()) * UNIT
    }

    /// Takes `bytes` more for a request, if they are free.
    fn grow(&self, held: &mut MemoryPermit, bytes: usize) -> Result<(), ApiError> {
        let more = to_units(bytes);
        let whole = units(&held.all).saturating_add(more);
        let large = if whole > to_units(SMALL) { whole - units(&held.large) } else { 0 };
        let large = self.large.try_take(large)?;
        held.merge(MemoryPermit { all: Some(self.all.try_take(more)?), large: Some(large) });
        Ok(())
    }

    /// Takes `bytes` more for a request whose texts stand for several rows. They are no more than a body may be.
    pub(super) fn grow_for(&self, held: &mut MemoryPermit, bytes: usize, limits: &Limits) -> Result<(), ApiError> {
        let limit = limits.max_body_bytes.get();
        if bytes > limit { Err(Problem::RepeatedTooLarge { limit }.into()) } else { self.grow(held, bytes) }
    }

    /// Waits until `bytes` are free for a stream.
    pub(super) async fn wait(&self, bytes: usize) -> MemoryPermit {
        let units = to_units(bytes);
        // Always in this order: nobody waits for the second who has none of the first.
        let large = self.large.take(units).await;
        MemoryPermit { all: self.all.take(units).await, large }
    }
}

fn to_units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
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
