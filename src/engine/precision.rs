use std::fmt;

use serde::{Deserialize, Serialize};

/// The numbers in which a network's matrix products are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Precision {
    /// 32-bit floating point: the answers and scores of the reference
    F32,
    /// 16-bit floating point; compiled models only
    #[cfg_attr(feature = "cli", value(skip))]
    F16,
    /// Weights in 16 bits: half the memory, up to twice the speed of f32, and hardly ever another answer
    Bf16,
    /// Weights and activations in 8-bit integers: two to three times as fast, and seldom another answer
    Int8,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        })
    }
}
