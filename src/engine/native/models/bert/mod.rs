//! BERT and the families like it: self-attention and a plain feed-forward part, each with a residual connection.

mod config;
mod family;
mod head;
mod positions;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

pub(super) use family::Family;

use super::{Embed, Layer, Network};
use crate::engine::native::LoadError;
use crate::engine::native::layers::{
    DisentangledAttention, Embeddings, FeedForward, Gathered, GlobalAttention, Linear, Loader, PositionEmbeddings,
    Residual, RotaryPairs, SelfAttention, Workspace, restore,
};
use crate::engine::native::profile::Operator;
use crate::engine::native::windows::{Window, Windows};
use bertqa_kernels::{LayerNorm, Spread};
use config::{Config, LayerWeights, PositionUse};
use family::NormPlace;
use positions::SharedPositions;

/// Loads a network of `family`.
pub(super) fn load(config: &[u8], family: &'static Family, loader: Loader) -> Result<Network, LoadError> {
    let config = Config::parse(config, family)?;
    let loader = BertLoader { config: &config, loader };
    // First, so that a model without a head is distinguished from one with other names.
    let head = head::load(&config, loader.loader)?;
    let embeddings = loader.embeddings()?;
    let positions = loader.shared_positions()?;
    let mut layers: Vec<Arc<dyn Layer>> = Vec::new();
    let mut loaded = HashMap::new();
    for weights in config.layers() {
        let layer = match loaded.get(&weights) {
            Some(&index) => Arc::clone(&layers[index]),
            None => {
                loaded.insert(weights, layers.len());
                Arc::new(loader.layer(weights, &positions)?)
            }
        };
        layers.push(layer);
    }
    Ok(Network {
        shape: config.shape(),
        embeddings: match family.types_by_separator {
            true => Box::new(TypesBySeparator { separator: config.sep_token_id, embeddings }),
            false => Box::new(embeddings),
        },
        layers,
        head: match family.norm {
            NormPlace::After => head,
            NormPlace::Before { last } => {
                let norm = loader.norm(&loader.full(last), config.hidden_size)?;
                Box::new(head::Normalized { norm, head })
            }
        },
    })
}

/// Embeddings of a network that finds token types itself, by a separator.
struct TypesBySeparator {
    separator: u32,
    embeddings: Embeddings,
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

impl Embed for TypesBySeparator {
    fn embed(&self, windows: &Windows, hidden: &mut Vec<f32>, workspace: &mut Workspace) {
        let types: Vec<Vec<u32>> = windows
            .iter()
            .map(|Window { input_ids, .. }| {
                // As transformers, after the first token where there is no separator.
                let end = input_ids.iter().position(|id| *id == self.separator).unwrap_or(0);
                (0..input_ids.len()).map(|token| u32::from(token > end)).collect()
            })
            .collect();
        let typed = windows.iter().zip(&types).map(|(window, types)| Window { token_type_ids: types, ..*window });
        self.embeddings.forward(&Windows::new(&typed.collect::<Vec<_>>(), &mut Vec::new()), hidden, workspace);
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

    fn attend(
        &self,
        windows: &Windows,
        projected: &[f32],
        rows: Range<usize>,
        hidden: &[f32],
        workspace: &mut Workspace,
    ) {
        match &self.attention {
            Attention::Plain(attention) => attention.forward(windows, projected, rows, workspace),
            Attention::Distances(attention) => attention.forward(windows, projected, rows, workspace),
            Attention::Global(attention) => attention.forward(windows, projected, rows, hidden, workspace),
        }
    }

    fn update(&self, block: Range<usize>, hidden: &mut [f32], workspace: &mut Workspace) {
        let size = self.hidden_size;
        let Workspace { linear, gathered: Gathered { context, .. }, dense, .. } = workspace;
        dense.resize(hidden.len(), 0.0);
        self.attention_output.forward(&context[block.start * size..block.end * size], linear, dense, None);
        self.attention_residual.add(hidden, dense, linear);
        let input = self.output_residual.input(hidden, workspace);
        self.feed_forward.forward(&input, workspace);
        restore(input, workspace);
        let Workspace { linear, dense, .. } = workspace;
        self.output_residual.add(hidden, dense, linear);
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
                let part = self.loader.part(&self.full(name), config.hidden_size, size)?;
                Some(self.loader.linear_f32(part, Operator::Embeddings)?)
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
        let heads = self.config.heads;
        let query_scale = 1.0 / (heads.size as f32).sqrt();
        let part = |name: &str| self.loader.part(&full(name), hidden, hidden);
        let mut query_key_value = vec![part(names.query)?.scaled(query_scale), part(names.key)?, part(names.value)?];
        if self.config.reaches.is_some() {
            query_key_value.extend([part(&global(names.key))?, part(&global(names.value))?]);
        }
        let (wide, narrow) = (
            self.loader.part(&full(names.intermediate), intermediate, hidden)?,
            self.loader.part(&full(names.output), hidden, intermediate)?,
        );
        Ok(BertLayer {
            hidden_size: hidden,
            query_key_value: self.loader.linear(&query_key_value, Operator::QueryKeyValue, Spread::Symmetric)?,
            rotary: match positions {
                SharedPositions::Rotary(rotary) => Some(rotary.clone()),
                _ => None,
            },
            attention: match &self.config.reaches {
                Some(reaches) => {
                    let query = part(&global(names.query))?.scaled(query_scale);
                    let query = self.loader.linear(&[query], Operator::QueryKeyValue, Spread::Symmetric)?;
                    let separator = self.config.sep_token_id;
                    Attention::Global(GlobalAttention::new(heads, reaches[weights.index], separator, query))
                }
                None => self.attention(&full(names.distance), positions)?,
            },
            attention_output: self.loader.linear(
                &[part(names.attention_output)?],
                Operator::AttentionOutput,
                Spread::Symmetric,
            )?,
            attention_residual: self.residual(&full(names.attention_norm))?,
            feed_forward: self.loader.feed_forward(wide, self.config.activation, narrow)?,
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
