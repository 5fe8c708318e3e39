//! What `run` and `stdin` share: rows in, the pipeline, rows out, and what is said about it.

use std::time::Instant;

use indicatif::ProgressBar;

use super::args::{CommonArgs, ModelArgs};
use super::profile::Observed;
use super::progress::Progress;
use super::rows::{Output, SharedWriter, items};
use super::summary::Summary;
use super::{Status, StrictStop, interrupt, logging};
use crate::io::{Input, RowWriter, is_broken_pipe};
use crate::pipeline::{Pipeline, Stats, Stop};
use crate::plural::plural;
use crate::qa::{Options, RequestOptions};

/// A model that is loaded, with the options for its rows.
pub(super) struct Ready {
    pub pipeline: Pipeline,
    pub options: Options,
    /// How the network runs, for people.
    pub engine: String,
    pub observed: Option<Observed>,
}

impl Ready {
    pub(super) fn load(
        model: &ModelArgs,
        answers: &RequestOptions,
        stop: &Stop,
        profile: bool,
    ) -> anyhow::Result<Self> {
        let loaded = model.load()?;
        let options = answers.resolve(&Options::default(), loaded.engines.max_seq_len())?;
        let engine = loaded.engines.to_string();
        let observed = profile.then(|| Observed::new(&loaded));
        let pipeline = Pipeline { stop: stop.clone(), ..loaded.into_pipeline() };
        Ok(Self { pipeline, options, engine, observed })
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

    /// Answers the rows of `input`, or its first `limit`, into `output`.
    pub(super) fn answer(
        self,
        input: Input,
        output: Box<dyn RowWriter>,
        limit: Option<usize>,
    ) -> anyhow::Result<Status> {
        let CommonArgs { rows, answers, model, messages, profile } = self.args;
        let Ready { pipeline, options, engine, observed } = Ready::load(model, answers, &self.stop, *profile)?;
        let stats = pipeline.stats.clone();
        let progress = Progress::start(self.bar, &input, limit, stats.clone())?;
        let began = Instant::now();
        let writer = SharedWriter::new(output);
        let sink = Output::new(writer.clone(), stats.clone(), rows.strict);
        let ran = pipeline.run(items(input.rows(), options, limit), sink).map(drop);
        let elapsed = began.elapsed();
        let writer = writer.take();
        let status = interrupt::status(&self.stop, stats.failed.get());
        if let Err(error) = ran {
            drop(progress);
            // Who asked to stop at the first bad row has the row; whoever reads the answers has gone.
            if stats.rows.get() > 0 && !error.is::<StrictStop>() && !is_broken_pipe(&error) {
                keep(writer, &stats);
            }
            return Err(error);
        }
        if status == Status::Interrupted {
            drop(progress);
            keep(writer, &stats);
        } else {
            if let Some(writer) = writer {
                writer.finish()?;
            }
            drop(progress);
        }
        if let Some(observed) = observed {
            logging::say(format!("{}\n", observed.stages(&stats, elapsed)).as_bytes());
            if let Some(operators) = observed.operators() {
                logging::say(format!("{operators}\n").as_bytes());
            }
        }
        Summary::new(&stats, self.began, engine).print(messages)?;
        Ok(status)
    }
}

/// Keeps what was answered before a run broke off.
fn keep(writer: Option<Box<dyn RowWriter>>, stats: &Stats) {
    let rows = stats.rows.get();
    match writer.map(|writer| writer.finish_partial()).transpose() {
        Ok(kept) => {
            if let Some(path) = kept.flatten() {
                tracing::warn!("the {rows} {} answered so far are in {}", plural(rows, "row"), path.display());
            }
        }
        Err(error) => tracing::warn!("the {rows} {} answered so far cannot be kept: {error}", plural(rows, "row")),
    }
}
