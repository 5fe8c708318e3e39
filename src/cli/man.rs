use std::path::PathBuf;

use super::Status;

/// Write the manual pages into a folder
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder, e.g. ~/.local/share/man/man1
    folder: PathBuf,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Status> {
    clap_mangen::generate_to(super::command(), &args.folder)?;
    Ok(Status::AllAnswered)
}
