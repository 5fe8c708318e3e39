//! Rows of files and streams through the pipeline.

use std::sync::Arc;

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

/// Writes answered rows, shows the first that failed, and stops at one under `--strict`.
pub(super) struct Output {
    writer: Box<dyn RowWriter>,
    stats: Arc<Stats>,
    strict: bool,
    shown: u64,
}

impl Output {
    pub(super) fn new(writer: Box<dyn RowWriter>, stats: Arc<Stats>, strict: bool) -> Self {
        Self { writer, stats, strict, shown: 0 }
    }

    /// The writer, when all is written to it.
    pub(super) fn into_writer(self) -> Box<dyn RowWriter> {
        self.writer
    }

    fn failed(&mut self, position: &io::Position, error: &RowError) -> anyhow::Result<()> {
        if self.strict {
            self.writer.flush()?;
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
        let misfit = self.writer.write(Answered { row: tag, answers })?;
        if misfit.is_some() && error.is_none() {
            self.stats.failed.add(1);
        }
        error.or(misfit).map_or(Ok(()), |error| self.failed(&position, &error))
    }

    fn idle(&mut self) -> anyhow::Result<()> {
        Ok(self.writer.flush()?)
    }
}
