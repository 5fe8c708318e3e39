use super::{Batch, Shape};

/// A batch that a shape can't hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// More rows than the shape has.
    #[error("a batch of {rows} rows is more than the {max} that the model was compiled for")]
    Rows {
        /// Rows of the batch.
        rows: usize,
        /// What the shape has room for.
        max: usize,
    },
    /// A row longer than the shape's.
    #[error("{tokens} tokens in a row are more than the {max} that the model was compiled for")]
    Tokens {
        /// Tokens of the row.
        tokens: usize,
        /// What the shape has room for.
        max: usize,
    },
    /// Windows share a row, and the shape is not packed.
    #[error("{windows} windows share a row, and the model was compiled to take one a row")]
    Windows {
        /// Windows of the row.
        windows: usize,
    },
}

/// A batch laid out in rows of a fixed shape. Tensors are `[rows, seq_len]`, row by row; what no window covers is
/// padding.
pub struct Padded<'a> {
    batch: &'a Batch,
    rows: usize,
    seq_len: usize,
    /// The slot of each window's first token, `[windows]`.
    slots: Vec<usize>,
}

impl<'a> Padded<'a> {
    /// Lays `batch` out for `shape`.
    ///
    /// # Errors
    /// If the shape has no room for it.
    pub fn new(batch: &'a Batch, shape: Shape) -> Result<Self, ShapeError> {
        let (max_rows, seq_len) = (shape.batch.get(), shape.seq_len.get());
        let rows = batch.rows().len();
        if rows > max_rows {
            return Err(ShapeError::Rows { rows, max: max_rows });
        }
        let ends = batch.cu_seq_lengths();
        let mut slots = Vec::with_capacity(batch.windows());
        for (row, windows) in batch.rows().enumerate() {
            if windows.len() > 1 && !shape.packed {
                return Err(ShapeError::Windows { windows: windows.len() });
            }
            let tokens = ends[windows.end] - ends[windows.start];
            if tokens > seq_len {
                return Err(ShapeError::Tokens { tokens, max: seq_len });
            }
            let first = ends[windows.start];
            slots.extend(windows.map(|window| row * seq_len + ends[window] - first));
        }
        Ok(Self { batch, rows: shape.computed_rows(rows), seq_len, slots })
    }

    /// `[rows, seq_len]`
    pub fn shape(&self) -> [usize; 2] {
        [self.rows, self.seq_len]
    }

    /// Vocabulary ids.
    pub fn input_ids(&self, pad_token_id: u32) -> Vec<i64> {
        self.place(pad_token_id.into(), |_, token| self.batch.input_ids()[token].into())
    }

    /// 1 for tokens, 0 for padding.
    pub fn attention_mask(&self) -> Vec<i64> {
        self.place(0, |_, _| 1)
    }

    /// 0 for the first segment (question) and padding, 1 for the second.
    pub fn token_type_ids(&self) -> Vec<i64> {
        self.place(0, |_, token| self.batch.token_type_ids()[token].into())
    }

    /// Counted from 0 in each window; 0 for padding.
    pub fn position_ids(&self) -> Vec<i64> {
        let starts = self.batch.cu_seq_lengths();
        self.place(0, |window, token| (token - starts[window]) as i64)
    }

    /// The windows of each row numbered from 1; 0 for padding.
    pub fn sequence_ids(&self) -> Vec<i64> {
        let numbers: Vec<i64> = self.batch.rows().flat_map(|windows| (1..).take(windows.len())).collect();
        self.place(0, |window, _| numbers[window])
    }

    /// What a `[rows, seq_len]` tensor says of the batch's tokens, `[tokens]`; `None` if it is of another size.
    pub fn gather(&self, tensor: &[f32]) -> Option<Vec<f32>> {
        if tensor.len() != self.rows * self.seq_len {
            return None;
        }
        let ends = self.batch.cu_seq_lengths().windows(2);
        let pieces = self.slots.iter().zip(ends).map(|(slot, ends)| &tensor[*slot..][..ends[1] - ends[0]]);
        Some(pieces.flatten().copied().collect())
    }

    /// A tensor of what `value` says of each window and token, both as the batch counts them.
    fn place(&self, padding: i64, value: impl Fn(usize, usize) -> i64) -> Vec<i64> {
        let mut tensor = vec![padding; self.rows * self.seq_len];
        for (window, (slot, ends)) in self.slots.iter().zip(self.batch.cu_seq_lengths().windows(2)).enumerate() {
            for (place, token) in tensor[*slot..].iter_mut().zip(ends[0]..ends[1]) {
                *place = value(window, token);
            }
        }
        tensor
    }
}
