//! ModernBERT: rotary positions, local attention in most layers, gated feed-forward, normalization before each part.

use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;

use super::config::{Common, POSITIONS, activation, at_most, epsilon, parse, positive};
use super::{Family, Head, Layer, Network};
use crate::engine::native::LoadError;
use crate::engine::native::layers::{
    Embeddings, GatedFeedForward, Gathered, Heads, Linear, Loader, Part, Rotary, SelfAttention, Workspace,
};
use crate::engine::native::profile::Operator;
use crate::engine::native::windows::Windows;
use bertqa_kernels::{Activation, LayerNorm, Spread};

pub(super) const FAMILY: Family =
    Family { model_type: "modernbert", notes: "rotary positions, local attention in most layers", load };

/// config.json as it is written, before transformers 5 and since.
#[derive(Deserialize)]
struct File {
    #[serde(default = "gelu")]
    hidden_activation: String,
    #[serde(default = "gelu")]
    classifier_activation: String,
    #[serde(default = "default_epsilon")]
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

fn default_epsilon() -> f32 {
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

    fn check(&self, common: &Common) -> Result<(), LoadError> {
        common.check()?;
        epsilon("norm_eps", self.norm_eps)?;
        positive(&[("global_attn_every_n_layers", self.global_attn_every_n_layers)])?;
        at_most(POSITIONS, "local_attention", self.local_attention)?;
        match &self.layer_types {
            Some(types) if types.len() != common.num_hidden_layers => Err(LoadError::Inconsistent(format!(
                "layer_types has {} entries, and num_hidden_layers is {}",
                types.len(),
                common.num_hidden_layers
            ))),
            _ => Ok(()),
        }
    }
}

fn load(config: &[u8], loader: Loader) -> Result<Network, LoadError> {
    let (common, file) = parse::<File>(config)?;
    file.check(&common)?;
    let heads = common.heads()?;
    if !heads.size.is_multiple_of(2) {
        return Err(LoadError::Inconsistent(format!("heads of {} values cannot be turned in pairs", heads.size)));
    }
    let loader = ModernBertLoader { common: &common, file: &file, heads, loader };
    let head = loader.head()?;
    let embeddings = loader.embeddings()?;
    let rotary = |kind| Arc::new(Rotary::new(heads, common.max_position_embeddings, file.theta(kind)));
    let (global, local) = (rotary(LayerType::FullAttention), rotary(LayerType::SlidingAttention));
    let precision = loader.loader.precision;
    let layer = |layer| -> Result<Arc<dyn Layer>, LoadError> {
        Ok(Arc::new(match file.layer_type(layer) {
            LayerType::FullAttention => loader.layer(layer, &global, SelfAttention::new(heads, precision))?,
            LayerType::SlidingAttention => {
                let attention = SelfAttention::local(heads, precision, file.local_attention / 2);
                loader.layer(layer, &local, attention)?
            }
        }))
    };
    let layers = (0..common.num_hidden_layers).map(layer).collect::<Result<_, _>>()?;
    let projected_size = 3 * common.hidden_size;
    let shape = common.shape(1, projected_size);
    Ok(Network { shape, embeddings: Box::new(embeddings), layers, head: Box::new(head) })
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
struct ModernBertHead {
    final_norm: LayerNorm,
    dense: Linear,
    activation: Activation,
    norm: LayerNorm,
    classifier: Linear,
}

impl Head for ModernBertHead {
    fn find(&self, _: &Windows, hidden: &[f32], logits: &mut [f32], workspace: &mut Workspace) {
        let Workspace { linear, dense: output, normalized, .. } = workspace;
        normalize(&self.final_norm, hidden, normalized);
        output.resize(hidden.len(), 0.0);
        self.dense.forward(normalized, linear, output, Some(self.activation));
        self.norm.apply(output);
        self.classifier.forward(output, linear, logits, None);
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

    fn attend(&self, windows: &Windows, projected: &[f32], rows: Range<usize>, _: &[f32], workspace: &mut Workspace) {
        self.attention.forward(windows, projected, rows, workspace);
    }

    fn update(&self, block: Range<usize>, hidden: &mut [f32], workspace: &mut Workspace) {
        let size = self.hidden_size;
        let Workspace { linear, gathered: Gathered { context, .. }, dense, normalized, .. } = workspace;
        dense.resize(hidden.len(), 0.0);
        self.attention_output.forward(&context[block.start * size..block.end * size], linear, dense, None);
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
    common: &'a Common,
    file: &'a File,
    heads: Heads,
    loader: Loader<'a>,
}

impl ModernBertLoader<'_> {
    fn head(&self) -> Result<ModernBertHead, LoadError> {
        let (file, hidden) = (self.file, self.common.hidden_size);
        self.loader.require_head("classifier")?;
        self.loader.require_head("head.dense")?;
        let linear = |part| self.loader.linear_f32(part, Operator::Head);
        Ok(ModernBertHead {
            final_norm: self.norm("model.final_norm")?,
            dense: linear(self.part("head.dense", hidden, hidden, file.classifier_bias)?)?,
            activation: activation("classifier_activation", &file.classifier_activation)?,
            norm: self.norm("head.norm")?,
            classifier: linear(self.part("classifier", 2, hidden, true)?)?,
        })
    }

    fn embeddings(&self) -> Result<Embeddings, LoadError> {
        let shape = [self.common.vocab_size, self.common.hidden_size];
        Ok(Embeddings {
            words: self.loader.tensors.get("model.embeddings.tok_embeddings.weight", &shape)?,
            positions: None,
            token_types: None,
            norm: Some(self.norm("model.embeddings.norm")?),
            projection: None,
            projects_first: false,
        })
    }

    fn layer(
        &self,
        layer: usize,
        rotary: &Arc<Rotary>,
        attention: SelfAttention,
    ) -> Result<ModernBertLayer, LoadError> {
        let (file, hidden, intermediate) = (self.file, self.common.hidden_size, self.common.intermediate_size);
        let full = |name: &str| format!("model.layers.{layer}.{name}");
        let linear = |name: &str, outputs, inputs, bias, operator| {
            let part = self.part(&full(name), outputs, inputs, bias)?;
            // What comes through the gate is as often below zero as above.
            self.loader.linear(&[part], operator, Spread::Symmetric)
        };
        let [query, key, value] = self.part(&full("attn.Wqkv"), 3 * hidden, hidden, file.attention_bias)?.split();
        let query_key_value = [query.scaled(1.0 / (self.heads.size as f32).sqrt()), key, value];
        Ok(ModernBertLayer {
            hidden_size: hidden,
            rotary: rotary.clone(),
            attention_norm: if layer > 0 { Some(self.norm(&full("attn_norm"))?) } else { None },
            query_key_value: self.loader.linear(&query_key_value, Operator::QueryKeyValue, Spread::Symmetric)?,
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
            true => self.loader.part(name, outputs, inputs),
            false => self.loader.part_without_bias(name, outputs, inputs),
        }
    }

    fn norm(&self, name: &str) -> Result<LayerNorm, LoadError> {
        let (size, epsilon) = (self.common.hidden_size, self.file.norm_eps);
        match self.file.norm_bias {
            true => self.loader.norm(name, size, epsilon),
            false => self.loader.norm_without_bias(name, size, epsilon),
        }
    }
}
