use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use clap::ValueEnum;
use indicatif::ProgressBar;

use super::args::{AnswerArgs, MessageArgs, ModelArgs};
use super::progress::Progress;
use super::rows::FAILURES_TOLD;
use super::session::Ready;
use super::summary::Summary;
use super::{Status, interrupt, logging, progress};
use crate::eval::{
    self, Answers, Evaluation, Gold, GoldColumns, Golds, Guess, Join, Normalization, PredictionColumns, Scorer,
};
use crate::io::{self, Input, InputFormat, ReadOptions, Target};
use crate::pipeline::{Answered, Item, Payload, Sink, Stats, Stop};

/// Tell how good the answers to questions with known answers are
///
/// Answers the questions of GOLD as `bertqa run` would, or takes answers made earlier (--predictions), and compares
/// them with the right ones: exact match and F1, overall and by type of question, length of answer and context, and
/// number of windows; where some questions have no answer, how well that is told; and how far scores can be trusted.
///
/// A row of GOLD has a question, a context and its right answers: a list of texts, or SQuAD's list of {"text",
/// "answer_start"}, or {"text": [...], "answer_start": [...]} as Hugging Face datasets have it; in CSV, the same as
/// JSON, or one text. An empty list says that the context holds no answer.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  bertqa eval dev-v2.0.json --model deepset/roberta-base-squad2 --handle-impossible-answer
  bertqa eval 'jaquad/dev/*.json' --report report.html
  bertqa run gold.jsonl -o answers.parquet && bertqa eval gold.jsonl --predictions answers.parquet
  bertqa eval questions.jsonl --answers gold --json | jq .f1

Best thresholds for \"no answer\" take its probability beside that of the best span. When eval runs the model it has
both. Predictions have both where they were made with --handle-impossible-answer and a --top-k that lets \"no answer\"
into the list; else the threshold is on the score alone, and the output says so.")]
pub(super) struct Args {
    /// Files, globs or folders with right answers, or - for standard input: SQuAD-format JSON, JSONL, CSV, Parquet or
    /// Arrow IPC
    #[arg(required = true, value_name = "GOLD")]
    gold: Vec<PathBuf>,

    /// Score the answers of this file instead of running a model: an output of `bertqa run`, or a JSON object of ids
    /// and answers. They are matched by id, or by their order where either has no ids
    #[arg(long, value_name = "FILE", conflicts_with_all = MODEL_ARGS)]
    predictions: Option<PathBuf>,

    /// How answers are made comparable
    #[arg(long, value_enum, default_value_t = NormalizationArg::Auto)]
    normalization: NormalizationArg,

    /// Print the figures as one JSON document
    #[arg(long)]
    json: bool,

    /// Also write a page with charts and the worst misses
    #[arg(long, value_name = "OUT.html")]
    report: Option<PathBuf>,

    /// Overwrite the report if it exists
    #[arg(long, short, requires = "report")]
    force: bool,

    /// How many of the worst misses to tell in the report and in JSON
    #[arg(long, value_name = "N", default_value = "20")]
    misses: usize,

    /// Score the first N rows only
    #[arg(long, value_name = "N")]
    limit: Option<usize>,

    #[command(flatten)]
    rows: RowArgs,

    #[command(flatten)]
    answers: AnswerArgs,

    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    messages: MessageArgs,
}

/// What has no meaning without a model to run; but for what environment variables may set for good.
const MODEL_ARGS: [&str; 8] = [
    "revision",
    "top_k",
    "max_seq_len",
    "doc_stride",
    "max_answer_len",
    "max_question_len",
    "handle_impossible_answer",
    "align_to_words",
];

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Rows")]
struct RowArgs {
    /// Column of the question
    #[arg(long, value_name = "COLUMN", default_value = "question")]
    question: String,

    /// Column of the context
    #[arg(long, value_name = "COLUMN", default_value = "context")]
    context: String,

    /// Column that identifies a row
    #[arg(long, value_name = "COLUMN", default_value = "id")]
    id: String,

    /// Column of the right answers
    #[arg(long = "answers", value_name = "COLUMN", default_value = "answers")]
    gold_answers: String,

    /// The --prefix with which the predictions were made
    #[arg(long, value_name = "TEXT", default_value = "", requires = "predictions")]
    prefix: String,

    /// Format of all gold files, whatever their extensions
    #[arg(long, value_enum, value_name = "FORMAT")]
    input_format: Option<InputFormat>,

    /// Longest line of an input in bytes
    #[arg(long, value_name = "BYTES", default_value = "67108864")]
    max_line_bytes: NonZeroUsize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum NormalizationArg {
    /// ja if most of the first 100 contexts have kana or Chinese characters, else en
    Auto,
    /// By characters: NFKC, lower case, nothing but letters, marks and numbers
    Ja,
    /// By words, as SQuAD defines it: lower case, without punctuation and articles
    En,
}

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
        max_line_bytes: args.rows.max_line_bytes.get(),
        ..ReadOptions::default()
    };
    if args.predictions.as_deref() == Some(Path::new("-")) && args.gold.iter().any(|gold| gold.as_os_str() == "-") {
        bail!("standard input (`-`) can be read only once: it is GOLD or --predictions");
    }
    let input = io::open(&args.gold, &read)?;
    let columns = GoldColumns { id: args.rows.id.clone(), answers: args.rows.gold_answers.clone() };
    columns.check(&input)?;
    let report = args.report.as_ref().map(|path| Target::open(path, args.force, input.paths())).transpose()?;

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
    let status = interrupt::status(&stop, figures.failed);
    let gold = args.gold.iter().map(|path| path.display().to_string()).collect();
    let evaluation = Evaluation { bertqa: env!("CARGO_PKG_VERSION"), gold, answers, figures };
    if status == Status::Interrupted {
        tracing::warn!("these are the figures of the first {} rows only; no report is written", stats.rows.get());
    } else if let Some(target) = report {
        write_report(&evaluation, target)?;
    }
    let text =
        if args.json { serde_json::to_string_pretty(&evaluation)? + "\n" } else { eval::text::render(&evaluation)? };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(status)
}

fn write_report(evaluation: &Evaluation, target: Target) -> anyhow::Result<()> {
    let page = eval::report::render(evaluation)?;
    let mut sink = target.sink()?;
    sink.write_all(page.as_bytes()).and_then(|()| sink.flush()).context("cannot write the report")?;
    Ok(target.commit()?)
}

/// Scores rows, with what both ways to do it need.
struct Job<'a> {
    args: &'a Args,
    bar: ProgressBar,
    stop: Stop,
    columns: GoldColumns,
    began: Instant,
}

impl Job<'_> {
    /// Gold rows, and a scorer for them.
    fn golds(&self, input: Input) -> anyhow::Result<(Golds, Scorer)> {
        let columns = self.columns.clone();
        let limit = self.args.limit.unwrap_or(usize::MAX);
        let golds: Golds = Box::new(input.rows().take(limit).map(move |row| columns.read(row?)));
        let (told, golds) = eval::normalization(golds)?;
        let normalization = match self.args.normalization {
            NormalizationArg::Auto => told,
            NormalizationArg::Ja => Normalization::Ja,
            NormalizationArg::En => Normalization::En,
        };
        Ok((golds, Scorer::new(normalization, self.args.misses)))
    }

    /// Scores answers that were made earlier.
    fn score(self, input: Input, path: &Path) -> anyhow::Result<(Scorer, Arc<Stats>)> {
        let RowArgs { id, question, prefix, max_line_bytes, .. } = &self.args.rows;
        let columns = PredictionColumns { id: id.clone(), question: question.clone(), prefix: prefix.clone() };
        let mut join = Join::new(&path.display().to_string(), columns.open(path, max_line_bytes.get())?);
        let stats = Arc::new(Stats::default());
        let progress = Progress::start(self.bar.clone(), &input, self.args.limit, stats.clone())?;
        let (golds, mut scorer) = self.golds(input)?;
        for gold in golds {
            if self.stop.is_stopped() {
                return Ok((scorer, stats));
            }
            let gold = gold?;
            let prediction = join.find(&gold)?;
            stats.read.add(1);
            stats.rows.add(1);
            stats.failed.add(usize::from(prediction.guess.is_none()));
            scorer.add(&gold, prediction.guess.as_ref(), None);
        }
        // Of the rows after a limit there may be predictions, and why not.
        if self.args.limit.is_none() {
            join.finish()?;
        }
        drop(progress);
        Ok((scorer, stats))
    }

    /// Answers the gold rows with the model, and scores that.
    fn answer(self, input: Input) -> anyhow::Result<(Scorer, Arc<Stats>)> {
        let Args { answers, model, messages, .. } = self.args;
        let Ready { pipeline, mut options, engine, .. } = Ready::load(model, answers, &self.stop, false)?;
        // The scorer wants to see the best span also where "no answer" wins.
        let null_may_win = std::mem::take(&mut options.handle_impossible_answer);
        let options = Arc::new(options);
        let stats = pipeline.stats.clone();
        let progress = Progress::start(self.bar.clone(), &input, self.args.limit, stats.clone())?;
        let (golds, scorer) = self.golds(input)?;
        let items = golds.map(move |gold| {
            let gold = gold?;
            // The context goes along twice: to be asked, and to be shown if the answer is a bad miss.
            let bytes = 2 * (gold.example.question().len() + gold.example.context().len());
            Ok(Item { example: Ok(gold.example.clone()), payload: gold, options: options.clone(), bytes })
        });
        let ScoringSink { scorer, .. } = pipeline.run(items, ScoringSink { scorer, null_may_win, failed: 0 })?;
        drop(progress);
        Summary::new(&stats, self.began, engine).print(messages)?;
        Ok((scorer, stats))
    }
}

/// Scores what the pipeline answers.
struct ScoringSink {
    scorer: Scorer,
    null_may_win: bool,
    failed: u64,
}

impl Payload for Gold {}

impl Sink<Gold> for ScoringSink {
    fn write(&mut self, row: Answered<Gold>) -> anyhow::Result<()> {
        let Answered { payload: gold, answers, evidence } = row;
        let guess = match answers {
            Ok(answers) => answers.into_iter().next().map(|best| Guess::new(best, evidence, self.null_may_win)),
            Err(error) => {
                self.failed += 1;
                if self.failed <= FAILURES_TOLD {
                    tracing::warn!("{}: {error}", gold.position);
                }
                None
            }
        };
        self.scorer.add(&gold, guess.as_ref(), evidence.map(|evidence| evidence.windows));
        Ok(())
    }
}
