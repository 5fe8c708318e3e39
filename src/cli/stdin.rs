use super::args::CommonArgs;
use super::rows::RowRange;
use super::session::{Session, Work};
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
    range: RowRange,

    #[command(flatten)]
    common: CommonArgs,
}

pub(super) fn run(args: Args) -> anyhow::Result<Status> {
    // The answers are what a terminal shows; a bar would stand between them.
    let session = Session::start(&args.common, progress::bar(false))?;
    let read = ReadOptions { format: Some(InputFormat::Jsonl), ..args.common.rows.read_options() };
    let input = session.open(vec!["-".into()], read)?;
    let write = WriteOptions {
        format: Some(OutputFormat::Jsonl),
        prefix: args.common.rows.prefix.clone(),
        top_k: args.common.top_k(),
        ..WriteOptions::default()
    };
    let output = io::create("-", &input, &write)?;
    session.answer(Work { input, output, range: args.range, record: None })
}
