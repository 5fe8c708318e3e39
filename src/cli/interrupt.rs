use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

use super::Status;
use crate::pipeline::Stop;

/// Ctrl-C, SIGTERM and SIGHUP end the input; a second one ends the program.
pub(super) fn handle(stop: &Stop) -> anyhow::Result<()> {
    let stop = stop.clone();
    let again = AtomicBool::new(false);
    ctrlc::set_handler(move || {
        if again.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        stop.stop();
        tracing::warn!("interrupted: finishing the rows that were read; interrupt again to end at once");
    })
    .context("cannot handle signals")
}

/// The status of a command that came to its end.
pub(super) fn status(stop: &Stop, failed: u64) -> Status {
    if stop.is_stopped() {
        Status::Interrupted
    } else if failed > 0 {
        Status::SomeFailed
    } else {
        Status::AllAnswered
    }
}
