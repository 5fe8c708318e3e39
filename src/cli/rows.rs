//! Rows of files and streams as the pipeline takes them.

use std::sync::Arc;

use crate::io::journal;
use crate::io::{InputRow, Row, Rows};
use crate::pipeline::{Item, RowTag};
use crate::qa::Options;

/// Every row that was read is wanted in the output.
impl RowTag for AskedRow {}

/// A row on its way through the pipeline.
pub(super) struct AskedRow {
    pub row: Row,
    /// Of what was asked.
    pub digest: u32,
}

/// Which rows of the input are answered.
#[derive(Debug, Clone, Copy, Default, clap::Args, serde::Serialize)]
pub(super) struct RowRange {
    /// Pass over the first N rows of the input: they are read, and not answered
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub skip: u64,

    /// Answer N rows only, the first that are not skipped
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
}

impl RowRange {
    /// Those of `rows` that are in it. An error is passed on, wherever it comes.
    pub(super) fn of(self, rows: Rows) -> Rows {
        let Self { skip, limit } = self;
        let rows = (0..).zip(rows).filter(move |(index, row)| *index >= skip || row.is_err()).map(|(_, row)| row);
        match limit.map(usize::try_from) {
            Some(Ok(limit)) => Box::new(rows.take(limit)),
            Some(Err(_)) | None => Box::new(rows),
        }
    }

    /// How many of `total` rows are in it.
    pub(super) fn count(self, total: u64) -> u64 {
        total.saturating_sub(self.skip).min(self.limit.unwrap_or(u64::MAX))
    }
}

/// Rows as the pipeline takes them.
pub(super) fn items(
    rows: Rows,
    options: Options,
) -> impl Iterator<Item = anyhow::Result<Item<AskedRow>>> + Send + 'static {
    let options = Arc::new(options);
    rows.map(move |row| {
        let InputRow { position, record, example } = row?;
        let example_bytes = example.as_ref().map_or(0, |example| example.question().len() + example.context().len());
        let row = Row { position, record };
        let bytes = example_bytes + row.bytes();
        let tag = AskedRow { row, digest: journal::digest(&example) };
        Ok(Item { tag, example, options: options.clone(), bytes })
    })
}
