use super::args::{MessageArgs, ModelArgs};
use super::{Status, logging, progress};
use crate::qa::{Options, RequestOptions};
use crate::serve::{self, ApiKey, Config, Ended, Limits, Loaded, ModelInfo};

/// Answer questions over HTTP, with a page at /
///
/// POST /inferences takes {"question": "...", "context": "..."} or a list of them, with options of the answer beside
/// (top_k, doc_stride, ...), and gives {"answer", "score", "start", "end"}. POST /inferences/stream takes JSON Lines
/// of any length. POST / and /predict take Hugging Face's shape, POST /invocations SageMaker's. /docs shows all
/// routes; /health, /ready and /metrics are for monitoring.
///
/// Rows of concurrent requests share forward passes. At capacity it answers 429. After SIGTERM or Ctrl-C it finishes the
/// requests that it has, and ends.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  bertqa serve --port 8080
  curl localhost:8080/inferences --json '{\"question\": \"Who?\", \"context\": \"Bell did.\"}'
  curl localhost:8080/inferences/stream -H 'content-type: application/x-ndjson' -T rows.jsonl -X POST
  BERTQA_API_KEY=secret bertqa serve --host 0.0.0.0 --model deepset/roberta-base-squad2")]
pub(super) struct Args {
    /// Address to listen on; 0.0.0.0 for all
    #[arg(long, default_value = "127.0.0.1", env = "BERTQA_HOST")]
    host: String,

    /// Port to listen on; 0 for any that is free
    #[arg(long, default_value = "8080", env = "BERTQA_PORT")]
    port: u16,

    /// Require this key, as `Authorization: Bearer KEY` or `x-api-key: KEY`; /health, /ready, /ping, the page and the
    /// documentation stay open. Give it in the environment, where other users do not see it
    #[arg(long, value_name = "KEY", env = "BERTQA_API_KEY", hide_env_values = true)]
    api_key: Option<String>,

    /// Origin whose pages may use the server, such as https://example.org, or * for any; may be repeated
    #[arg(long, value_name = "ORIGIN", env = "BERTQA_CORS_ORIGIN", value_delimiter = ',')]
    cors_origin: Vec<String>,

    /// A name by which a server on localhost may be asked, as behind a proxy that passes on the Host of its clients, or
    /// * for any; may be repeated
    #[arg(long, value_name = "HOST", env = "BERTQA_ALLOWED_HOST", value_delimiter = ',')]
    allowed_host: Vec<String>,

    #[command(flatten)]
    limits: Limits,

    #[command(flatten)]
    answers: RequestOptions,

    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    messages: MessageArgs,
}

pub(super) fn run(args: Args) -> anyhow::Result<Status> {
    let Args { host, port, api_key, cors_origin, allowed_host, limits, answers, model, messages } = args;
    logging::start(&messages, &progress::bar(false));
    logging::never_wait();
    let config = Config {
        host,
        port,
        limits,
        api_key: api_key.as_deref().map(ApiKey::new).transpose()?,
        cors_origins: cors_origin,
        allowed_hosts: allowed_host,
    };
    let load = move || {
        let loaded = model.load()?;
        let max_seq_len = loaded.engines.max_seq_len();
        let info = ModelInfo {
            model: model.name().to_owned(),
            model_type: loaded.engines.model_type().to_owned(),
            engine: loaded.engines.to_string(),
            max_seq_len,
            batch_size: loaded.pipeline.batch_size.get(),
        };
        let defaults = answers.resolve(&Options::default(), max_seq_len)?;
        Ok(Loaded { pipeline: loaded.into_pipeline(), defaults, info })
    };
    let ended = serve::run(config, load);
    logging::flush();
    match ended? {
        Ended::Drained => Ok(Status::AllAnswered),
        Ended::CutOff => Ok(Status::SomeFailed),
    }
}
