use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args as _, ValueEnum};

use crate::cli::args::{MessageArgs, ModelArgs, TextArgs};
use crate::io::InputFormat;
use crate::qa::RequestOptions;

/// Measure answers against the right ones: exact match, F1, calibration
///
/// Answers the questions of GOLD as `bertqa run` would, or takes answers made earlier (--predictions), and compares
/// them with the right ones: exact match and F1, overall and by type of question, length of answer and context, and
/// number of windows; how well questions without an answer are detected; and how far scores can be trusted.
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

Best thresholds for \"no answer\" take its probability beside that of the best span, and the output names the flag for
them: --no-answer-threshold. When eval runs the model it has both probabilities. Predictions have both where they were
made with --handle-impossible-answer and a --top-k that lets \"no answer\" into the list; else the threshold is on the
score alone, the output says so, and there is no flag for it.")]
pub(in crate::cli) struct Args {
    /// Files, globs or folders with right answers, or - for standard input: SQuAD-format JSON, JSONL, CSV, Parquet or
    /// Arrow IPC
    #[arg(required = true, value_name = "GOLD")]
    pub(super) gold: Vec<PathBuf>,

    /// Score the answers of this file instead of running a model: an output of `bertqa run`, or a JSON object of ids
    /// and answers. They are matched by id, or by their order where either has no ids
    #[arg(long, value_name = "FILE", conflicts_with_all = model_args())]
    pub(super) predictions: Option<PathBuf>,

    /// How answers are made comparable
    #[arg(long, value_enum, default_value_t = NormalizationArg::Auto)]
    pub(super) normalization: NormalizationArg,

    /// Print the figures as one JSON document
    #[arg(long)]
    pub(super) json: bool,

    /// Also write a page with charts and the worst misses
    #[arg(long, value_name = "OUT.html")]
    pub(super) report: Option<PathBuf>,

    /// Overwrite the report if it exists
    #[arg(long, short, requires = "report")]
    pub(super) force: bool,

    /// How many of the worst misses to list in the report and in JSON
    #[arg(long, value_name = "N", default_value = "20")]
    pub(super) misses: usize,

    /// Score the first N rows only
    #[arg(long, value_name = "N")]
    pub(super) limit: Option<usize>,

    #[command(flatten)]
    pub(super) rows: RowArgs,

    #[command(flatten)]
    pub(super) answers: RequestOptions,

    #[command(flatten)]
    pub(super) model: ModelArgs,

    #[command(flatten)]
    pub(super) messages: MessageArgs,
}

/// What has no meaning without a model to run; but for what environment variables may set for good.
fn model_args() -> Vec<clap::Id> {
    let options = RequestOptions::augment_args(clap::Command::new("options"));
    let options = options.get_arguments().map(|arg| arg.get_id().clone());
    options.chain([clap::Id::from("revision")]).collect()
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Rows")]
pub(super) struct RowArgs {
    /// Column of the question
    #[arg(long, value_name = "COLUMN", default_value = "question")]
    pub(super) question: String,

    /// Column of the context
    #[arg(long, value_name = "COLUMN", default_value = "context")]
    pub(super) context: String,

    /// Column that identifies a row
    #[arg(long, value_name = "COLUMN", default_value = "id")]
    pub(super) id: String,

    /// Column of the right answers
    #[arg(long = "answers", value_name = "COLUMN", default_value = "answers")]
    pub(super) gold_answers: String,

    /// The --prefix with which the predictions were made
    #[arg(long, value_name = "TEXT", default_value = "", requires = "predictions")]
    pub(super) prefix: String,

    /// Format of all gold files, whatever their extensions
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(super) input_format: Option<InputFormat>,

    /// Longest line of an input in bytes
    #[arg(long, value_name = "BYTES", default_value = "67108864")]
    pub(super) max_line_bytes: NonZeroUsize,

    #[command(flatten)]
    pub(super) text: TextArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum NormalizationArg {
    /// ja if most of the first 100 contexts have kana or Chinese characters, else en
    Auto,
    /// By characters: NFKC, lower case, nothing but letters, marks and numbers
    Ja,
    /// By words, as SQuAD defines it: lower case, without punctuation and articles
    En,
}
