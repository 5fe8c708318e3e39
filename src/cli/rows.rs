//! Rows of files and streams through the pipeline.

use std::sync::{Arc, Mutex};

use anyhow::Context;

use super::StrictStop;
use crate::io::{self, Answered, InputRow, Row, RowWriter, Rows};
use crate::pipeline::{self, Item, RowTag, Sink, Stats};
use crate::qa::{Options, RowError};

/// How many failed rows are shown on stderr; the output has them all.
pub(super) const FAILURES_SHOWN: u64 = 5;

/// Every row that was read is wanted in the output.
impl RowTag for Row {}

/// Rows as the pipeline takes them.
pub(super) fn items(
    rows: Rows,
    options: Options,
    limit: Option<usize>,
) -> impl Iterator<Item = anyhow::Result<Item<Row>>> + Send + 'static {
    let options = Arc::new(options);
    rows.take(limit.unwrap_or(usize::MAX)).map(move |row| {
        let InputRow { position, record, example } = row?;
        let example_bytes = example.as_ref().map_or(0, |example| example.question().len() + example.context().len());
        let tag = Row { position, record };
        let bytes = example_bytes + tag.bytes();
        Ok(Item { tag, example, options: options.clone(), bytes })
    })
}

/// A writer that is still there when the pipeline that writes to it has failed.
#[derive(Clone)]
pub(super) struct SharedWriter(Arc<Mutex<Option<Box<dyn RowWriter>>>>);

impl SharedWriter {
    pub(super) fn new(writer: Box<dyn RowWriter>) -> Self {
        Self(Arc::new(Mutex::new(Some(writer))))
    }

    /// The writer, when nothing is written to it any more.
    pub(super) fn take(&self) -> Option<Box<dyn RowWriter>> {
        self.0.lock().ok()?.take()
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut dyn RowWriter) -> io::Result<T>) -> anyhow::Result<T> {
        let mut writer = self.0.lock().map_err(|_| anyhow::anyhow!("writing has panicked"))?;
        let writer = writer.as_mut().context("the output is closed")?;
        Ok(use_it(writer.as_mut())?)
    }
}

/// Writes answered rows, shows the first that failed, and stops at one under `--strict`.
pub(super) struct Output {
    writer: SharedWriter,
    stats: Arc<Stats>,
    strict: bool,
    shown: u64,
}

impl Output {
    pub(super) fn new(writer: SharedWriter, stats: Arc<Stats>, strict: bool) -> Self {
        Self { writer, stats, strict, shown: 0 }
    }

    fn failed(&mut self, position: &io::Position, error: &RowError) -> anyhow::Result<()> {
        if self.strict {
            self.writer.with(|writer| writer.flush())?;
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

impl Sink<Row> for Output {
    fn write(&mut self, row: pipeline::Answered<Row>) -> anyhow::Result<()> {
        let pipeline::Answered { tag, answers, .. } = row;
        let position = tag.position.clone();
        let error = answers.as_ref().err().cloned();
        let misfit = self.writer.with(|writer| writer.write(Answered { row: tag, answers }))?;
        if misfit.is_some() && error.is_none() {
            self.stats.failed.add(1);
        }
        error.or(misfit).map_or(Ok(()), |error| self.failed(&position, &error))
    }

    fn idle(&mut self) -> anyhow::Result<()> {
        self.writer.with(|writer| writer.flush())
    }
}
