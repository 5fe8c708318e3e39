//! Rows of files and streams through the pipeline.

use std::sync::Arc;

use super::StrictStop;
use crate::io::{self, Answered, InputRow, Record, Row, RowWriter, Rows};
use crate::pipeline::{self, Item, Sink, Stats};
use crate::qa::{Options, RowError};

/// How many failed rows are told on stderr; the output has them all.
pub(super) const FAILURES_TOLD: u64 = 5;

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
        let bytes = example_bytes + record_bytes(&record);
        Ok(Item { payload: Row { position, record }, example, options: options.clone(), bytes })
    })
}

fn record_bytes(record: &Record) -> usize {
    match record {
        Record::Fields(fields) => fields.iter().map(|(name, value)| name.len() + value.get().len()).sum(),
        // The frame is shared by its rows, which are in flight together.
        Record::Frame { frame, .. } => frame.estimated_size() / frame.height().max(1),
    }
}

/// Writes answered rows, tells the first that failed, and stops at one under `--strict`.
pub(super) struct Output {
    writer: Box<dyn RowWriter>,
    stats: Arc<Stats>,
    strict: bool,
    told: u64,
}

impl Output {
    pub fn new(writer: Box<dyn RowWriter>, stats: Arc<Stats>, strict: bool) -> Self {
        Self { writer, stats, strict, told: 0 }
    }

    /// The writer, when all is written to it.
    pub fn into_writer(self) -> Box<dyn RowWriter> {
        self.writer
    }

    fn failed(&mut self, position: &io::Position, error: &RowError) -> anyhow::Result<()> {
        if self.strict {
            self.writer.flush()?;
            return Err(StrictStop(format!("{position}: {error}")).into());
        }
        self.told += 1;
        if self.told <= FAILURES_TOLD {
            tracing::warn!("{position}: {error}");
        }
        if self.told == FAILURES_TOLD {
            tracing::warn!("further failed rows are told in the output's `error` column only");
        }
        Ok(())
    }
}

impl Sink<Row> for Output {
    fn write(&mut self, row: pipeline::Answered<Row>) -> anyhow::Result<()> {
        let pipeline::Answered { payload, answers, .. } = row;
        let position = payload.position.clone();
        let error = answers.as_ref().err().cloned();
        let misfit = self.writer.write(Answered { row: payload, answers })?;
        if misfit.is_some() && error.is_none() {
            self.stats.failed.add(1);
        }
        error.or(misfit).map_or(Ok(()), |error| self.failed(&position, &error))
    }

    fn idle(&mut self) -> anyhow::Result<()> {
        self.writer.flush()
    }
}
