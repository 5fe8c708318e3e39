//! A server that answers with a tiny model, as `bertqa serve` would.

use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use bertqa::qa::Options;
use bertqa::serve::{Config, Limits, Loaded, ModelInfo, run};
use ureq::http::{Response, Uri};
use ureq::{Agent, Body};

use crate::model::ModelFolder;
use crate::scratch::Scratch;

/// What it is asked with.
pub struct Server {
    agent: Agent,
    port: u16,
    _scratch: Scratch,
}

impl Server {
    /// Starts one in this process, and waits until it is ready.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it starts threads")]
    pub fn new() -> Self {
        let scratch = Scratch::new();
        let folder = ModelFolder::tiny(&scratch);
        // Whatever is free now; it has to be named.
        let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
        let port = free.expect("a free port").port();
        let config = Config {
            host: "127.0.0.1".to_owned(),
            port,
            limits: limits(),
            api_key: None,
            cors_origins: Vec::new(),
            allowed_hosts: Vec::new(),
        };
        std::thread::spawn(move || {
            let ended = run(config, move || {
                let model = folder.load()?;
                let info = ModelInfo {
                    model: "tiny".to_owned(),
                    model_type: model.engines.model_type().to_owned(),
                    engine: model.engines.to_string(),
                    max_seq_len: model.engines.max_seq_len(),
                    batch_size: model.pipeline.batch_size.get(),
                };
                let defaults = Options { max_seq_len: 32, doc_stride: 8, ..Options::default() };
                Ok(Loaded { pipeline: model.into_pipeline(), defaults, info })
            });
            // It was interrupted, and so is the fuzzer.
            if let Err(error) = ended {
                eprintln!("the server ended: {error:#}");
                std::process::abort();
            }
            std::process::exit(0);
        });
        let server = Self { agent: agent(), port, _scratch: scratch };
        let since = Instant::now();
        let ready = || server.agent.get(server.uri("/ready")).call().is_ok_and(|response| response.status() == 200);
        while !ready() {
            assert!(since.elapsed() < Duration::from_secs(60), "the server is not ready");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// Posts a body; `None` if the path is none or the type cannot be sent.
    #[must_use]
    pub fn post(&self, path: &str, media_type: &str, body: &[u8]) -> Option<Response<Body>> {
        let uri: Uri = self.uri(path).parse().ok()?;
        let request = || ureq::http::Request::post(&uri).header("content-type", media_type).body(body);
        // A connection whose last answer broke off may turn out to be closed.
        let first = self.agent.run(request().ok()?);
        Some(first.or_else(|_| agent().run(request()?)).expect("an answer"))
    }

    fn uri(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

fn agent() -> Agent {
    let config = Agent::config_builder().http_status_as_error(false).max_redirects(0);
    config.timeout_global(Some(Duration::from_secs(60))).build().new_agent()
}

/// Low enough that small inputs reach them.
fn limits() -> Limits {
    let most = |number: usize| NonZeroUsize::new(number).expect("not zero");
    Limits {
        max_body_bytes: most(16 << 10),
        max_buffered_bytes: most(1 << 20),
        max_rows: most(8),
        max_context_chars: most(1000),
        max_windows: most(8),
        max_top_k: most(5),
        max_queued_rows: most(64),
        max_concurrent_requests: most(64),
        max_streams: most(64),
        max_connections: most(16),
        request_timeout: Duration::from_secs(20),
        header_timeout: Duration::from_secs(20),
        body_timeout: Duration::from_secs(20),
        min_body_rate: 0,
        write_timeout: Duration::from_secs(20),
        grace: Duration::from_secs(1),
    }
}
