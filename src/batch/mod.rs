//! Windows laid out for one forward pass.

mod padded;
mod shape;
#[cfg(test)]
mod tests;
mod window_queue;

use std::ops::Range;

pub use padded::{Padded, ShapeError};
pub use shape::Shape;
pub use window_queue::WindowQueue;

/// Token ids of one or more windows, end to end, without padding.
///
/// Window `i` is `input_ids[cu_seq_lengths[i]..cu_seq_lengths[i + 1]]`. For engines of a fixed shape, windows lie in
/// rows, neighbours in the same: see [`Batch::rows`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    input_ids: Vec<u32>,
    token_type_ids: Vec<u32>,
    cu_seq_lengths: Vec<usize>,
    /// The first window of each row.
    rows: Vec<usize>,
}

impl Default for Batch {
    fn default() -> Self {
        Self { input_ids: Vec::new(), token_type_ids: Vec::new(), cu_seq_lengths: vec![0], rows: Vec::new() }
    }
}

impl Batch {
    /// Appends a window in a row of its own.
    ///
    /// # Panics
    /// If the two slices differ in length, or are empty.
    pub fn push(&mut self, input_ids: &[u32], token_type_ids: &[u32]) {
        self.rows.push(self.windows());
        self.push_beside(input_ids, token_type_ids);
    }

    /// Appends a window to the last row; the first begins one.
    ///
    /// # Panics
    /// If the two slices differ in length, or are empty.
    pub fn push_beside(&mut self, input_ids: &[u32], token_type_ids: &[u32]) {
        assert_eq!(input_ids.len(), token_type_ids.len());
        assert!(!input_ids.is_empty());
        if self.rows.is_empty() {
            self.rows.push(0);
        }
        self.input_ids.extend_from_slice(input_ids);
        self.token_type_ids.extend_from_slice(token_type_ids);
        self.cu_seq_lengths.push(self.input_ids.len());
    }

    /// Takes the rows from `row` on out of the batch, as one of their own.
    ///
    /// # Panics
    /// If there are fewer rows.
    pub fn split_off(&mut self, row: usize) -> Self {
        let rows = self.rows.split_off(row);
        let window = rows.first().copied().unwrap_or(self.windows());
        let token = self.cu_seq_lengths[window];
        let ends = self.cu_seq_lengths.split_off(window + 1);
        Self {
            input_ids: self.input_ids.split_off(token),
            token_type_ids: self.token_type_ids.split_off(token),
            cu_seq_lengths: std::iter::once(0).chain(ends.into_iter().map(|end| end - token)).collect(),
            rows: rows.into_iter().map(|first| first - window).collect(),
        }
    }

    /// Vocabulary ids of all windows, `[tokens]`.
    pub fn input_ids(&self) -> &[u32] {
        &self.input_ids
    }

    /// 0 for the first segment (question), 1 for the second, `[tokens]`.
    pub fn token_type_ids(&self) -> &[u32] {
        &self.token_type_ids
    }

    /// Where each window begins, and the total at the end, `[windows + 1]`.
    pub fn cu_seq_lengths(&self) -> &[usize] {
        &self.cu_seq_lengths
    }

    /// The windows of each row, none of them empty. Ragged engines need not look.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = Range<usize>> {
        (0..self.rows.len())
            .map(|row| self.rows[row]..self.rows.get(row + 1).copied().unwrap_or_else(|| self.windows()))
    }

    /// How many windows it has.
    pub fn windows(&self) -> usize {
        self.cu_seq_lengths.len() - 1
    }

    /// Tokens of all windows.
    pub fn tokens(&self) -> usize {
        self.input_ids.len()
    }

    /// Whether it has no window.
    pub fn is_empty(&self) -> bool {
        self.windows() == 0
    }
}
