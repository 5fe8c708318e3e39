//! The parts that networks are made of. Each has its weights, and knows in which numbers it computes.
//!
//! Activations of a group of windows are `[tokens, columns]`, all windows end to end; a part computes some of the rows
//! on one thread.

mod attention;
mod bf16_head;
mod block_sparse;
mod disentangled;
mod distance_table;
mod embeddings;
mod feed_forward;
mod float_head;
mod global;
mod head;
mod heads;
mod linear;
mod loader;
mod position_bias;
mod residual;
mod rotary;
mod rotary_pairs;

pub(super) use attention::SelfAttention;
pub(super) use block_sparse::BlockSparse;
pub(super) use disentangled::{DisentangledAttention, RelativePositions};
pub(super) use embeddings::{Embeddings, PositionEmbeddings, Positions};
pub(super) use feed_forward::{FeedForward, GatedFeedForward};
pub(super) use global::GlobalAttention;
pub(super) use heads::Heads;
pub(super) use linear::{Linear, LinearBuffers, Part};
pub(super) use loader::Loader;
pub(super) use position_bias::PositionBias;
pub(super) use residual::{Residual, restore};
pub(super) use rotary::Rotary;
pub(super) use rotary_pairs::RotaryPairs;

use super::profile::OperatorTimes;

/// What a thread needs to compute layers; kept from group to group.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    attention: attention::Buffers,
    disentangled: disentangled::Buffers,
    global: global::Buffers,
    pub linear: LinearBuffers,
    pub gathered: Gathered,
    /// `[rows, hidden_size]`: what is added to the residual.
    pub dense: Vec<f32>,
    /// `[rows, intermediate_size]`
    intermediate: Vec<f32>,
    /// `[rows, intermediate_size]`: after the gate.
    gated: Vec<f32>,
    /// `[rows, hidden_size]`: what is normalized before a part.
    pub normalized: Vec<f32>,
    /// `[tokens, embedding_size]`
    embedded: Vec<f32>,
    /// The tokens that a convolution sees of each token, `[rows, kernel_size * hidden_size]`.
    pub neighbours: Vec<f32>,
}

/// What a layer leaves of its rows for its update.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// `[rows, hidden_size]`: what attention gathers.
    pub context: Vec<f32>,
    /// What a convolution makes of neighbouring tokens, `[rows, hidden_size]`.
    pub convolved: Vec<f32>,
    /// What else it keeps from projection to update.
    pub carried: Vec<f32>,
}

impl Workspace {
    /// Where the thread's time goes.
    pub(super) fn times(&mut self) -> &mut OperatorTimes {
        &mut self.linear.times
    }
}
