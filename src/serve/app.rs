//! What all requests share.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Semaphore;

use super::body::Memory;
use super::error::{ApiError, Problem};
use super::limits::Limits;
use super::model_info::ModelInfo;
use super::queue::Queue;
use crate::qa::Options;

#[derive(Clone)]
pub(super) struct App(Arc<Shared>);

pub(super) struct Shared {
    pub limits: Limits,
    pub queue: Queue,
    pub memory: Memory,
    pub metrics: PrometheusHandle,
    /// Places for requests that are being answered.
    pub requests: Arc<Semaphore>,
    /// Places for those of them that stream.
    pub streams: Arc<Semaphore>,
    model: OnceLock<Serving>,
    draining: AtomicBool,
    in_flight: AtomicUsize,
}

/// A model that answers.
pub(super) struct Serving {
    pub info: ModelInfo,
    /// Options for what a request does not say.
    pub defaults: Options,
    /// Rows of a stream between its reader and its writer.
    pub stream_rows: usize,
}

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    pub(super) fn new(limits: Limits, queue: Queue, metrics: PrometheusHandle) -> Self {
        Self(Arc::new(Shared {
            memory: Memory::new(limits.max_buffered_bytes.get()),
            requests: Arc::new(Semaphore::new(limits.max_concurrent_requests.get().min(Semaphore::MAX_PERMITS))),
            streams: Arc::new(Semaphore::new(limits.max_streams.get().min(Semaphore::MAX_PERMITS))),
            limits,
            queue,
            metrics,
            model: OnceLock::new(),
            draining: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
        }))
    }
}

impl Shared {
    /// From now on there is a model that answers.
    pub(super) fn set_ready(&self, serving: Serving) {
        // There is one model, which is loaded once.
        let _ = self.model.set(serving);
    }

    /// From now on the server is not for new requests.
    pub(super) fn set_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// The model, unless the server is not for new requests.
    pub(super) fn ready(&self) -> Result<&Serving, ApiError> {
        if self.is_draining() {
            return Err(Problem::Ending.into());
        }
        self.serving()
    }

    /// The model, once it is loaded.
    pub(super) fn serving(&self) -> Result<&Serving, ApiError> {
        self.model.get().ok_or_else(|| Problem::Loading.into())
    }

    /// Requests whose answer is not sent yet; `observe` counts them.
    pub(super) fn in_flight(&self) -> &AtomicUsize {
        &self.in_flight
    }
}
