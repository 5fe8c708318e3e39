use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

use super::Status;
use super::max_failed::MaxFailed;
use crate::io::journal::RowCounts;
use crate::pipeline::Stop;

/// Held while it is said that the program was interrupted.
static SAYING: Mutex<()> = Mutex::new(());

/// Whether the program was interrupted; it has then been said.
fn is_interrupted(stop: &Stop) -> bool {
    let is_stopped = stop.is_stopped();
    if is_stopped {
        drop(SAYING.lock());
    }
    is_stopped
}

/// Ctrl-C, SIGTERM and SIGHUP end the input; a second one ends the program. One that was ignored when the program was
/// started, as `nohup` has it, stays ignored.
pub(super) fn handle(stop: &Stop) -> anyhow::Result<()> {
    let stop = stop.clone();
    let again = AtomicBool::new(false);
    on_signal(move || {
        if again.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        let _saying = SAYING.lock();
        stop.stop();
        tracing::warn!("interrupted: finishing the rows that were read; interrupt again to end at once");
    })
    .context("cannot handle signals")?;
    fail_at_size_limit()
}

/// A file that may not grow any more (`ulimit -f`) is an error when it is written to, as a full disk is, and not the end.
#[cfg(unix)]
fn fail_at_size_limit() -> anyhow::Result<()> {
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, std::sync::Arc::default())?;
    Ok(())
}

#[cfg(not(unix))]
fn fail_at_size_limit() -> anyhow::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn on_signal(handle: impl Fn() + Send + 'static) -> anyhow::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    use crate::signals::is_ignored;

    let wanted = [SIGHUP, SIGINT, SIGTERM].into_iter().filter(|signal| !is_ignored(*signal));
    let mut signals = signal_hook::iterator::Signals::new(wanted)?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for _ in signals.forever() {
            handle();
        }
    })?;
    Ok(())
}

#[cfg(not(unix))]
fn on_signal(handle: impl Fn() + Send + 'static) -> anyhow::Result<()> {
    Ok(ctrlc::set_handler(handle)?)
}

/// A signal came while there was nothing to finish.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub(super) struct Interrupted;

/// Does what may take for ever before the first row: files that are pipes, a model on the hub.
///
/// # Errors
/// [`Interrupted`], and those of `work`.
pub(super) fn unless_stopped<R: Send + 'static, E: Into<anyhow::Error> + Send + 'static>(
    stop: &Stop,
    work: impl FnOnce() -> Result<R, E> + Send + 'static,
) -> anyhow::Result<R> {
    match stop.unless_stopped(work).context("cannot start a thread")? {
        Some(done) => done.map_err(Into::into),
        None => {
            is_interrupted(stop);
            Err(Interrupted.into())
        }
    }
}

/// The status of a command that came to its end.
pub(super) fn status(stop: &Stop, counts: RowCounts, max_failed: MaxFailed) -> Status {
    if is_interrupted(stop) { Status::Interrupted } else { Status::of(counts, max_failed) }
}
