use std::num::NonZeroUsize;

/// What a compiled model takes: `[batch, seq_len]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Rows of a forward pass.
    pub batch: NonZeroUsize,
    /// Tokens of a row, padding included.
    pub seq_len: NonZeroUsize,
    /// Whether the model takes several windows in a row and keeps them apart.
    pub packed: bool,
    /// Whether every forward pass has all rows, empty ones too, as on Neuron cores; else `batch` is the most.
    pub exact: bool,
}

impl Shape {
    /// Rows that a forward pass over `rows` rows computes.
    pub fn computed_rows(self, rows: usize) -> usize {
        if self.exact { self.batch.get() } else { rows }
    }
}
