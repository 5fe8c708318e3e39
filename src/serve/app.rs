//! What all requests share.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::ModelInfo;
use super::body::Memory;
use super::error::{ApiError, Problem};
use super::limits::Limits;
use super::observe::Rows;
use super::queue::{Answers, Ask, Full, Queue};
use crate::qa::{Example, Options, RequestOptions, RowError, TextField};

#[derive(Clone)]
pub struct App(Arc<Shared>);

pub struct Shared {
    pub limits: Limits,
    pub queue: Queue,
    pub memory: Memory,
    pub metrics: PrometheusHandle,
    requests: Arc<Semaphore>,
    model: OnceLock<Serving>,
    draining: AtomicBool,
    in_flight: AtomicUsize,
}

/// A model that answers.
pub struct Serving {
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
    pub fn new(limits: Limits, queue: Queue, metrics: PrometheusHandle) -> Self {
        Self(Arc::new(Shared {
            memory: Memory::new(limits.max_buffered_bytes.get()),
            requests: Arc::new(Semaphore::new(limits.max_concurrent_requests.get().min(Semaphore::MAX_PERMITS))),
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
    pub fn set_ready(&self, serving: Serving) {
        // There is one model, which is loaded once.
        let _ = self.model.set(serving);
    }

    /// From now on the server is not for new requests.
    pub fn set_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// The model, unless the server is not for new requests.
    pub fn ready(&self) -> Result<&Serving, ApiError> {
        if self.is_draining() {
            return Err(Problem::Ending.into());
        }
        self.serving()
    }

    /// The model, once it is loaded.
    pub fn serving(&self) -> Result<&Serving, ApiError> {
        self.model.get().ok_or_else(|| Problem::Loading.into())
    }

    /// Requests whose answer is not sent yet; `observe` counts them.
    pub fn in_flight(&self) -> &AtomicUsize {
        &self.in_flight
    }

    pub fn resolve(&self, given: &RequestOptions) -> Result<Arc<Options>, ApiError> {
        let Serving { info, defaults, .. } = self.serving()?;
        given
            .resolve_within(defaults, &self.limits.of_options(info.max_seq_len, defaults))
            .map(Arc::new)
            .map_err(ApiError::from)
    }

    /// A row's example, if it keeps to the limits.
    pub fn example(&self, question: String, context: String) -> Result<Example, RowError> {
        self.check(Example::new(question, context)?)
    }

    pub fn check(&self, example: Example) -> Result<Example, RowError> {
        let most = self.limits.max_context_chars.get();
        for (field, text) in [(TextField::Question, example.question()), (TextField::Context, example.context())] {
            // A text has no more characters than bytes, which are counted at once.
            if text.len() > most && text.chars().nth(most).is_some() {
                return Err(RowError::TooManyCharacters { field, limit: most });
            }
        }
        Ok(example)
    }

    pub fn check_rows(&self, rows: usize) -> Result<(), ApiError> {
        let most = self.limits.max_rows;
        if rows > most.get() {
            return Err(Problem::TooManyRows { rows, limit: most.get() }.into());
        }
        Ok(())
    }

    /// Answers the rows of a request, in their order, and counts them. A bad row of a list is not a lost row; alone,
    /// it is what is wrong with the request.
    pub async fn answer(
        &self,
        rows: Vec<Result<Ask, RowError>>,
        is_list: bool,
        counter: &Rows,
        deadline: Instant,
    ) -> Result<Vec<Answers>, ApiError> {
        let mut answers = Vec::with_capacity(rows.len());
        let (mut asks, mut places) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        for (place, row) in rows.into_iter().enumerate() {
            match row {
                Ok(ask) => {
                    asks.push(ask);
                    places.push(place);
                    // What is here until the answers are is never seen.
                    answers.push(Ok(Vec::new()));
                }
                Err(error) => answers.push(Err(error)),
            }
        }
        let lane = self.queue.open();
        let replies = lane.submit(asks).map_err(|Full { wait }| Problem::QueueFull { wait })?;
        for (place, reply) in places.into_iter().zip(replies) {
            answers[place] = timeout_at(deadline, reply).await.map_err(|_| self.late())?.map_err(|_| Problem::Lost)?;
        }
        answers.iter().for_each(|answers| counter.count(answers));
        match answers.pop() {
            Some(Err(error)) if !is_list => Err(error.into()),
            last => {
                answers.extend(last);
                Ok(answers)
            }
        }
    }

    fn late(&self) -> ApiError {
        Problem::Late { seconds: self.limits.request_timeout.as_secs_f64() }.into()
    }
}

/// A place among the requests that are worked on, for as long as it is held.
///
/// It is refused while the server is not ready, and when there are as many requests as it takes on.
pub struct Admitted {
    pub began: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Admitted {
    /// By when the request must be answered.
    pub fn deadline(&self, app: &App) -> Instant {
        self.began + app.limits.request_timeout
    }
}

impl FromRequestParts<App> for Admitted {
    type Rejection = ApiError;

    async fn from_request_parts(_: &mut Parts, app: &App) -> Result<Self, ApiError> {
        app.serving()?;
        let permit = app.requests.clone().try_acquire_owned().map_err(|_| Problem::TooManyRequests)?;
        Ok(Self { began: Instant::now(), _permit: permit })
    }
}
