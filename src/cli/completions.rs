use clap_complete::Shell;

use super::Status;

/// Print a completion script for a shell
///
/// For bash: `bertqa completions bash > ~/.local/share/bash-completion/completions/bertqa`
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    shell: Shell,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Status> {
    // Rendered first: clap_complete panics where it cannot write, as to a closed pipe.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "bertqa", &mut script);
    super::print(&script)?;
    Ok(Status::AllAnswered)
}
