//! The command line: one file a subcommand, which says what its arguments are and what they start.

mod args;
mod bench;
mod completions;
mod cut_short;
mod destination;
mod devices;
mod eval;
mod health;
mod hint;
mod interrupt;
mod logging;
mod man;
mod max_failed;
mod models;
mod output;
mod precision;
mod profile;
mod progress;
mod rows;
mod run;
mod serve;
mod session;
mod shard;
mod stdin;
mod summary;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use crate::io::journal::RowCounts;
use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};
use health::Unhealthy;
use interrupt::Interrupted;
use max_failed::MaxFailed;

/// Answers questions from contexts in bulk: for each row of question and context, the span of the context that
/// answers, with its score and its place
#[derive(Debug, Parser)]
#[command(name = "bertqa", version, max_term_width = 100, arg_required_else_help = true)]
#[command(
    after_help = "Exit status: 0 if every row was answered, 1 if more rows failed than --max-failed allows (their `error` says why), \
    2 if the run could not start or broke off, 130 if it was interrupted."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Stdin(stdin::Args),
    Serve(serve::Args),
    Health(health::Args),
    Bench(bench::Args),
    Eval(eval::Args),
    Devices(devices::Args),
    Models(models::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Command {
    /// Whether it is there for what it writes to standard output.
    fn prints(&self) -> bool {
        match self {
            Self::Run(args) => args.prints(),
            // Their status says it.
            Self::Serve(_) | Self::Health(_) => false,
            Self::Stdin(_)
            | Self::Bench(_)
            | Self::Eval(_)
            | Self::Devices(_)
            | Self::Models(_)
            | Self::Completions(_)
            | Self::Man(_) => true,
        }
    }
}

/// How a command that did its work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    AllAnswered,
    SomeFailed,
    Interrupted,
}

impl Status {
    /// That of a run to its end.
    fn of(counts: RowCounts, max_failed: MaxFailed) -> Self {
        if max_failed.allows(counts) { Self::AllAnswered } else { Self::SomeFailed }
    }

    fn code(self) -> u8 {
        match self {
            Self::AllAnswered => 0,
            Self::SomeFailed => 1,
            Self::Interrupted => 130,
        }
    }
}

/// A row that failed under `--strict`. The work was done as asked, so this ends with the status of failed rows.
#[derive(Debug, thiserror::Error)]
#[error("{0} (stopped at the first failed row, because of --strict)")]
struct StrictStop(String);

/// Nobody would see what a command is there to print.
#[derive(Debug, thiserror::Error)]
#[error("standard output is closed")]
struct StdoutClosed;

/// Prints what a command found out.
fn print(text: &[u8]) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text).and_then(|()| stdout.flush()).context("cannot write to standard output")
}

/// Runs the command that the process was started with, `is_stdout_closed` or not.
pub fn main(is_stdout_closed: bool) -> ExitCode {
    cut_short::handle();
    execute(std::env::args_os(), is_stdout_closed).into()
}

/// Runs a command and gives its exit status. The first of `arguments` is the program's name. Help, and arguments that
/// can't be, end the process.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    execute(arguments, false)
}

fn execute(arguments: impl IntoIterator<Item = OsString>, is_stdout_closed: bool) -> u8 {
    let result = match Cli::parse_from(arguments).command {
        command if is_stdout_closed && command.prints() => Err(StdoutClosed.into()),
        Command::Run(args) => run::run(args),
        Command::Stdin(args) => stdin::run(args),
        Command::Serve(args) => serve::run(args),
        Command::Health(args) => health::run(args),
        Command::Bench(args) => bench::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Devices(args) => devices::run(&args),
        Command::Models(args) => models::run(args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    };
    match result {
        Ok(status) => status.code(),
        Err(error) if crate::io::is_broken_pipe(&error) => 0,
        Err(error) if error.is::<Interrupted>() => Status::Interrupted.code(),
        Err(error) => {
            // Commands without logging have none set up, and then this says it on stderr all the same.
            logging::error(&error);
            if error.is::<StrictStop>() || error.is::<Unhealthy>() { 1 } else { 2 }
        }
    }
}

fn command() -> clap::Command {
    Cli::command()
}
