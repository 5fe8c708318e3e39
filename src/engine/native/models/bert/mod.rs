//! BERT and the families like it: self-attention and a plain feed-forward part, each with a residual connection.

mod config;
mod family;
mod head;
mod positions;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

pub(super) use family::Family;

use super::{Layer, Model, Shape};
use crate::engine::Precision;
use crate::engine::native::LoadError;
use crate::engine::native::layers::{
    DisentangledAttention, Embeddings, FeedForward, GlobalAttention, Linear, Loader, PositionEmbeddings, Residual,
    RotaryPairs, SelfAttention, Workspace, restore,
};
use crate::engine::native::profile::Operator;
use crate::engine::native::windows::{Window, Windows};
use bertqa_kernels::{LayerNorm, Spread};
use config::{Config, LayerWeights, PositionUse};
use family::NormPlace;
use head::Head;
use positions::SharedPositions;

/// Rows of the feed-forward part computed at a time, so that its widest matrix stays in the cache.
const FEED_FORWARD_ROWS: usize = 64;

/// A network of a [`Family`].
pub(super) struct Bert {
    shape: Shape,
    embeddings: Embeddings,
    /// The separator by which the network finds token types itself.
    types_by_separator: Option<u32>,
    layers: Vec<BertLayer>,
    /// Indices into `layers` in running order.
    order: Vec<usize>,
    /// After the last layer, where layers are normalized before their parts.
    last_norm: Option<LayerNorm>,
    head: Head,
}

struct BertLayer {
    hidden_size: usize,
    /// `[projected_size, hidden_size]`; the queries come out divided by the square root of the head size.
    query_key_value: Linear,
    rotary: Option<Arc<RotaryPairs>>,
    attention: Attention,
    attention_output: Linear,
    attention_residual: Residual,
    feed_forward: FeedForward,
    output_residual: Residual,
}

enum Attention {
    /// By contents alone, or with what is added to the scores.
    Plain(SelfAttention),
    /// With embeddings of distances.
    Distances(DisentangledAttention),
    /// To near tokens and to the question.
    Global(GlobalAttention),
}

impl Bert {
    pub(super) fn load(config: &[u8], family: &'static Family, loader: Loader) -> Result<Self, LoadError> {
        let config = Config::parse(config, family)?;
        let loader = BertLoader { config: &config, loader };
        // First, so that a model without a head is distinguished from one with other names.
        let head = Head::load(&config, loader.loader)?;
        let embeddings = loader.embeddings()?;
        let positions = loader.shared_positions()?;
        let mut layers = Vec::new();
        let mut order = Vec::new();
        let mut loaded = HashMap::new();
        for weights in config.layers() {
            let index = match loaded.get(&weights) {
                Some(&index) => index,
                None => {
                    layers.push(loader.layer(weights, &positions)?);
                    loaded.insert(weights, layers.len() - 1);
                    layers.len() - 1
                }
            };
            order.push(index);
        }
        let last_norm = match family.norm {
            NormPlace::After => None,
            NormPlace::Before { last } => Some(loader.norm(&loader.full(last), config.hidden_size)?),
        };
        let types_by_separator = family.types_by_separator.then_some(config.sep_token_id);
        Ok(Self { shape: config.shape(), embeddings, types_by_separator, layers, order, last_norm, head })
    }
}

impl Model for Bert {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn embed(&self, windows: &Windows, hidden: &mut Vec<f32>, workspace: &mut Workspace) {
        let Some(separator) = self.types_by_separator else {
            return self.embeddings.forward(windows, hidden, workspace);
        };
        let types: Vec<Vec<u32>> = windows
            .iter()
            .map(|Window { input_ids, .. }| {
                // As transformers, after the first token where there is no separator.
                let end = input_ids.iter().position(|id| *id == separator).unwrap_or(0);
                (0..input_ids.len()).map(|token| u32::from(token > end)).collect()
            })
            .collect();
        let typed = windows.iter().zip(&types).map(|(window, types)| Window { token_type_ids: types, ..*window });
        self.embeddings.forward(&Windows::new(&typed.collect::<Vec<_>>(), &mut Vec::new()), hidden, workspace);
    }

    fn layers(&self) -> Box<dyn Iterator<Item = &dyn Layer> + '_> {
        Box::new(self.order.iter().map(|&index| &self.layers[index] as &dyn Layer))
    }

    fn head(&self, windows: &Windows, hidden: &[f32], logits: &mut [f32], workspace: &mut Workspace) {
        let Some(norm) = &self.last_norm else {
            return self.head.forward(windows, hidden, logits, workspace);
        };
        let mut normed = std::mem::take(&mut workspace.dense);
        normed.clear();
        normed.extend_from_slice(hidden);
        workspace.linear.times.measure(Operator::Norm, 0, || norm.apply(&mut normed));
        self.head.forward(windows, &normed, logits, workspace);
        workspace.dense = normed;
    }
}

impl Layer for BertLayer {
    fn project(
        &self,
        windows: &Windows,
        hidden: &[f32],
        rows: Range<usize>,
        projected: &mut [f32],
        workspace: &mut Workspace,
    ) {
        let size = self.hidden_size;
        let input = self.attention_residual.input(&hidden[rows.start * size..rows.end * size], workspace);
        self.query_key_value.forward(&input, &mut workspace.linear, projected, None);
        restore(input, workspace);
        if let Some(rotary) = &self.rotary {
            workspace.linear.times.measure(Operator::Attention, 0, || rotary.rotate(windows, rows, projected));
        }
    }

    fn update(
        &self,
        windows: &Windows,
        projected: &[f32],
        rows: Range<usize>,
        hidden: &mut [f32],
        workspace: &mut Workspace,
    ) {
        match &self.attention {
            Attention::Plain(attention) => attention.forward(windows, projected, rows, workspace),
            Attention::Distances(attention) => attention.forward(windows, projected, rows, workspace),
            Attention::Global(attention) => attention.forward(windows, projected, rows, hidden, workspace),
        }
        let block = FEED_FORWARD_ROWS * self.hidden_size;
        for (block, hidden) in hidden.chunks_mut(block).enumerate() {
            let first = block * FEED_FORWARD_ROWS * self.hidden_size;
            let Workspace { linear, context, dense, .. } = workspace;
            dense.resize(hidden.len(), 0.0);
            self.attention_output.forward(&context[first..first + hidden.len()], linear, dense, None);
            self.attention_residual.add(hidden, dense, linear);
            let input = self.output_residual.input(hidden, workspace);
            self.feed_forward.forward(&input, workspace);
            restore(input, workspace);
            let Workspace { linear, dense, .. } = workspace;
            self.output_residual.add(hidden, dense, linear);
        }
    }
}

/// The name of a projection of tokens that see all.
fn global(name: &str) -> String {
    format!("{name}_global")
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
        let mut token_types = match config.family.token_types {
            true => Some(table("token_type_embeddings", config.type_vocab_size)?.read()),
            false => None,
        };
        if let (Some(types), Some(rows)) = (&mut token_types, config.task_types) {
            // The task is always the first one, so that its embedding goes with that of any token type.
            let mut task = vec![0.0; size];
            table("task_type_embeddings", rows)?.read_row(0, &mut task);
            types.chunks_exact_mut(size).flat_map(|row| row.iter_mut().zip(&task)).for_each(|(x, task)| *x += task);
        }
        let positions = match config.positions {
            PositionUse::Absolute(positions) => {
                let table = table("position_embeddings", config.position_embeddings)?.read();
                Some(PositionEmbeddings { table, positions })
            }
            _ => None,
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
            positions,
            token_types,
            norm: config.family.embedding_norm.map(|name| self.norm(&self.full(name), size)).transpose()?,
            projection,
            projects_first: false,
        })
    }

    fn layer(&self, weights: LayerWeights, positions: &SharedPositions) -> Result<BertLayer, LoadError> {
        let names = &self.config.family.layer;
        let (hidden, intermediate) = (self.config.hidden_size, self.config.intermediate_size);
        let prefix = names.prefix.replace("{g}", &weights.group.to_string()).replace("{i}", &weights.index.to_string());
        let full = |name: &str| self.full(&format!("{prefix}.{name}"));
        let linear = |name: &str, outputs, inputs, operator, spread| {
            self.loader.linear(&full(name), outputs, inputs, operator, self.loader.precision, spread)
        };
        let heads = self.config.heads;
        let query_scale = 1.0 / (heads.size as f32).sqrt();
        let part = |name: &str, scale| self.loader.part(&full(name), hidden, hidden, scale);
        let mut query_key_value = vec![part(names.query, query_scale)?, part(names.key, 1.0)?, part(names.value, 1.0)?];
        if self.config.reaches.is_some() {
            query_key_value.extend([part(&global(names.key), 1.0)?, part(&global(names.value), 1.0)?]);
        }
        let (attention_output, output) = (Operator::AttentionOutput, Operator::Output);
        Ok(BertLayer {
            hidden_size: hidden,
            query_key_value: self.loader.concat(&query_key_value, Operator::QueryKeyValue)?,
            rotary: match positions {
                SharedPositions::Rotary(rotary) => Some(rotary.clone()),
                _ => None,
            },
            attention: match &self.config.reaches {
                Some(reaches) => {
                    let query = part(&global(names.query), query_scale)?;
                    let query = self.loader.concat(&[query], Operator::QueryKeyValue)?;
                    let separator = self.config.sep_token_id;
                    Attention::Global(GlobalAttention::new(heads, reaches[weights.index], separator, query))
                }
                None => self.attention(&full(names.distance), positions)?,
            },
            attention_output: linear(names.attention_output, hidden, hidden, attention_output, Spread::Symmetric)?,
            attention_residual: self.residual(&full(names.attention_norm))?,
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
            output_residual: self.residual(&full(names.output_norm))?,
        })
    }

    fn residual(&self, name: &str) -> Result<Residual, LoadError> {
        let norm = self.norm(name, self.config.hidden_size)?;
        Ok(match self.config.family.norm {
            NormPlace::After => Residual::NormAfter(norm),
            NormPlace::Before { .. } => Residual::NormBefore(norm),
        })
    }

    fn norm(&self, name: &str, len: usize) -> Result<LayerNorm, LoadError> {
        self.loader.norm(name, len, self.config.layer_norm_epsilon)
    }

    fn full(&self, name: &str) -> String {
        format!("{}.{name}", self.config.family.prefix)
    }
}
