//! Families of networks.
//!
//! A family loads a [`Network`]: embeddings, [`Layer`]s and a head. The engine shares the tokens of a group of windows
//! out over threads and runs a layer in two steps, with all threads waiting for each other between them:
//!
//! 1. [`Layer::project`] computes what attention needs of each token, from the hidden states of all tokens. Here
//!    belong normalization before attention, rotary positions, and convolutions over neighbouring tokens.
//! 2. [`Layer::attend`] gathers for a thread's tokens from what was projected of all tokens: attention within windows
//!    (of all tokens or near ones, with relative positions in the scores or not). [`Layer::update`] then computes new
//!    hidden states of a few of these tokens at a time, with all that works token by token, such as a plain or gated
//!    feed-forward part.

mod bert;
mod config;
mod convbert;
mod deberta_v2;
mod mobilebert;
mod modernbert;

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::LoadError;
use super::layers::{Embeddings, Linear, Loader, Workspace};
use super::windows::Windows;

/// What a network takes, and the widths of its activations.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    /// As config.json has it.
    pub model_type: String,
    pub vocab_size: usize,
    /// 1 if it has no token types.
    pub type_vocab_size: usize,
    /// Longest window in tokens.
    pub max_seq_len: usize,
    pub hidden_size: usize,
    /// Columns that [`Layer::project`] writes for each token.
    pub projected_size: usize,
}

/// A network with its weights.
pub(super) struct Network {
    pub shape: Shape,
    pub embeddings: Box<dyn Embed>,
    /// In running order; some families run the same one several times.
    pub layers: Vec<Arc<dyn Layer>>,
    pub head: Box<dyn Head>,
}

/// What a network begins with.
pub(super) trait Embed: Send + Sync {
    /// Fills `hidden`, `[tokens, hidden_size]`.
    fn embed(&self, windows: &Windows, hidden: &mut Vec<f32>, workspace: &mut Workspace);
}

/// What finds start and end.
pub(super) trait Head: Send + Sync {
    /// Fills `logits`, `[tokens, 2]`: start and end.
    fn find(&self, windows: &Windows, hidden: &[f32], logits: &mut [f32], workspace: &mut Workspace);
}

/// A layer with its weights.
pub(super) trait Layer: Send + Sync {
    /// Fills `projected`, `[rows, projected_size]`, for the tokens `rows` of `hidden`, `[tokens, hidden_size]`.
    fn project(
        &self,
        windows: &Windows,
        hidden: &[f32],
        rows: Range<usize>,
        projected: &mut [f32],
        workspace: &mut Workspace,
    );

    /// Leaves in the workspace what attention gathers for the tokens `rows`, from `projected`,
    /// `[tokens, projected_size]`; their hidden states are `hidden`, `[rows, hidden_size]`.
    fn attend(
        &self,
        windows: &Windows,
        projected: &[f32],
        rows: Range<usize>,
        hidden: &[f32],
        workspace: &mut Workspace,
    );

    /// Replaces `hidden`, `[block, hidden_size]`, of some of the tokens that attention last gathered for: the
    /// `block.start`th of them and those that follow.
    fn update(&self, block: Range<usize>, hidden: &mut [f32], workspace: &mut Workspace);
}

impl Embed for Embeddings {
    fn embed(&self, windows: &Windows, hidden: &mut Vec<f32>, workspace: &mut Workspace) {
        self.forward(windows, hidden, workspace);
    }
}

impl Head for Linear {
    fn find(&self, _: &Windows, hidden: &[f32], logits: &mut [f32], workspace: &mut Workspace) {
        self.forward(hidden, &mut workspace.linear, logits, None);
    }
}

/// Makes a network from the text of its config.json.
type Load = fn(&[u8], Loader) -> Result<Network, LoadError>;

/// A family that is not like BERT.
struct Family {
    /// `model_type` in config.json.
    model_type: &'static str,
    /// What is run of it, for people.
    notes: &'static str,
    load: Load,
}

static OTHERS: [Family; 4] = [deberta_v2::FAMILY, modernbert::FAMILY, mobilebert::FAMILY, convbert::FAMILY];

/// A family of models that can be run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SupportedFamily {
    /// Each `model_type` that its models have in config.json.
    pub model_types: Vec<&'static str>,
    /// What is run of it, for people.
    pub notes: &'static str,
}

/// The families of models that can be run.
pub fn supported_families() -> Vec<SupportedFamily> {
    let like_bert = bert::Family::all().iter().map(|family| (family.model_types.to_vec(), family.notes));
    let others = OTHERS.iter().map(|family| (vec![family.model_type], family.notes));
    like_bert.chain(others).map(|(model_types, notes)| SupportedFamily { model_types, notes }).collect()
}

/// What distinguishes families in config.json.
#[derive(Deserialize)]
struct ModelType {
    model_type: String,
}

/// Loads the network that config.json describes, on the threads of the current pool.
pub(super) fn load(config: &[u8], loader: Loader) -> Result<Network, LoadError> {
    let ModelType { model_type } = serde_json::from_slice(config)?;
    if let Some(family) = bert::Family::of(&model_type) {
        return bert::load(config, family, loader);
    }
    if let Some(family) = OTHERS.iter().find(|family| family.model_type == model_type) {
        return (family.load)(config, loader);
    }
    let supported: Vec<_> = supported_families().into_iter().flat_map(|family| family.model_types).collect();
    Err(LoadError::Unsupported { key: "model_type", value: model_type, supported: supported.join(", ") })
}
