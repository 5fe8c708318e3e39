//! What `run` and `stdin` share: rows in, the pipeline, rows out, and what is said about it.

use std::path::{Path, PathBuf};
use std::time::Instant;

use indicatif::ProgressBar;

use super::args::{CommonArgs, ModelArgs};
use super::destination::Destination;
use super::output::{Output, RowSink, SharedOutput};
use super::profile::Observed;
use super::progress::Progress;
use super::rows::{RowRange, items};
use super::summary::Summary;
use super::{Status, StrictStop, interrupt, logging};
use crate::engine::{Input as ModelInput, Precision};
use crate::io::journal::{CheckpointInterval, Claim, Identity, Journal, Replay, RowCounts};
use crate::io::{self, Input, ReadOptions, RowWriter, is_broken_pipe};
use crate::model::ModelFile;
use crate::pipeline::{Pipeline, Stats, Stop};
use crate::plural::plural;
use crate::qa::{Options, RequestOptions};

/// A model that is loaded, with the options for its rows.
pub(super) struct Ready {
    pub pipeline: Pipeline,
    pub options: Options,
    /// How the network runs, for people.
    pub engine: String,
    pub model: ModelIdentity,
    pub observed: Option<Observed>,
}

/// What of a model its answers depend on. In which order of which instructions it adds up is not in it: another
/// processor may give other last digits.
#[derive(serde::Serialize)]
pub(super) struct ModelIdentity {
    pub precision: Option<Precision>,
    /// Of a compiled model: where it has no manifest, the options say.
    inputs: Option<Vec<ModelInput>>,
    files: Vec<ModelFile>,
}

/// What is to be answered, and where to.
pub(super) struct Work {
    pub input: Input,
    pub output: Box<dyn RowWriter>,
    pub range: RowRange,
    pub record: Option<Record>,
}

/// What is kept of a run beside its output.
pub(super) struct Record {
    /// What is known of the run before the model is loaded.
    pub identity: Identity,
    pub destination: Destination,
    /// Whether what is there already does not count.
    pub force: bool,
    pub journal: Option<JournalPlan>,
}

impl Record {
    fn with(self, range: RowRange, options: &Options, model: &ModelIdentity) -> io::Result<Self> {
        let identity = self.identity.with("rows", &range)?.with("answers", options)?.with("model", model)?;
        // Requests cannot change it, so it is not among those that serde writes.
        let identity = identity.with("max_windows", &options.max_windows)?;
        Ok(Self { identity, ..self })
    }

    /// The rows of a part that is complete already.
    fn complete_part(&self) -> io::Result<Option<RowCounts>> {
        if self.force { Ok(None) } else { self.destination.complete_part(&self.identity) }
    }
}

/// How a journal is kept.
pub(super) struct JournalPlan {
    pub claim: Claim,
    pub overwrites: bool,
    pub interval: CheckpointInterval,
}

impl JournalPlan {
    fn begin(self, identity: Identity, work_file: &Path) -> io::Result<(Journal, Option<Replay>)> {
        self.claim.begin(identity, work_file, self.overwrites, self.interval)
    }
}

impl Ready {
    pub(super) fn load(
        model: &ModelArgs,
        answers: &RequestOptions,
        stop: &Stop,
        profile: bool,
    ) -> anyhow::Result<Self> {
        let loading = model.clone();
        let loaded = interrupt::unless_stopped(stop, move || loading.load())?;
        let options = answers.resolve(&Options::default(), loaded.engines.max_seq_len())?;
        let engine = loaded.engines.to_string();
        let observed = profile.then(|| Observed::new(&loaded));
        let model = ModelIdentity {
            precision: loaded.engines.precision(),
            inputs: loaded.engines.inputs().map(<[_]>::to_vec),
            files: loaded.files.clone(),
        };
        let pipeline = Pipeline { stop: stop.clone(), ..loaded.into_pipeline() };
        Ok(Self { pipeline, options, engine, model, observed })
    }
}

/// A command that can be interrupted, and that says on stderr how it goes.
pub(super) struct Session<'a> {
    args: &'a CommonArgs,
    bar: ProgressBar,
    stop: Stop,
    began: Instant,
}

impl<'a> Session<'a> {
    pub(super) fn start(args: &'a CommonArgs, bar: ProgressBar) -> anyhow::Result<Self> {
        let began = Instant::now();
        logging::start(&args.messages, &bar);
        let stop = Stop::default();
        interrupt::handle(&stop)?;
        Ok(Self { args, bar, stop, began })
    }

    /// Opens the input, which may be a pipe that nobody writes to yet.
    pub(super) fn open(&self, inputs: Vec<PathBuf>, options: ReadOptions) -> anyhow::Result<Input> {
        interrupt::unless_stopped(&self.stop, move || io::open(&inputs, &options))
    }

    /// Answers the rows, after those that a journal has answers of.
    pub(super) fn answer(self, work: Work) -> anyhow::Result<Status> {
        let CommonArgs { rows, answers, model, messages, profile } = self.args;
        let Work { input, output, range, record } = work;
        let Ready { pipeline, options, engine, model, observed } = Ready::load(model, answers, &self.stop, *profile)?;
        let options = Options { max_windows: rows.max_windows.get(), ..options };
        let mut output = Output { writer: output, journal: None, destination: None };
        let mut replay = None;
        if let Some(record) = record {
            let record = record.with(range, &options, &model)?;
            if let Some(counts) = record.complete_part()? {
                let path = record.destination.path().display();
                tracing::info!(rows = counts.rows, failed = counts.failed, "{path} was complete already");
                return Ok(Status::of(counts, rows.max_failed));
            }
            let Record { identity, destination, journal, .. } = record;
            if let Some((plan, work_file)) = journal.zip(output.writer.work_file()) {
                let (journal, recorded) = plan.begin(identity.clone(), work_file)?;
                (output.journal, replay) = (Some(journal), recorded);
            }
            output.destination = Some((destination, identity));
        }
        let stats = pipeline.stats.clone();
        let progress = Progress::start(self.bar, &input, range, stats.clone())?;
        let mut input = range.of(input.rows());
        if let Some(replay) = replay
            && !output.replay(replay, &mut input, &stats, &self.stop)?
        {
            return Ok(Status::Interrupted);
        }
        let resumed = stats.rows.get();
        let began = Instant::now();
        let output = SharedOutput::new(output);
        let sink = RowSink::new(output.clone(), stats.clone(), rows.strict);
        let ran = pipeline.run(items(input, options), sink).map(drop);
        let elapsed = began.elapsed();
        let output = output.take();
        let counts = RowCounts { rows: stats.rows.get(), failed: stats.failed.get() };
        let status = interrupt::status(&self.stop, counts, rows.max_failed);
        if let Err(error) = ran {
            drop(progress);
            if error.is::<StrictStop>() && resumed == 0 {
                // Who asked to stop at the first bad row has the row.
                output.map_or(Ok(()), Output::discard)?;
            } else if !is_broken_pipe(&error) {
                keep(output, &stats);
            }
            return Err(error);
        }
        if status == Status::Interrupted {
            drop(progress);
            keep(output, &stats);
        } else {
            if let Some(output) = output {
                output.finish(counts)?;
            }
            drop(progress);
        }
        if let Some(observed) = observed {
            logging::say(format!("{}\n", observed.stages(&stats, elapsed)).as_bytes());
            if let Some(operators) = observed.operators() {
                logging::say(format!("{operators}\n").as_bytes());
            }
        }
        Summary::new(&stats, resumed, self.began, engine, model.precision).print(messages)?;
        Ok(status)
    }
}

/// Keeps what was answered before a run broke off, if there is any.
fn keep(output: Option<Output>, stats: &Stats) {
    let rows = stats.rows.get();
    let resumable = output.as_ref().is_some_and(|output| output.journal.is_some());
    let keep = |output: Output| if rows > 0 { output.keep() } else { output.discard().map(|()| None) };
    match output.map(keep).transpose() {
        Ok(kept) => {
            if let Some(path) = kept.flatten() {
                let (rows_are, path) = (format!("{rows} {}", plural(rows, "row")), path.display());
                let advice = if resumable { "; --resume goes on from there" } else { "" };
                tracing::warn!("the {rows_are} answered so far are in {path}{advice}");
            }
        }
        Err(error) => tracing::warn!("the {rows} {} answered so far cannot be kept: {error}", plural(rows, "row")),
    }
}
