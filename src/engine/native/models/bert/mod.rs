//! BERT and the families like it: absolute positions, and layer normalization after each residual connection.

mod config;
mod family;

use std::collections::HashMap;
use std::ops::Range;

pub(super) use family::Family;

use super::{Layer, Model, Shape};
use crate::engine::Precision;
use crate::engine::native::LoadError;
use crate::engine::native::layers::{
    Embeddings, FeedForward, Linear, Loader, PositionEmbeddings, SelfAttention, Workspace,
};
use crate::engine::native::profile::Operator;
use crate::engine::native::windows::Windows;
use bertqa_kernels::{LayerNorm, Spread};
use config::{Config, LayerWeights};

/// Rows of the feed-forward part computed at a time, so that its widest matrix stays in the cache.
const FEED_FORWARD_ROWS: usize = 64;

/// A network of a [`Family`].
pub(super) struct Bert {
    shape: Shape,
    embeddings: Embeddings,
    layers: Vec<BertLayer>,
    /// Indices into `layers` in running order.
    order: Vec<usize>,
    head: Linear,
}

struct BertLayer {
    hidden_size: usize,
    /// `[3 * hidden_size, hidden_size]`; the queries come out divided by the square root of the head size.
    query_key_value: Linear,
    attention: SelfAttention,
    attention_output: Linear,
    attention_norm: LayerNorm,
    feed_forward: FeedForward,
    output_norm: LayerNorm,
}

impl Bert {
    pub(super) fn load(config: &[u8], family: &'static Family, loader: Loader) -> Result<Self, LoadError> {
        let config = Config::parse(config, family)?;
        let loader = BertLoader { config: &config, loader };
        // First, so that a model without a head is distinguished from one with other names.
        let head = loader.loader.head(config.hidden_size)?;
        let embeddings = loader.embeddings()?;
        let mut layers = Vec::new();
        let mut order = Vec::new();
        let mut loaded = HashMap::new();
        for weights in config.layers() {
            let index = match loaded.get(&weights) {
                Some(&index) => index,
                None => {
                    layers.push(loader.layer(weights)?);
                    loaded.insert(weights, layers.len() - 1);
                    layers.len() - 1
                }
            };
            order.push(index);
        }
        Ok(Self { shape: config.shape(), embeddings, layers, order, head })
    }
}

impl Model for Bert {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn embed(&self, windows: &Windows, hidden: &mut Vec<f32>, workspace: &mut Workspace) {
        self.embeddings.forward(windows, hidden, workspace);
    }

    fn layers(&self) -> Box<dyn Iterator<Item = &dyn Layer> + '_> {
        Box::new(self.order.iter().map(|&index| &self.layers[index] as &dyn Layer))
    }

    fn head(&self, hidden: &[f32], logits: &mut [f32], workspace: &mut Workspace) {
        self.head.forward(hidden, &mut workspace.linear, logits, None);
    }
}

impl Layer for BertLayer {
    fn project(
        &self,
        _: &Windows,
        hidden: &[f32],
        rows: Range<usize>,
        projected: &mut [f32],
        workspace: &mut Workspace,
    ) {
        let size = self.hidden_size;
        let hidden = &hidden[rows.start * size..rows.end * size];
        self.query_key_value.forward(hidden, &mut workspace.linear, projected, None);
    }

    fn update(
        &self,
        windows: &Windows,
        projected: &[f32],
        rows: Range<usize>,
        hidden: &mut [f32],
        workspace: &mut Workspace,
    ) {
        self.attention.forward(windows, projected, rows, workspace);
        let block = FEED_FORWARD_ROWS * self.hidden_size;
        for (block, hidden) in hidden.chunks_mut(block).enumerate() {
            let first = block * FEED_FORWARD_ROWS * self.hidden_size;
            let Workspace { linear, context, dense, .. } = workspace;
            dense.resize(hidden.len(), 0.0);
            self.attention_output.forward(&context[first..first + hidden.len()], linear, dense, None);
            linear.times.measure(Operator::Norm, 0, || self.attention_norm.apply_residual(hidden, dense));
            self.feed_forward.forward(hidden, workspace);
            let Workspace { linear, dense, .. } = workspace;
            linear.times.measure(Operator::Norm, 0, || self.output_norm.apply_residual(hidden, dense));
        }
    }
}

struct BertLoader<'a> {
    config: &'a Config,
    loader: Loader<'a>,
}

impl BertLoader<'_> {
    fn embeddings(&self) -> Result<Embeddings, LoadError> {
        let (config, Loader { tensors, .. }) = (self.config, self.loader);
        let size = config.embedding_size;
        let table =
            |name: &str, rows: usize| tensors.get(&self.full(&format!("embeddings.{name}.weight")), &[rows, size]);
        let token_types = match config.family.token_types {
            true => Some(table("token_type_embeddings", config.type_vocab_size)?.read()),
            false => None,
        };
        let projection = match config.family.projection {
            Some(name) if tensors.contains(&self.full(&format!("{name}.weight"))) || size != config.hidden_size => {
                let (operator, name) = (Operator::Embeddings, self.full(name));
                let (precision, spread) = (Precision::F32, Spread::Symmetric);
                Some(self.loader.linear(&name, config.hidden_size, size, operator, precision, spread)?)
            }
            _ => None,
        };
        Ok(Embeddings {
            words: table("word_embeddings", config.vocab_size)?,
            positions: Some(PositionEmbeddings {
                table: table("position_embeddings", config.position_embeddings)?.read(),
                positions: config.positions(),
            }),
            token_types,
            norm: self.norm(&self.full("embeddings.LayerNorm"), size)?,
            projection,
            projects_first: false,
        })
    }

    fn layer(&self, weights: LayerWeights) -> Result<BertLayer, LoadError> {
        let names = &self.config.family.layer;
        let (hidden, intermediate) = (self.config.hidden_size, self.config.intermediate_size);
        let prefix = names.prefix.replace("{g}", &weights.group.to_string()).replace("{i}", &weights.index.to_string());
        let full = |name: &str| self.full(&format!("{prefix}.{name}"));
        let linear = |name: &str, outputs, inputs, operator, spread| {
            self.loader.linear(&full(name), outputs, inputs, operator, self.loader.precision, spread)
        };
        let heads = self.config.heads;
        let query_scale = 1.0 / (heads.size as f32).sqrt();
        let query_key_value = [
            self.loader.part(&full(names.query), hidden, hidden, query_scale)?,
            self.loader.part(&full(names.key), hidden, hidden, 1.0)?,
            self.loader.part(&full(names.value), hidden, hidden, 1.0)?,
        ];
        let (attention_output, output) = (Operator::AttentionOutput, Operator::Output);
        Ok(BertLayer {
            hidden_size: hidden,
            query_key_value: self.loader.concat(&query_key_value, Operator::QueryKeyValue)?,
            attention: SelfAttention::new(heads, self.loader.precision),
            attention_output: linear(names.attention_output, hidden, hidden, attention_output, Spread::Symmetric)?,
            attention_norm: self.norm(&full(names.attention_norm), hidden)?,
            feed_forward: FeedForward {
                intermediate: linear(
                    names.intermediate,
                    intermediate,
                    hidden,
                    Operator::Intermediate,
                    Spread::Symmetric,
                )?,
                activation: self.config.activation,
                output: linear(names.output, hidden, intermediate, output, Spread::Skewed)?,
            },
            output_norm: self.norm(&full(names.output_norm), hidden)?,
        })
    }

    fn norm(&self, name: &str, len: usize) -> Result<LayerNorm, LoadError> {
        self.loader.norm(name, len, self.config.layer_norm_epsilon)
    }

    fn full(&self, name: &str) -> String {
        format!("{}.{name}", self.config.family.prefix)
    }
}
