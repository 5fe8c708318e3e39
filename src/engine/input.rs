use serde::Deserialize;

/// An input of a compiled model: an `i64` tensor `[rows, seq_len]` of a [`Padded`](crate::batch::Padded) batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "cli", value(rename_all = "snake_case"))]
pub enum Input {
    InputIds,
    AttentionMask,
    TokenTypeIds,
    PositionIds,
    SequenceIds,
}
