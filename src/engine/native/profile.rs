//! Where the time of forward passes goes.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// A part of the forward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// Sums of embeddings, their normalization and projection.
    Embeddings,
    /// The projections before attention.
    QueryKeyValue,
    /// Rotary positions.
    Rotary,
    /// Scores, softmax and weighted sums.
    Attention,
    /// The projection after attention.
    AttentionOutput,
    /// Residual connections and layer normalization.
    Norm,
    /// The wide projection of the feed-forward part, with its activation.
    Intermediate,
    /// The gate of a gated feed-forward part.
    Gate,
    /// The projection back to the hidden size.
    Output,
    /// Conversion of inputs to int8.
    Quantize,
    /// Start and end logits.
    Head,
}

impl Operator {
    /// All of them, in the order of the forward pass.
    pub const ALL: [Self; 11] = [
        Self::Embeddings,
        Self::QueryKeyValue,
        Self::Rotary,
        Self::Attention,
        Self::AttentionOutput,
        Self::Norm,
        Self::Intermediate,
        Self::Gate,
        Self::Output,
        Self::Quantize,
        Self::Head,
    ];

    /// As tables show it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Embeddings => "embeddings",
            Self::QueryKeyValue => "query, key, value",
            Self::Rotary => "rotary positions",
            Self::Attention => "attention",
            Self::AttentionOutput => "attention output",
            Self::Norm => "residual and layer norm",
            Self::Intermediate => "intermediate",
            Self::Gate => "gate",
            Self::Output => "output",
            Self::Quantize => "quantize",
            Self::Head => "question answering head",
        }
    }
}

/// Time and arithmetic of one operator, summed over threads.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct OperatorTime {
    /// Summed over threads.
    pub time: Duration,
    /// Multiplications and additions of matrix products.
    pub operations: u64,
}

/// Time and arithmetic of each operator.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct OperatorTimes([OperatorTime; Operator::ALL.len()]);

impl OperatorTimes {
    /// That of one operator.
    pub fn of(&self, operator: Operator) -> OperatorTime {
        self.0[operator as usize]
    }

    /// The sum over operators.
    pub fn total(&self) -> OperatorTime {
        self.0.iter().fold(OperatorTime::default(), |total, time| total + *time)
    }

    /// Runs `work` as a part of `operator` with so many operations.
    pub(super) fn measure<T>(&mut self, operator: Operator, operations: usize, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let result = work();
        let time = &mut self.0[operator as usize];
        *time = *time + OperatorTime { time: began.elapsed(), operations: operations as u64 };
        result
    }
}

impl std::ops::Add for OperatorTime {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { time: self.time + other.time, operations: self.operations + other.operations }
    }
}

/// What an engine has spent so far, to be read while it runs.
#[derive(Debug, Default)]
pub struct Profile(Mutex<OperatorTimes>);

impl Profile {
    /// Moves what a thread has measured into the sum.
    pub(super) fn take(&self, measured: &mut OperatorTimes) {
        let mut sum = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (sum, measured) in sum.0.iter_mut().zip(&mut measured.0) {
            *sum = *sum + std::mem::take(measured);
        }
    }

    /// What was measured so far.
    pub fn times(&self) -> OperatorTimes {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
