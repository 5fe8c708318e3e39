//! One head of attention in `f32`, in steps.

use std::ops::Range;

use bertqa_kernels::{Panels, Rows, RowsMut, gemm, grow};

/// Queries scored at a time, so that their scores stay in the cache.
pub(super) const QUERIES: usize = 64;

/// Blocks of [`QUERIES`] of a window, and those of `queries` in each. Which keys a block sees, and with them how sums
/// are rounded, does not depend on how a window is shared out over threads.
pub(super) fn blocks(queries: Range<usize>) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
    let first = queries.start / QUERIES * QUERIES;
    (first..queries.end).step_by(QUERIES).map(move |start| {
        let whole = start..start + QUERIES;
        (whole.clone(), queries.start.max(whole.start)..queries.end.min(whole.end))
    })
}

/// Keys and values of a head, and what a thread needs to attend to them.
#[derive(Debug, Default)]
pub(super) struct FloatHead {
    keys: Panels,
    values: Panels,
    /// `[queries, keys]`
    scores: Vec<f32>,
    scales: Vec<f32>,
}

impl FloatHead {
    /// Takes the keys and values, `[keys, head_size]`.
    pub(super) fn take(&mut self, keys: Rows, values: Rows) {
        self.keys.pack_transposed(keys);
        self.values.pack(values);
    }

    /// The scores of some queries, `[queries, keys]`, and room for their scales.
    pub(super) fn score(&mut self, queries: Rows) -> (&mut [f32], &mut [f32]) {
        let (rows, keys) = (queries.rows(), self.keys.cols());
        grow(&mut self.scores, rows * keys, 0.0);
        grow(&mut self.scales, rows, 0.0);
        let scores = &mut self.scores[..rows * keys];
        gemm(RowsMut::dense(scores, keys), queries, &self.keys, None, None);
        (scores, &mut self.scales[..rows])
    }

    /// Writes what the queries gather that were scored, `[queries, head_size]`.
    pub(super) fn gather(&self, mut output: RowsMut) {
        let (rows, keys) = (output.rows(), self.keys.cols());
        gemm(output.reborrow(), Rows::dense(&self.scores[..rows * keys], keys), &self.values, None, None);
        for (row, scale) in self.scales[..rows].iter().enumerate() {
            output.row_mut(row).iter_mut().for_each(|value| *value *= scale);
        }
    }
}

/// Fills `output` with some of the rows.
pub(super) fn gather(rows: Rows, which: impl Iterator<Item = usize>, output: &mut Vec<f32>) {
    output.clear();
    which.for_each(|row| output.extend_from_slice(rows.row(row)));
}
