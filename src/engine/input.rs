use serde::{Deserialize, Serialize};

/// An input of a compiled model: an `i64` tensor `[rows, seq_len]` of a [`Padded`](crate::batch::Padded) batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "cli", value(rename_all = "snake_case"))]
pub enum Input {
    /// Vocabulary ids.
    InputIds,
    /// 1 for tokens, 0 for padding.
    AttentionMask,
    /// 0 for the question and padding, 1 for the context.
    TokenTypeIds,
    /// Counted from 0 in each window.
    PositionIds,
    /// The windows of a packed row numbered from 1; 0 for padding.
    SequenceIds,
}
