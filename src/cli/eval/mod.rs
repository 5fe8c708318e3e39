//! `bertqa eval`: runs the model, or reads predictions, and shows how good the answers are.

mod args;
mod job;
mod sink;

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, bail};

use super::max_failed::MaxFailed;
use super::{Status, interrupt, logging, progress};
use crate::eval::{self, Answers, Evaluation, GoldColumns};
use crate::io::journal::RowCounts;
use crate::io::{self, ReadOptions, Target};
use crate::pipeline::Stop;
pub(super) use args::Args;
use job::Job;

pub(super) fn run(args: &Args) -> anyhow::Result<Status> {
    let began = Instant::now();
    let bar = progress::bar(!args.messages.quiet);
    logging::start(&args.messages, &bar);
    let stop = Stop::default();
    interrupt::handle(&stop)?;

    let read = ReadOptions {
        question: args.rows.question.clone(),
        context: args.rows.context.clone(),
        format: args.rows.input_format,
        encoding: args.rows.text.encoding,
        csv: args.rows.text.csv(),
        max_line_bytes: args.rows.max_line_bytes.get(),
        ..ReadOptions::default()
    };
    if args.predictions.as_deref() == Some(Path::new("-")) && args.gold.iter().any(|gold| gold.as_os_str() == "-") {
        bail!("standard input (`-`) can be read only once: it is GOLD or --predictions");
    }
    let gold = args.gold.clone();
    let input = interrupt::unless_stopped(&stop, move || io::open(&gold, &read))?;
    let columns = GoldColumns { id: args.rows.id.clone(), answers: args.rows.gold_answers.clone() };
    columns.check(&input)?;
    let report = args.report.as_ref().map(|path| Target::open(path, args.force, None, input.paths())).transpose()?;

    let job = Job { args, bar, stop: stop.clone(), columns, began };
    let (scorer, stats) = match &args.predictions {
        Some(path) => job.score(input, path)?,
        None => job.answer(input)?,
    };
    let answers = match &args.predictions {
        Some(path) => Answers::Predictions(path.display().to_string()),
        None => Answers::Model(args.model.name().to_owned()),
    };
    let figures = scorer.finish();
    let counts = RowCounts { rows: stats.rows.get(), failed: figures.failed };
    let status = interrupt::status(&stop, counts, MaxFailed::NONE);
    let gold = args.gold.iter().map(|path| path.display().to_string()).collect();
    let evaluation = Evaluation { bertqa: env!("CARGO_PKG_VERSION"), gold, answers, figures };
    if status == Status::Interrupted {
        tracing::warn!("these are the figures of the first {} rows only; no report is written", stats.rows.get());
    } else if let Some(target) = report {
        write_report(&evaluation, target)?;
    }
    let text =
        if args.json { serde_json::to_string_pretty(&evaluation)? + "\n" } else { eval::text::render(&evaluation)? };
    crate::cli::print(text.as_bytes())?;
    Ok(status)
}

fn write_report(evaluation: &Evaluation, target: Target) -> anyhow::Result<()> {
    let page = eval::report::render(evaluation)?;
    let mut sink = target.sink()?;
    sink.write_all(page.as_bytes()).and_then(|()| sink.flush()).context("cannot write the report")?;
    Ok(target.commit()?)
}
