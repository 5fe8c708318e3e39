//! What all requests share.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

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
    model: RwLock<ModelState>,
    draining: AtomicBool,
    in_flight: AtomicUsize,
}

/// What there is of the model.
enum ModelState {
    /// It has not answered yet.
    Loading,
    Ready(Arc<Serving>),
    /// It answered, and does no longer; it will be loaded again.
    Failed,
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
            memory: Memory::new(&limits),
            requests: Arc::new(Semaphore::new(limits.max_concurrent_requests.get().min(Semaphore::MAX_PERMITS))),
            streams: Arc::new(Semaphore::new(limits.max_streams.get().min(Semaphore::MAX_PERMITS))),
            limits,
            queue,
            metrics,
            model: RwLock::new(ModelState::Loading),
            draining: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
        }))
    }
}

impl Shared {
    /// From now on there is a model that answers.
    pub(super) fn set_ready(&self, serving: Serving) {
        self.set_model(ModelState::Ready(Arc::new(serving)));
    }

    /// From now on there is none, until it is loaded again. Rows that wait for its answers get none.
    pub(super) fn set_failed(&self) {
        self.set_model(ModelState::Failed);
        self.queue.clear();
    }

    fn set_model(&self, model: ModelState) {
        *self.model.write().unwrap_or_else(PoisonError::into_inner) = model;
    }

    /// From now on the server is not for new requests.
    pub(super) fn set_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// The model, unless the server is not for new requests.
    pub(super) fn ready(&self) -> Result<Arc<Serving>, ApiError> {
        if self.is_draining() {
            return Err(Problem::Ending.into());
        }
        self.serving()
    }

    /// The model, while it answers.
    pub(super) fn serving(&self) -> Result<Arc<Serving>, ApiError> {
        match &*self.model.read().unwrap_or_else(PoisonError::into_inner) {
            ModelState::Ready(serving) => Ok(serving.clone()),
            ModelState::Loading => Err(Problem::Loading.into()),
            ModelState::Failed => Err(Problem::Reloading.into()),
        }
    }

    /// Requests whose answer is not sent yet; `observe` counts them.
    pub(super) fn in_flight(&self) -> &AtomicUsize {
        &self.in_flight
    }
}
