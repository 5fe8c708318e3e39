//! `bertqa models`: which models can be run, and whether a certain one can.

use std::fmt::{self, Write};

use indicatif::{BinaryBytes, HumanCount};
use serde::Serialize;

use super::args::ModelFilesArgs;
use super::{Status, hint};
use crate::engine::Precision;
use crate::engine::native::{SupportedFamily, supported_families};
use crate::model::{
    Drift, ModelContents, ModelFile, ModelKind, ModelPart, ModelReport, PrecisionReport, PrecisionTrial,
    TokenizerReport,
};

/// Show whether a model can be run, and which ones can
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  bertqa models check deepset/roberta-base-squad2
  bertqa models check DIR --json | jq .precisions
  bertqa models list")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Check(CheckArgs),
    List(ListArgs),
}

/// Load a model, and show what it is and how it does in each precision
///
/// Says its family, tokenizer, files, parameters and longest window; how far each precision is from f32 on sample
/// questions, and which one --precision auto takes. A model that cannot be run is refused with the reason, and the
/// exit status is 2.
#[derive(Debug, clap::Args)]
struct CheckArgs {
    /// A Hugging Face folder, a hub id such as deepset/roberta-base-squad2, or a compiled model; without it, the built-in
    /// model
    #[arg(value_name = "DIR|ID|FILE")]
    model: Option<String>,

    #[command(flatten)]
    files: ModelFilesArgs,

    /// As one JSON object, also where the model is refused
    #[arg(long)]
    json: bool,
}

/// List the families of models that run on the processor, by the model_type of their config.json
#[derive(Debug, clap::Args)]
struct ListArgs {
    /// As one JSON array
    #[arg(long)]
    json: bool,
}

/// What `check --json` prints.
#[derive(Serialize)]
struct Checked<'a> {
    loads: bool,
    #[serde(flatten)]
    result: Outcome<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Outcome<'a> {
    Loaded(&'a ModelReport),
    Refused { model: &'a str, error: String, hint: Option<String> },
}

pub(super) fn run(args: Args) -> anyhow::Result<Status> {
    match args.command {
        Command::Check(args) => check(args),
        Command::List(args) => list(&args),
    }
}

fn check(args: CheckArgs) -> anyhow::Result<Status> {
    let CheckArgs { model, files, json } = args;
    let report = files.load_options(model.as_deref()).report().map_err(anyhow::Error::new);
    let text = match &report {
        Ok(report) if !json => Text(report).to_string(),
        Ok(report) => serde_json::to_string(&Checked { loads: true, result: Outcome::Loaded(report) })? + "\n",
        Err(_) if !json => String::new(),
        Err(error) => {
            let model = model.as_deref().unwrap_or("default");
            let result = Outcome::Refused { model, error: format!("{error:#}"), hint: hint::of(error) };
            serde_json::to_string(&Checked { loads: false, result })? + "\n"
        }
    };
    super::print(text.as_bytes())?;
    report.map(|_| Status::AllAnswered)
}

fn list(args: &ListArgs) -> anyhow::Result<Status> {
    let families = supported_families();
    if args.json {
        super::print((serde_json::to_string(&families)? + "\n").as_bytes())?;
        return Ok(Status::AllAnswered);
    }
    let mut text = String::new();
    for SupportedFamily { model_types, notes } in families {
        for model_type in model_types {
            writeln!(text, "{model_type:<21} {notes}")?;
        }
    }
    super::print(text.as_bytes())?;
    Ok(Status::AllAnswered)
}

/// A report for people.
struct Text<'a>(&'a ModelReport);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ModelReport { model, model_type, max_seq_len, kind } = self.0;
        row(f, "model", model)?;
        row(f, "family", model_type)?;
        match kind {
            ModelKind::Compiled { engine } => {
                row(f, "window", format_args!("{max_seq_len} tokens"))?;
                row(f, "runs as", engine)
            }
            ModelKind::HuggingFace { contents, precisions } => {
                let ModelContents { files, tokenizer, parameters, parameter_bytes } = contents;
                row(f, "config", files_of(files, ModelPart::Config))?;
                row(f, "weights", files_of(files, ModelPart::Weights))?;
                let (count, bytes) = (HumanCount(*parameters as u64), BinaryBytes(*parameter_bytes as u64));
                row(f, "parameters", format_args!("{count} in {bytes}"))?;
                let TokenizerReport { class, kind, tokens } = tokenizer;
                let (tokens, from) = (HumanCount(*tokens as u64), files_of(files, ModelPart::Tokenizer));
                row(f, "tokenizer", format_args!("{class}, {kind} of {tokens} tokens: {from}"))?;
                let dictionary = files_of(files, ModelPart::Dictionary);
                if !dictionary.is_empty() {
                    row(f, "dictionary", dictionary)?;
                }
                row(f, "window", format_args!("up to {max_seq_len} tokens"))?;
                row(f, "device", "the processor; for cuda and neuron it has to be compiled (docker/trace.py)")?;
                precisions.iter().try_for_each(|report| row(f, &report.precision.to_string(), precision(report)))
            }
        }
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, text: impl fmt::Display) -> fmt::Result {
    writeln!(f, "{name:<13} {text}")
}

fn files_of(files: &[ModelFile], part: ModelPart) -> String {
    let named = files.iter().filter(|file| file.part == part);
    let named: Vec<_> = named.map(|file| format!("{} ({})", file.name, BinaryBytes(file.bytes as u64))).collect();
    named.join(", ")
}

fn precision(report: &PrecisionReport) -> String {
    let mut text = match &report.trial {
        PrecisionTrial::Drift(_) if report.precision == Precision::F32 => "the measure of the others".to_owned(),
        PrecisionTrial::Drift(drift) => {
            format!("{drift} of the probability of sample answers lies elsewhere than in f32")
        }
        PrecisionTrial::Refused(why) => format!("refused: {why}"),
    };
    if matches!(report.trial, PrecisionTrial::Drift(drift) if !drift.is_tolerable()) {
        text += &format!(", more than the {} that --precision auto bears", Drift::TOLERABLE);
    }
    if !report.instructions {
        text += "; this processor has no instructions for it";
    }
    if report.chosen {
        text += "; --precision auto takes it";
    }
    text
}
