//! The pipeline over HTTP.
//!
//! ```text
//!  connections ──► routes ──► queue ──► pipeline ──► replies
//! ```
//!
//! Rows of concurrent requests share the batches of one pipeline. `queue` holds them, bounded and fair, and takes
//! each row's answer back to the request that waits for it; a request that is given up takes its rows along.

mod answer;
mod answering;
mod app;
mod auth;
mod body;
mod config_error;
mod error;
mod host;
mod limits;
mod listen;
mod metrics;
mod model_info;
mod model_keeper;
mod observe;
mod one_or_many;
mod pace;
mod permit;
mod queue;
mod request;
mod routes;

use std::task::Poll;
use std::thread;

use anyhow::Context;
use axum::http::{HeaderName, HeaderValue, Method, Uri, header};
use tokio::net::TcpListener;
use tokio::runtime::{self, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tower_http::cors::{Any, CorsLayer};

use crate::pipeline::Pipeline;
use crate::qa::Options;
use crate::signals::is_ignored;
use app::App;
pub use auth::ApiKey;
pub use config_error::ConfigError;
use host::Hosts;
pub use limits::Limits;
pub use model_info::ModelInfo;
use queue::Queue;

/// How a server runs; see [`run`].
pub struct Config {
    /// Name or address to listen on.
    pub host: String,
    /// 0 for any that is free.
    pub port: u16,
    /// How much it takes on.
    pub limits: Limits,
    /// All routes that answer or describe the server ask for it.
    pub api_key: Option<ApiKey>,
    /// Whose pages may use the server; `*` for everybody's.
    pub cors_origins: Vec<String>,
    /// Names by which a server that only this machine can reach may be asked, besides localhost; `*` for any.
    pub allowed_hosts: Vec<String>,
}

/// What a server answers with.
pub struct Loaded {
    /// Its order and its limit in flight are the server's affair.
    pub pipeline: Pipeline,
    /// Options for what a request does not say.
    pub defaults: Options,
    /// The model, for clients.
    pub info: ModelInfo,
}

/// How a server ended on a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With every request answered.
    Drained,
    /// With requests that took longer than the grace time.
    CutOff,
}

/// Serves until SIGTERM, SIGINT or SIGHUP. It listens at once, and answers once `load` has given it a model. A model
/// that has answered and then fails is loaded again, until that succeeds; meanwhile requests are told to come later.
///
/// # Errors
/// If it cannot listen, or the model cannot be loaded at first, or cannot answer.
pub fn run(config: Config, load: impl Fn() -> anyhow::Result<Loaded> + Send + 'static) -> anyhow::Result<Ended> {
    let config = Config { limits: config.limits.checked()?, ..config };
    let cors = cors(&config.cors_origins)?;
    let metrics = metrics::install()?;
    let runtime = runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("http")
        // Each stream takes one.
        .max_blocking_threads(config.limits.max_concurrent_requests.get())
        .build()
        .context("cannot start the threads of the server")?;
    let ended = serve(&runtime, config, cors, metrics, load);
    // Requests that took too long, and a model that is still being loaded, are not waited for.
    runtime.shutdown_background();
    ended
}

fn serve(
    runtime: &Runtime,
    config: Config,
    cors: Option<CorsLayer>,
    metrics: metrics_exporter_prometheus::PrometheusHandle,
    load: impl Fn() -> anyhow::Result<Loaded> + Send + 'static,
) -> anyhow::Result<Ended> {
    let Config { host, port, limits, api_key, allowed_hosts, .. } = config;
    let queue = Queue::new(limits.max_queued_rows.get());
    let app = App::new(limits, queue.clone(), metrics.clone());

    runtime.block_on(async {
        let listener = TcpListener::bind((host.as_str(), port)).await.map_err(|source| ConfigError::Listen {
            host,
            port,
            source,
        })?;
        let address = listener.local_addr()?;
        tracing::info!("listening on http://{address}");
        let hosts = Hosts::new(address, &allowed_hosts);
        let mut interrupts = Interrupts::new()?;
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(metrics::UPKEEP).await;
                metrics.run_upkeep();
            }
        });

        let (failed_in, failed) = oneshot::channel();
        let model_app = app.clone();
        thread::Builder::new().name("pipeline".to_owned()).spawn(move || {
            // The receiver is gone when the server has ended already.
            let _ = failed_in.send(model_keeper::keep(&model_app, load));
        })?;

        let (drain_in, drain) = oneshot::channel::<()>();
        let serving = listen::serve(listener, routes::router(app.clone(), api_key, hosts, cors), &app, async {
            // Dropped without being sent it ends the server as well.
            let _ = drain.await;
        });
        tokio::pin!(serving, failed);
        tokio::select! {
            ended = &mut failed => return Err(failure(ended)),
            // It ends only when `drain` is dropped.
            _ = &mut serving => {}
            () = interrupts.next() => {}
        }
        app.set_draining();
        tracing::info!("ending: finishing the requests that there are; interrupt again to end at once");
        drop(drain_in);
        let drained = tokio::select! {
            ended = &mut failed => return Err(failure(ended)),
            drained = serving => drained,
            () = interrupts.next() => false,
        };
        queue.close();
        if !drained {
            tracing::warn!("ended with requests that were not answered");
        }
        Ok(if drained { Ended::Drained } else { Ended::CutOff })
    })
}

/// Why the pipeline ended while there was a server.
fn failure(ended: Result<anyhow::Result<()>, oneshot::error::RecvError>) -> anyhow::Error {
    match ended {
        Ok(Err(error)) => error,
        Ok(Ok(())) | Err(_) => anyhow::anyhow!("the pipeline ended"),
    }
}

/// The signals that end a server.
struct Interrupts {
    signals: Vec<Signal>,
}

impl Interrupts {
    /// Those that are not ignored from the start on, as `nohup` has it.
    fn new() -> anyhow::Result<Self> {
        let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
        let wanted = kinds.into_iter().filter(|kind| !is_ignored(kind.as_raw_value()));
        Ok(Self { signals: wanted.map(signal).collect::<Result<_, _>>().context("cannot handle signals")? })
    }

    async fn next(&mut self) {
        std::future::poll_fn(|context| {
            let came = self.signals.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
            if came { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Who may use the server from a web page.
fn cors(origins: &[String]) -> anyhow::Result<Option<CorsLayer>> {
    if origins.is_empty() {
        return Ok(None);
    }
    let layer = CorsLayer::new()
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            HeaderName::from_static("x-api-key"),
            observe::REQUEST_ID,
        ])
        .expose_headers([observe::REQUEST_ID, header::RETRY_AFTER]);
    if origins.iter().any(|origin| origin == "*") {
        return Ok(Some(layer.allow_origin(Any)));
    }
    let origins: Vec<HeaderValue> = origins.iter().map(|origin| parse_origin(origin)).collect::<Result<_, _>>()?;
    Ok(Some(layer.allow_origin(origins)))
}

fn parse_origin(origin: &str) -> Result<HeaderValue, ConfigError> {
    let uri = origin.parse::<Uri>().ok();
    let is_origin = |uri: &Uri| uri.scheme().is_some() && uri.authority().is_some() && !origin.ends_with('/');
    uri.filter(is_origin)
        .and_then(|_| HeaderValue::from_str(origin).ok())
        .ok_or_else(|| ConfigError::Origin(origin.to_owned()))
}
