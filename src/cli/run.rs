use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use super::args::CommonArgs;
use super::session::Session;
use super::{Status, progress};
use crate::io::{self, InputFormat, OutputFormat, ReadOptions, WriteOptions};

/// Answer the rows of files: JSONL, CSV, Parquet, Arrow IPC or SQuAD-format JSON in; JSONL, CSV, Parquet or Arrow
/// IPC out
///
/// One row comes out for each that goes in, in order, with all of its columns and these: answer, score, start, end,
/// error. A row that can't be answered has a null answer and an error that says why; the run goes on.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  bertqa run questions.jsonl -o answers.parquet
  bertqa run 'data/*.parquet' -o answers.parquet --question q --context passage --columns id
  bertqa run squad-dev.json -o - --top-k 3
  zcat rows.jsonl.gz | bertqa run - -o answers.csv --model deepset/roberta-base-squad2")]
pub(super) struct Args {
    /// Files, globs, folders, or - for standard input
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,

    /// Where the answers go, the format by its extension; - for standard output
    #[arg(long, short, value_name = "OUT")]
    output: PathBuf,

    /// Format of all inputs, whatever their extensions
    #[arg(long, value_enum, value_name = "FORMAT")]
    input_format: Option<InputFormat>,

    /// The sheet of spreadsheets to read, by its name or its number from 1; without it, the first that is shown
    #[arg(long, value_name = "NAME|NUMBER")]
    sheet: Option<String>,

    /// Add a column with the input file that a row is from, called NAME or source_file
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true, default_missing_value = "source_file")]
    source_file: Option<String>,

    /// Format of the output, whatever its extension
    #[arg(long, value_enum, value_name = "FORMAT")]
    output_format: Option<OutputFormat>,

    /// Begin CSV output with a byte order mark, for Excel
    #[arg(long)]
    csv_bom: bool,

    /// Overwrite the output if it exists
    #[arg(long, short)]
    force: bool,

    /// Answer the first N rows only
    #[arg(long, value_name = "N")]
    limit: Option<usize>,

    /// Rows used to infer the output's columns and types, where the input is text
    #[arg(long, value_name = "N", default_value = "100")]
    infer_schema_length: NonZeroUsize,

    #[command(flatten)]
    common: CommonArgs,
}

pub(super) fn run(args: Args) -> anyhow::Result<Status> {
    // Answers on a terminal and a bar below them would overwrite each other.
    let shows_answers = args.output.as_os_str() == "-" && std::io::stdout().is_terminal();
    let session = Session::start(&args.common, progress::bar(!args.common.messages.quiet && !shows_answers))?;
    let read = ReadOptions {
        format: args.input_format,
        output: Some(args.output.clone()),
        sheet: args.sheet,
        source_file: args.source_file,
        ..args.common.rows.read_options()
    };
    let input = io::open(&args.inputs, &read)?;
    let write = WriteOptions {
        format: args.output_format,
        prefix: args.common.rows.prefix.clone(),
        top_k: args.common.top_k(),
        infer_schema_length: args.infer_schema_length.get(),
        csv_bom: args.csv_bom,
        force: args.force,
    };
    let output = io::create(&args.output, &input, &write)?;
    session.answer(input, output, args.limit)
}
