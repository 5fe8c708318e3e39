use std::io::IsTerminal;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;

use super::args::CommonArgs;
use super::destination::Destination;
use super::rows::RowRange;
use super::session::{JournalPlan, Record, Session, Work};
use super::{Status, progress, shard};
use crate::io::journal::{CheckpointInterval, Claim, Identity, Leftover};
use crate::io::{self, InputFormat, OutputFormat, ReadOptions, Shard, WriteOptions};

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

    /// Overwrite the output if it exists, and begin anew where an earlier run broke off
    #[arg(long, short, conflicts_with = "resume")]
    force: bool,

    #[command(flatten)]
    range: RowRange,

    /// Answer one of N parts of the inputs, I from 0, to a file whose name says so (answers-00003-of-00016.parquet); auto
    /// takes both from AWS Batch, Slurm or Kubernetes' indexed jobs (with BERTQA_SHARDS). A part that the same run wrote
    /// already is left as it is
    #[arg(long, value_name = "I/N|auto", value_parser = shard::parse, conflicts_with_all = ["skip", "limit"])]
    shard: Option<Shard>,

    /// Rows used to infer the output's columns and types, where the input is text
    #[arg(long, value_name = "N", default_value = "100")]
    infer_schema_length: NonZeroUsize,

    #[command(flatten)]
    checkpoints: CheckpointArgs,

    #[command(flatten)]
    common: CommonArgs,
}

/// What is kept of a run that breaks off.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Breaking off")]
struct CheckpointArgs {
    /// Go on where a run with the same inputs, model and options broke off, whatever ended it; where none did, begin.
    /// The output is the same as that of a run that does not break off
    #[arg(long)]
    resume: bool,

    /// Force what was answered to the disk, in OUT.journal, every so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, conflicts_with = "no_checkpoints")]
    checkpoint_interval: u64,

    /// And every so many rows, if these come first
    #[arg(long, value_name = "N", default_value = "10000", conflicts_with = "no_checkpoints")]
    checkpoint_rows: NonZeroU64,

    /// Keep no journal: a run that is killed has to begin anew
    #[arg(long, conflicts_with = "resume")]
    no_checkpoints: bool,
}

impl CheckpointArgs {
    fn interval(&self) -> CheckpointInterval {
        CheckpointInterval { rows: self.checkpoint_rows, time: Duration::from_secs(self.checkpoint_interval) }
    }

    /// The right to write the journal of `output`, where one is wanted.
    fn claim(&self, output: &Path, force: bool) -> io::Result<Option<Claim>> {
        if self.no_checkpoints {
            return Ok(None);
        }
        let leftover = match (self.resume, force) {
            (true, _) => Leftover::Resume,
            (false, true) => Leftover::Discard,
            (false, false) => Leftover::Refuse,
        };
        Claim::new(output, leftover)
    }
}

impl Args {
    /// Whether the answers go to standard output.
    pub(super) fn prints(&self) -> bool {
        self.output.as_os_str() == "-"
    }
}

pub(super) fn run(args: Args) -> anyhow::Result<Status> {
    // Answers on a terminal and a bar below them would overwrite each other.
    let shows_answers = args.prints() && std::io::stdout().is_terminal();
    let session = Session::start(&args.common, progress::bar(!args.common.messages.quiet && !shows_answers))?;
    let destination = Destination::new(&args.output, args.shard);
    let path = destination.path().to_owned();
    let read = ReadOptions {
        format: args.input_format,
        output: Some(path.clone()),
        shard: args.shard,
        sheet: args.sheet,
        source_file: args.source_file,
        ..args.common.rows.read_options()
    };
    if args.shard.is_some() && args.common.model.precision_is_auto() {
        tracing::warn!("--precision auto may differ from machine to machine; name one, so that all parts are alike");
    }
    let input = session.open(args.inputs, read.clone())?;
    let claim = args.checkpoints.claim(&path, args.force)?;
    if let Some(counts) = claim.as_ref().map_or(Ok(None), |claim| claim.take_complete())? {
        tracing::info!("{} was complete already", path.display());
        return Ok(Status::of(counts, args.common.rows.max_failed));
    }
    // Whether that is the same part is known when the model is.
    let is_there = destination.manifest()?.is_some();
    let write = WriteOptions {
        format: args.output_format,
        prefix: args.common.rows.prefix.clone(),
        top_k: args.common.top_k(),
        infer_schema_length: args.infer_schema_length.get(),
        csv_bom: args.csv_bom,
        force: args.force || is_there || claim.as_ref().is_some_and(Claim::overwrites),
        work_file: claim.as_ref().map_or(Ok(None), Claim::work_file)?,
    };
    let output = io::create(&path, &input, &write)?;
    if args.checkpoints.resume && output.work_file().is_none() {
        bail!("{} is no file and has no journal to go on from; --skip leaves out rows", path.display());
    }
    let record = Record {
        identity: Identity::new(&input, &read, &write)?,
        destination,
        force: args.force,
        journal: claim.map(|claim| JournalPlan {
            claim,
            overwrites: write.force,
            interval: args.checkpoints.interval(),
        }),
    };
    session.answer(Work { input, output, range: args.range, record: Some(record) })
}
