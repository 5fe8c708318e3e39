//! Keeps a model answering: loads it, runs it for the queue, and loads it again when it fails.

use std::sync::Arc;
use std::thread;

use super::Loaded;
use super::app::{App, Serving};
use super::metrics::MODEL_FAILURES;
use super::queue::{Ask, Replies};
use crate::backoff::Backoff;
use crate::pipeline::{InFlightLimit, Order, Pipeline};
use crate::qa::Example;

/// About how much text a window holds.
const WINDOW_BYTES: usize = 2048;

/// Runs the model that `load` gives until the queue is closed. One that has answered and fails is loaded again, however
/// often that takes.
///
/// # Errors
/// A model that never answered: something is wrong with it, or with what was asked for.
pub(super) fn keep(app: &App, load: impl Fn() -> anyhow::Result<Loaded>) -> anyhow::Result<()> {
    let mut backoff = Backoff::new();
    let mut has_answered = false;
    loop {
        backoff.begin();
        let Err(error) = run(app, &load) else { return Ok(()) };
        has_answered |= app.serving().is_ok();
        if !has_answered {
            return Err(error);
        }
        app.set_failed();
        metrics::counter!(MODEL_FAILURES).increment(1);
        let wait = backoff.wait();
        tracing::error!("the model failed, and is loaded again in {:.1} s: {error:#}", wait.as_secs_f64());
        thread::sleep(wait);
    }
}

/// Loads the model, runs it once, and then for the queue until that is closed.
fn run(app: &App, load: impl Fn() -> anyhow::Result<Loaded>) -> anyhow::Result<()> {
    let Loaded { pipeline, defaults, info } = load()?;
    let windows = pipeline.busy_windows();
    let busy = InFlightLimit { rows: windows, bytes: windows * WINDOW_BYTES };
    let in_flight = InFlightLimit { rows: 2 * windows, bytes: usize::MAX };
    let serving = Serving { info, defaults, stream_rows: in_flight.rows };
    let source = app.queue.source(busy);
    let warmed = thread::Builder::new().name("warm-up".to_owned()).spawn({
        let app = app.clone();
        move || warm_up(&app, serving)
    })?;
    let ran = Pipeline { in_flight, order: Order::Completion, ..pipeline }.run(source, Replies).map(drop);
    if ran.is_err() {
        // What it has not taken, the warm-up's row perhaps, nobody will answer.
        app.queue.clear();
    }
    let warmed = warmed.join().map_err(|_| anyhow::anyhow!("the warm-up panicked"))?;
    ran.and(warmed)
}

/// Has a row answered, so that no request waits for what is done only once.
fn warm_up(app: &App, serving: Serving) -> anyhow::Result<()> {
    let example = Example::new("Who?".to_owned(), "Ada did.".to_owned())?;
    let lane = app.queue.open();
    let reply = lane.push(Ask { example, options: Arc::new(serving.defaults.clone()) });
    match reply.blocking_recv() {
        Ok(Ok(_)) => {
            tracing::info!("ready: {} ({})", serving.info.model, serving.info.engine);
            app.set_ready(serving);
            Ok(())
        }
        Ok(Err(error)) => {
            app.queue.clear();
            Err(anyhow::anyhow!("{} cannot answer a simple question: {error}", serving.info.model))
        }
        // The pipeline failed, and says why.
        Err(_) => Ok(()),
    }
}
