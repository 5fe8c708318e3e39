//! Where answered rows go.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use anyhow::Context;

use super::StrictStop;
use super::destination::Destination;
use super::rows::AskedRow;
use crate::io::journal::{self, Identity, Journal, Recorded, Replay, RowCounts};
use crate::io::{self, Answered, InputRow, Row, RowWriter, Rows};
use crate::pipeline::{self, Sink, Stats, Stop};
use crate::qa::RowError;

/// How many failed rows are shown on stderr; the output has them all.
pub(super) const FAILURES_SHOWN: u64 = 5;

/// Where answers go: to the output, and to the journal beside it if there is one.
pub(super) struct Output {
    pub writer: Box<dyn RowWriter>,
    pub journal: Option<Journal>,
    /// What becomes of it when it is complete, and of which run it is.
    pub destination: Option<(Destination, Identity)>,
}

impl Output {
    fn write(&mut self, row: Answered, digest: u32) -> io::Result<Option<RowError>> {
        if let Some(journal) = &mut self.journal {
            journal.append(digest, &row.answers)?;
        }
        self.writer.write(row)
    }

    fn idle(&mut self) -> io::Result<()> {
        self.writer.flush()?;
        self.journal.as_mut().map_or(Ok(()), Journal::idle)
    }

    /// Writes the rows again that the journal has answers of, and leaves `rows` behind them. False if it was stopped.
    ///
    /// # Errors
    /// The rows are others than those that were answered.
    pub(super) fn replay(
        &mut self,
        replay: Replay,
        rows: &mut Rows,
        stats: &Stats,
        stop: &Stop,
    ) -> anyhow::Result<bool> {
        let recorded_rows = replay.left();
        for recorded in replay {
            if stop.is_stopped() {
                return Ok(false);
            }
            let Recorded { input, answers } = recorded?;
            let Some(InputRow { position, record, example }) = rows.next().transpose()? else {
                return Err(io::Error::RowsMissing { rows: stats.rows.get(), recorded: recorded_rows }.into());
            };
            if journal::digest(&example) != input {
                return Err(io::Error::RowChanged { position: position.to_string() }.into());
            }
            let answers = example.and(answers);
            let mut failed = answers.is_err();
            failed |= self.writer.write(Answered { row: Row { position, record }, answers })?.is_some();
            stats.read.add(1);
            stats.rows.add(1);
            stats.failed.add(usize::from(failed));
        }
        Ok(true)
    }

    /// Completes the output, which has these rows.
    pub(super) fn finish(self, counts: RowCounts) -> io::Result<()> {
        let Self { writer, mut journal, destination } = self;
        if let Some(journal) = &mut journal {
            journal.complete(counts)?;
        }
        let finished = writer.finish();
        if let (Ok(()), Some((destination, identity))) = (&finished, destination) {
            destination.finish(identity, counts)?;
        }
        // Also where only the name could not be had, all is there.
        if matches!(finished, Ok(()) | Err(io::Error::NotNamed { .. }))
            && let Some(journal) = journal
        {
            journal.remove_kept();
            finished.and(journal.finish())
        } else {
            finished
        }
    }

    /// Keeps what there is of the output, and gives its path.
    pub(super) fn keep(self) -> io::Result<Option<PathBuf>> {
        let Self { writer, mut journal, .. } = self;
        if let Some(Err(error)) = journal.as_mut().map(Journal::checkpoint) {
            tracing::warn!("the last rows are not in the journal: {:#}", anyhow::Error::new(error));
        }
        let kept = writer.finish_partial();
        if let (Some(journal), Ok(Some(_))) = (&journal, &kept) {
            // The newest has all that they have.
            journal.remove_kept();
        }
        kept
    }

    /// Leaves nothing behind.
    pub(super) fn discard(self) -> io::Result<()> {
        self.journal.map_or(Ok(()), Journal::finish)
    }
}

/// An output that is still there when the pipeline that writes to it has failed.
#[derive(Clone)]
pub(super) struct SharedOutput(Arc<Mutex<Option<Output>>>);

impl SharedOutput {
    pub(super) fn new(output: Output) -> Self {
        Self(Arc::new(Mutex::new(Some(output))))
    }

    /// The output, when nothing is written to it any more.
    pub(super) fn take(&self) -> Option<Output> {
        self.0.lock().ok()?.take()
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut Output) -> io::Result<T>) -> anyhow::Result<T> {
        let mut output = self.0.lock().map_err(|_| anyhow::anyhow!("writing has panicked"))?;
        let output = output.as_mut().context("the output is closed")?;
        Ok(use_it(output)?)
    }
}

/// Writes answered rows, shows the first that failed, and stops at one under `--strict`.
pub(super) struct RowSink {
    output: SharedOutput,
    stats: Arc<Stats>,
    strict: bool,
    shown: u64,
}

impl RowSink {
    pub(super) fn new(output: SharedOutput, stats: Arc<Stats>, strict: bool) -> Self {
        Self { output, stats, strict, shown: 0 }
    }

    fn failed(&mut self, position: &io::Position, error: &RowError) -> anyhow::Result<()> {
        if self.strict {
            self.output.with(|output| output.writer.flush())?;
            return Err(StrictStop(format!("{position}: {error}")).into());
        }
        self.shown += 1;
        if self.shown <= FAILURES_SHOWN {
            tracing::warn!("{position}: {error}");
        }
        if self.shown == FAILURES_SHOWN {
            tracing::warn!("further failed rows are in the output's `error` column only");
        }
        Ok(())
    }
}

impl Sink<AskedRow> for RowSink {
    fn write(&mut self, row: pipeline::Answered<AskedRow>) -> anyhow::Result<()> {
        let pipeline::Answered { tag: AskedRow { row, digest }, answers, .. } = row;
        let position = row.position.clone();
        let error = answers.as_ref().err().cloned();
        let misfit = self.output.with(|output| output.write(Answered { row, answers }, digest))?;
        if misfit.is_some() && error.is_none() {
            self.stats.failed.add(1);
        }
        error.or(misfit).map_or(Ok(()), |error| self.failed(&position, &error))
    }

    fn idle(&mut self) -> anyhow::Result<()> {
        self.output.with(Output::idle)
    }
}
