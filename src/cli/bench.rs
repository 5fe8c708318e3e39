use std::io::Write;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Serialize;

use super::args::{MessageArgs, ModelArgs, at_most};
use super::profile::Observed;
use super::{Status, logging, progress};
use crate::bench::engine::{Shape, Table, measure};
use crate::bench::load::{Load, Pace, Until};
use crate::bench::{Report, Requests, Sample};
use crate::engine::Layout;
use crate::io::{self, InputFormat, ReadOptions};
use crate::model::Model;
use crate::plural::plural;

/// Measure a server under load, or the engine by itself
///
/// With --url, rows are sent to a running `bertqa serve` (or anything else that answers POST /inferences) and the
/// latencies of its answers are shown as percentiles. Without it, the network runs on windows of random tokens of
/// several lengths, in batches of several sizes.
///
/// The exit status is 1 if a request failed, a row had no answer, or an answer differs from --check; requests that a
/// server at capacity refused (429) are counted apart.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  bertqa bench --url http://127.0.0.1:8080                          # the sample questions, 8 at a time
  bertqa bench --url http://127.0.0.1:8080 rows.jsonl --concurrency 64 --duration 30
  bertqa bench --url http://127.0.0.1:8080 rows.parquet --rate 20   # 20 a second, whether it keeps up or not
  bertqa run rows.jsonl -o answers.jsonl && bertqa bench --url http://127.0.0.1:8080 rows.jsonl --check answers.jsonl
  bertqa bench --lengths 128,512 --batch-sizes 1,32 --threads 4")]
pub(super) struct Args {
    #[command(flatten)]
    load: LoadArgs,

    #[command(flatten)]
    engine: EngineArgs,

    /// How long to measure, in seconds; for the engine, each length and batch size [default: 10; for the engine 1]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    duration: Option<Duration>,

    /// The figures as JSON
    #[arg(long)]
    json: bool,

    /// Split the engine's time by operator
    #[arg(long, conflicts_with_all = ["url", "json"])]
    profile: bool,

    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    messages: MessageArgs,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Load on a server")]
struct LoadArgs {
    /// Where the server is, such as http://127.0.0.1:8080; /inferences is added
    #[arg(long)]
    url: Option<String>,

    /// Rows to send, in any format that `bertqa run` reads, again from the first when all are sent; without it, the
    /// sample questions
    #[arg(value_name = "ROWS", requires = "url")]
    inputs: Vec<PathBuf>,

    /// Format of all rows, whatever their extensions
    #[arg(long, value_enum, value_name = "FORMAT", requires = "url")]
    input_format: Option<InputFormat>,

    /// Column of the question
    #[arg(long, value_name = "COLUMN", default_value = "question")]
    question: String,

    /// Column of the context
    #[arg(long, value_name = "COLUMN", default_value = "context")]
    context: String,

    /// How many clients send requests at once, each on a connection of its own
    #[arg(long, short, value_name = "N", default_value = "8", value_parser = at_most::<65536>)]
    concurrency: NonZeroUsize,

    /// Fixed request rate, in requests a second; latency counts from the scheduled time
    #[arg(long, value_name = "REQUESTS", value_parser = rate, requires = "url")]
    rate: Option<f64>,

    /// End after this many requests instead of after a time
    #[arg(long, value_name = "N", conflicts_with = "duration", requires = "url")]
    requests: Option<NonZeroU64>,

    /// Rows in each request; more than 1 are sent as a list
    #[arg(long, value_name = "N", default_value = "1")]
    rows_per_request: NonZeroUsize,

    /// Seconds to send requests before measuring
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    warm_up: Duration,

    /// How long to wait for an answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    timeout: Duration,

    /// The server's API key
    #[arg(long, value_name = "KEY", env = "BERTQA_API_KEY", hide_env_values = true)]
    api_key: Option<String>,

    /// Compare every answer with what `bertqa run` wrote for the same rows as JSON Lines
    #[arg(long, value_name = "FILE", requires = "url")]
    check: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "The engine by itself")]
struct EngineArgs {
    /// Tokens of a window [default: 16,32,64,128,256,384,512; a compiled model's]
    #[arg(long, value_name = "N,...", value_delimiter = ',', value_parser = at_most::<{ 1 << 18 }>)]
    lengths: Option<Vec<NonZeroUsize>>,

    /// Windows of a batch [default: 1,8,32; a compiled model's]
    #[arg(long, value_name = "N,...", value_delimiter = ',', value_parser = at_most::<4096>)]
    batch_sizes: Option<Vec<NonZeroUsize>>,
}

impl EngineArgs {
    /// Lengths and batch sizes: those asked for, or what the engine is given in earnest.
    fn resolve(&self, layout: Layout) -> (Vec<usize>, Vec<usize>) {
        let (lengths, batch_sizes) = match layout {
            Layout::Ragged => (vec![16, 32, 64, 128, 256, 384, 512], vec![1, 8, 32]),
            Layout::Fixed(shape) => (vec![shape.seq_len.get()], vec![shape.batch.get()]),
        };
        let asked = |sizes: &Option<Vec<NonZeroUsize>>| {
            sizes.as_ref().map(|sizes| sizes.iter().map(|size| size.get()).collect())
        };
        (asked(&self.lengths).unwrap_or(lengths), asked(&self.batch_sizes).unwrap_or(batch_sizes))
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<Status> {
    logging::start(&args.messages, &progress::bar(false));
    match &args.load.url {
        Some(url) => load(args, url),
        None => engine(args),
    }
}

#[derive(Serialize)]
struct LoadReport<'a> {
    url: &'a str,
    concurrency: usize,
    rate: Option<f64>,
    rows_per_request: usize,
    #[serde(flatten)]
    report: Report,
}

fn load(args: &Args, url: &str) -> anyhow::Result<Status> {
    let LoadArgs { concurrency, rate, rows_per_request, .. } = args.load;
    let requests = Requests::new(samples(&args.load)?, rows_per_request.get(), args.load.check.as_deref())?;
    let until = match args.load.requests {
        Some(count) => Until::Requests(count.get()),
        None => Until::Elapsed(args.duration.unwrap_or(Duration::from_secs(10))),
    };
    let load = Load {
        url: format!("{}/inferences", url.trim_end_matches('/')),
        api_key: args.load.api_key.clone(),
        concurrency: concurrency.get(),
        pace: rate.map_or(Pace::Closed, |requests_per_second| Pace::Open { requests_per_second }),
        until,
        warm_up: args.load.warm_up,
        timeout: args.load.timeout,
    };
    let report = load.run(&requests)?;
    let status = if report.is_good() { Status::AllAnswered } else { Status::SomeFailed };
    let mut out = Vec::new();
    if args.json {
        let rows_per_request = rows_per_request.get();
        let concurrency = load.concurrency;
        writeln!(
            out,
            "{}",
            serde_json::to_string(&LoadReport { url: &load.url, concurrency, rate, rows_per_request, report })?
        )?;
    } else {
        let pace = rate.map_or_else(String::new, |rate| format!(", {rate} requests/s"));
        writeln!(
            out,
            "POST {}: {concurrency} {}, {rows_per_request} {} a request{pace}",
            load.url,
            plural(concurrency.get(), "connection"),
            plural(rows_per_request.get(), "row")
        )?;
        write!(out, "{report}")?;
    }
    super::print(&out)?;
    Ok(status)
}

fn samples(args: &LoadArgs) -> anyhow::Result<Vec<Option<Sample>>> {
    if args.inputs.is_empty() {
        return Ok(Sample::bundled()?.into_iter().map(Some).collect());
    }
    let read = ReadOptions {
        question: args.question.clone(),
        context: args.context.clone(),
        columns: Some(Vec::new()),
        format: args.input_format,
        ..ReadOptions::default()
    };
    let samples = Sample::read(io::open(&args.inputs, &read)?.rows())?;
    let left_out = samples.iter().filter(|sample| sample.is_none()).count();
    if left_out > 0 {
        tracing::warn!("{left_out} of {} rows can't be asked and are left out", samples.len());
    }
    Ok(samples)
}

fn engine(args: &Args) -> anyhow::Result<Status> {
    let model = args.model.load()?;
    let observed = Observed::new(&model);
    let Model { encoder, engines, .. } = model;
    let longest = engines.max_seq_len();
    let (lengths, batch_sizes) = args.engine.resolve(engines.layout());
    if let Some(length) = lengths.iter().find(|length| **length > longest) {
        bail!("--lengths {length} is more than the {longest} tokens that the model can take");
    }
    let time = args.duration.unwrap_or(Duration::from_secs(1));
    let title = engines.to_string();
    let mut engines = engines.into_boxes();
    let engine = engines.first_mut().context("the model has no engine")?;
    let mut measurements = Vec::new();
    for length in lengths {
        for &batch_size in &batch_sizes {
            let shape = Shape { length, batch_size };
            measurements.push(measure(engine.as_mut(), encoder.vocab_size(), shape, time)?);
        }
    }
    let mut out = Vec::new();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&measurements)?)?;
    } else {
        writeln!(out, "{title}")?;
        write!(out, "{}", Table(&measurements))?;
        if args.profile
            && let Some(operators) = observed.operators()
        {
            write!(out, "\n{operators}")?;
        }
    }
    super::print(&out)?;
    Ok(Status::AllAnswered)
}

/// A year.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Of one client: beyond that it would measure itself.
const FASTEST: f64 = 1e6;

fn seconds(text: &str) -> anyhow::Result<Duration> {
    let seconds: f64 = text.parse().context("not a number of seconds")?;
    let duration = Duration::try_from_secs_f64(seconds).context("not a time in seconds")?;
    if duration <= LONGEST { Ok(duration) } else { bail!("at most {} seconds", LONGEST.as_secs()) }
}

fn rate(text: &str) -> anyhow::Result<f64> {
    let rate: f64 = text.parse().context("not a number of requests a second")?;
    if rate > 0.0 && rate <= FASTEST { Ok(rate) } else { bail!("must be more than 0, and at most {FASTEST}") }
}
