//! ModernBERT: rotary positions, local attention in most layers, gated feed-forward, normalization before each part.

use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;

use super::config::{activation, heads, positive};
use super::{Family, Layer, Model, Shape};
use crate::engine::Precision;
use crate::engine::native::LoadError;
use crate::engine::native::layers::{
    Embeddings, GatedFeedForward, Heads, Linear, Loader, Part, Rotary, SelfAttention, Workspace,
};
use crate::engine::native::profile::Operator;
use crate::engine::native::windows::Windows;
use bertqa_kernels::{Activation, LayerNorm, Spread};

pub(super) const FAMILY: Family = Family {
    model_type: "modernbert",
    notes: "rotary positions, local attention in most layers",
    load: |config, loader| Ok(Box::new(ModernBert::load(config, loader)?)),
};

/// Rows of the feed-forward part computed at a time, so that its widest matrix stays in the cache.
const FEED_FORWARD_ROWS: usize = 64;

/// config.json as it is written, before transformers 5 and since.
#[derive(Deserialize)]
struct File {
    model_type: String,
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    max_position_embeddings: usize,
    #[serde(default = "gelu")]
    hidden_activation: String,
    #[serde(default = "gelu")]
    classifier_activation: String,
    #[serde(default = "epsilon")]
    norm_eps: f32,
    #[serde(default)]
    norm_bias: bool,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    #[serde(default)]
    classifier_bias: bool,
    #[serde(default = "every_third")]
    global_attn_every_n_layers: usize,
    #[serde(default = "local_attention")]
    local_attention: usize,
    #[serde(default = "global_theta")]
    global_rope_theta: f32,
    local_rope_theta: Option<f32>,
    layer_types: Option<Vec<LayerType>>,
    rope_parameters: Option<RopeParameters>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum LayerType {
    FullAttention,
    SlidingAttention,
}

#[derive(Deserialize)]
struct RopeParameters {
    full_attention: Rope,
    sliding_attention: Rope,
}

#[derive(Deserialize)]
struct Rope {
    rope_theta: f32,
}

fn gelu() -> String {
    "gelu".to_owned()
}

fn epsilon() -> f32 {
    1e-5
}

fn every_third() -> usize {
    3
}

fn local_attention() -> usize {
    128
}

fn global_theta() -> f32 {
    160_000.0
}

impl File {
    fn layer_type(&self, layer: usize) -> LayerType {
        match &self.layer_types {
            Some(types) => types[layer],
            None if layer.is_multiple_of(self.global_attn_every_n_layers) => LayerType::FullAttention,
            None => LayerType::SlidingAttention,
        }
    }

    fn theta(&self, kind: LayerType) -> f32 {
        match (kind, &self.rope_parameters) {
            (LayerType::FullAttention, Some(parameters)) => parameters.full_attention.rope_theta,
            (LayerType::SlidingAttention, Some(parameters)) => parameters.sliding_attention.rope_theta,
            (LayerType::FullAttention, None) => self.global_rope_theta,
            (LayerType::SlidingAttention, None) => self.local_rope_theta.unwrap_or(self.global_rope_theta),
        }
    }

    fn check(&self) -> Result<(), LoadError> {
        positive(&[
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("max_position_embeddings", self.max_position_embeddings),
            ("global_attn_every_n_layers", self.global_attn_every_n_layers),
        ])?;
        match &self.layer_types {
            Some(types) if types.len() != self.num_hidden_layers => Err(LoadError::Inconsistent(format!(
                "layer_types has {} entries, and num_hidden_layers is {}",
                types.len(),
                self.num_hidden_layers
            ))),
            _ => Ok(()),
        }
    }
}

/// A network of this family.
struct ModernBert {
    shape: Shape,
    embeddings: Embeddings,
    layers: Vec<ModernBertLayer>,
    final_norm: LayerNorm,
    head: Head,
}

struct ModernBertLayer {
    hidden_size: usize,
    /// Of all layers of its kind.
    rotary: Arc<Rotary>,
    /// `None` in the first layer: the embeddings are normalized already.
    attention_norm: Option<LayerNorm>,
    /// `[3 * hidden_size, hidden_size]`; the queries come out divided by the square root of the head size.
    query_key_value: Linear,
    attention: SelfAttention,
    attention_output: Linear,
    feed_forward_norm: LayerNorm,
    feed_forward: GatedFeedForward,
}

/// What comes between the encoder and the logits.
struct Head {
    dense: Linear,
    activation: Activation,
    norm: LayerNorm,
    classifier: Linear,
}

impl ModernBert {
    fn load(config: &[u8], loader: Loader) -> Result<Self, LoadError> {
        let file: File = serde_json::from_slice(config)?;
        file.check()?;
        let heads = heads(file.hidden_size, file.num_attention_heads)?;
        if !heads.size.is_multiple_of(2) {
            return Err(LoadError::Inconsistent(format!("heads of {} values cannot be turned in pairs", heads.size)));
        }
        let loader = ModernBertLoader { file: &file, heads, loader };
        let head = loader.head()?;
        let embeddings = Embeddings {
            words: loader
                .loader
                .tensors
                .get("model.embeddings.tok_embeddings.weight", &[file.vocab_size, file.hidden_size])?,
            positions: None,
            token_types: None,
            norm: Some(loader.norm("model.embeddings.norm")?),
            projection: None,
            projects_first: false,
        };
        let rotary = |kind| Arc::new(Rotary::new(heads, file.max_position_embeddings, file.theta(kind)));
        let (global, local) = (rotary(LayerType::FullAttention), rotary(LayerType::SlidingAttention));
        let layer = |layer| match file.layer_type(layer) {
            LayerType::FullAttention => {
                loader.layer(layer, &global, SelfAttention::new(heads, loader.loader.precision))
            }
            LayerType::SlidingAttention => {
                let reach = file.local_attention / 2;
                loader.layer(layer, &local, SelfAttention::local(heads, loader.loader.precision, reach))
            }
        };
        let layers = (0..file.num_hidden_layers).map(layer).collect::<Result<_, _>>()?;
        Ok(Self {
            embeddings,
            layers,
            final_norm: loader.norm("model.final_norm")?,
            head,
            shape: Shape {
                model_type: file.model_type,
                vocab_size: file.vocab_size,
                type_vocab_size: 1,
                max_seq_len: file.max_position_embeddings,
                hidden_size: file.hidden_size,
                projected_size: 3 * file.hidden_size,
            },
        })
    }
}

impl Model for ModernBert {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn embed(&self, windows: &Windows, hidden: &mut Vec<f32>, workspace: &mut Workspace) {
        self.embeddings.forward(windows, hidden, workspace);
    }

    fn layers(&self) -> Box<dyn Iterator<Item = &dyn Layer> + '_> {
        Box::new(self.layers.iter().map(|layer| layer as &dyn Layer))
    }

    fn head(&self, _: &Windows, hidden: &[f32], logits: &mut [f32], workspace: &mut Workspace) {
        let Head { dense, activation, norm, classifier } = &self.head;
        let Workspace { linear, dense: output, normalized, .. } = workspace;
        normalize(&self.final_norm, hidden, normalized);
        output.resize(hidden.len(), 0.0);
        dense.forward(normalized, linear, output, Some(*activation));
        norm.apply(output);
        classifier.forward(output, linear, logits, None);
    }
}

impl Layer for ModernBertLayer {
    fn project(
        &self,
        windows: &Windows,
        hidden: &[f32],
        rows: Range<usize>,
        projected: &mut [f32],
        workspace: &mut Workspace,
    ) {
        let size = self.hidden_size;
        let hidden = &hidden[rows.start * size..rows.end * size];
        let Workspace { linear, normalized, .. } = workspace;
        match &self.attention_norm {
            Some(norm) => {
                linear.times.measure(Operator::Norm, 0, || normalize(norm, hidden, normalized));
                self.query_key_value.forward(normalized, linear, projected, None);
            }
            None => self.query_key_value.forward(hidden, linear, projected, None),
        }
        linear.times.measure(Operator::Rotary, 0, || self.rotary.apply(windows, rows, projected));
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
            let Workspace { linear, context, dense, normalized, .. } = workspace;
            dense.resize(hidden.len(), 0.0);
            self.attention_output.forward(&context[first..first + hidden.len()], linear, dense, None);
            linear.times.measure(Operator::Norm, 0, || {
                add(hidden, dense);
                normalize(&self.feed_forward_norm, hidden, normalized);
            });
            let normalized = std::mem::take(normalized);
            self.feed_forward.forward(&normalized, workspace);
            workspace.normalized = normalized;
            let Workspace { linear, dense, .. } = workspace;
            linear.times.measure(Operator::Norm, 0, || add(hidden, dense));
        }
    }
}

/// `output = norm(input)`
fn normalize(norm: &LayerNorm, input: &[f32], output: &mut Vec<f32>) {
    output.clear();
    output.extend_from_slice(input);
    norm.apply(output);
}

/// The residual connection.
fn add(hidden: &mut [f32], dense: &[f32]) {
    hidden.iter_mut().zip(dense).for_each(|(value, dense)| *value += dense);
}

struct ModernBertLoader<'a> {
    file: &'a File,
    heads: Heads,
    loader: Loader<'a>,
}

impl ModernBertLoader<'_> {
    fn head(&self) -> Result<Head, LoadError> {
        let (file, hidden) = (self.file, self.file.hidden_size);
        for name in ["classifier.weight", "classifier.bias", "head.dense.weight"] {
            if !self.loader.tensors.contains(name) {
                return Err(LoadError::MissingHead(name.into()));
            }
        }
        let pack = |part| self.loader.pack(&[part], Operator::Head, Precision::F32, Spread::Symmetric);
        Ok(Head {
            dense: pack(self.part("head.dense", hidden, hidden, file.classifier_bias)?)?,
            activation: activation("classifier_activation", &file.classifier_activation)?,
            norm: self.norm("head.norm")?,
            classifier: pack(self.part("classifier", 2, hidden, true)?)?,
        })
    }

    fn layer(
        &self,
        layer: usize,
        rotary: &Arc<Rotary>,
        attention: SelfAttention,
    ) -> Result<ModernBertLayer, LoadError> {
        let (file, hidden, intermediate) = (self.file, self.file.hidden_size, self.file.intermediate_size);
        let full = |name: &str| format!("model.layers.{layer}.{name}");
        let linear = |name: &str, outputs, inputs, bias, operator| {
            let part = self.part(&full(name), outputs, inputs, bias)?;
            // What comes through the gate is as often below zero as above.
            self.loader.pack(&[part], operator, self.loader.precision, Spread::Symmetric)
        };
        let scales = [1.0 / (self.heads.size as f32).sqrt(), 1.0, 1.0];
        let together = self.part(&full("attn.Wqkv"), 3 * hidden, hidden, file.attention_bias)?;
        let query_key_value: Vec<_> = together.split(3).zip(scales).map(|(part, scale)| part.scaled(scale)).collect();
        Ok(ModernBertLayer {
            hidden_size: hidden,
            rotary: rotary.clone(),
            attention_norm: if layer > 0 { Some(self.norm(&full("attn_norm"))?) } else { None },
            query_key_value: self.loader.concat(&query_key_value, Operator::QueryKeyValue)?,
            attention,
            attention_output: linear("attn.Wo", hidden, hidden, file.attention_bias, Operator::AttentionOutput)?,
            feed_forward_norm: self.norm(&full("mlp_norm"))?,
            feed_forward: GatedFeedForward {
                intermediate: linear("mlp.Wi", 2 * intermediate, hidden, file.mlp_bias, Operator::Intermediate)?,
                activation: activation("hidden_activation", &file.hidden_activation)?,
                output: linear("mlp.Wo", hidden, intermediate, file.mlp_bias, Operator::Output)?,
            },
        })
    }

    fn part(&self, name: &str, outputs: usize, inputs: usize, bias: bool) -> Result<Part, LoadError> {
        match bias {
            true => self.loader.part(name, outputs, inputs, 1.0),
            false => self.loader.part_without_bias(name, outputs, inputs),
        }
    }

    fn norm(&self, name: &str) -> Result<LayerNorm, LoadError> {
        let (size, epsilon) = (self.file.hidden_size, self.file.norm_eps);
        match self.file.norm_bias {
            true => self.loader.norm(name, size, epsilon),
            false => self.loader.norm_without_bias(name, size, epsilon),
        }
    }
}
