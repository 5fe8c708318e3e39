//! Reads the rows of a body and queues them.

use std::io;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::parts::Parts;
use super::unfinished::Unfinished;
use crate::io::{InputFormat, InputRow, ReadOptions, Row, read_metered};
use crate::qa::{Options, RowError};
use crate::serve::app::App;
use crate::serve::body::MemoryPermit;
use crate::serve::error::{ApiError, Problem};
use crate::serve::queue::{Ask, Lane, Reply};

/// What messages call the body.
const NAME: &str = "body";

/// A row whose answer is on its way.
pub(super) struct Asked {
    pub(super) row: Row,
    pub(super) answers: Result<Reply, RowError>,
    /// Of the memory for rows.
    pub(super) _memory: MemoryPermit,
}

pub(super) struct Reader {
    pub(super) app: App,
    pub(super) lane: Arc<Lane>,
    pub(super) options: Arc<Options>,
    pub(super) runtime: Handle,
    pub(super) rows: mpsc::Sender<Asked>,
}

impl Reader {
    pub(super) fn run(
        self,
        parts: Parts,
        format: InputFormat,
        opened: oneshot::Sender<Result<(), ApiError>>,
    ) -> anyhow::Result<()> {
        let options = ReadOptions { max_line_bytes: self.app.limits.max_body_bytes.get(), ..ReadOptions::default() };
        let unfinished = Arc::new(Unfinished::new(self.app.clone(), self.runtime.clone()));
        let (meter, answers) = (unfinished.clone(), self.rows.clone());
        let add = move |bytes| {
            // What is no row is never sent, and so does not show it.
            if answers.is_closed() { Err(io::ErrorKind::BrokenPipe.into()) } else { meter.add(bytes) }
        };
        let rows = match read_metered(parts, NAME, format, &options, add) {
            Ok(rows) => rows,
            Err(error) => {
                // Whoever waited for it may be gone.
                let _ = opened.send(Err(unreadable(&error.into())));
                return Ok(());
            }
        };
        let _ = opened.send(Ok(()));
        for row in rows {
            let InputRow { position, record, example } = row?;
            let row = Row { position, record };
            unfinished.end();
            let text = example.as_ref().map_or(0, |example| example.question().len() + example.context().len());
            let memory = self.runtime.block_on(self.app.memory.wait(row.bytes() + text));
            let answers = example
                .and_then(|example| self.app.check(example))
                .map(|example| self.lane.push(Ask { example, options: self.options.clone() }));
            if self.rows.blocking_send(Asked { row, answers, _memory: memory }).is_err() {
                break;
            }
        }
        Ok(())
    }
}

fn unreadable(error: &anyhow::Error) -> ApiError {
    let is_late = error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut));
    if is_late { Problem::BodyLate.into() } else { Problem::Fields(format!("{error:#}")).into() }
}
