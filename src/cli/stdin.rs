use super::args::{AnswerArgs, MessageArgs, ModelArgs, RowArgs};
use super::session::{self, Session};
use super::{Status, progress};
use crate::io::{self, InputFormat, OutputFormat, ReadOptions, WriteOptions};

/// Answer rows as they arrive: JSONL on standard input, JSONL on standard output
///
/// Answers flow while input is still arriving: a row that comes alone is answered at once, and rows that come in a
/// burst share forward passes. Unknown fields are kept as they are.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  echo '{\"question\": \"Who?\", \"context\": \"Bell did.\"}' | bertqa stdin
  tail -f rows.jsonl | bertqa stdin | jq -r .answer")]
pub(super) struct Args {
    #[command(flatten)]
    rows: RowArgs,

    #[command(flatten)]
    answers: AnswerArgs,

    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    messages: MessageArgs,
}

pub(super) fn run(args: Args) -> anyhow::Result<Status> {
    // The answers are what a terminal shows; a bar would stand between them.
    let session = Session::start(&args.messages, progress::bar(false))?;
    let read = ReadOptions { format: Some(InputFormat::Jsonl), ..args.rows.read_options() };
    let input = io::open(&["-".to_owned()], &read)?;
    let write = WriteOptions {
        format: Some(OutputFormat::Jsonl),
        prefix: args.rows.prefix.clone(),
        top_k: args.answers.top_k(),
        ..WriteOptions::default()
    };
    let output = io::create("-", &input, &write)?;
    session.answer(session::Work {
        input,
        output,
        limit: None,
        strict: args.rows.strict,
        model: &args.model,
        answers: &args.answers,
    })
}
