//! DeBERTa v2 and v3: relative positions in the scores of attention, and no absolute ones, or both.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;
use serde::Deserialize;

use super::config::{Common, POSITIONS, at_most, parse};
use super::{Family, Layer, Network};
use crate::engine::native::LoadError;
use crate::engine::native::layers::{
    DisentangledAttention, Embeddings, FeedForward, Gathered, Heads, Linear, LinearBuffers, Loader, Part,
    PositionEmbeddings, Positions, RelativePositions, SelfAttention, Workspace,
};
use crate::engine::native::profile::Operator;
use crate::engine::native::windows::Windows;
use bertqa_kernels::{Activation, LayerNorm, Spread};

pub(super) const FAMILY: Family =
    Family { model_type: "deberta-v2", notes: "v2, v3 and mDeBERTa: relative positions in attention", load };

/// config.json as it is written.
#[derive(Deserialize)]
struct File {
    attention_head_size: Option<usize>,
    position_biased_input: Option<bool>,
    relative_attention: Option<bool>,
    max_relative_positions: Option<isize>,
    position_buckets: Option<isize>,
    pos_att_type: Option<PosAttType>,
    share_att_key: Option<bool>,
    norm_rel_ebd: Option<String>,
    conv_kernel_size: Option<usize>,
    conv_groups: Option<usize>,
    conv_act: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum PosAttType {
    Joined(String),
    List(Vec<String>),
}

impl PosAttType {
    fn has(&self, kind: &str) -> bool {
        match self {
            Self::Joined(kinds) => kinds.split('|').any(|found| found.trim().eq_ignore_ascii_case(kind)),
            Self::List(kinds) => kinds.iter().any(|found| found == kind),
        }
    }
}

fn load(config: &[u8], loader: Loader) -> Result<Network, LoadError> {
    let (common, file) = parse::<File>(config)?;
    let config = Config::check(&common, &file)?;
    let loader = DebertaLoader { common: &common, file: &file, config: &config, loader };
    let head = loader.loader.head(common.hidden_size)?;
    let embeddings = loader.embeddings()?;
    let relative = loader.relative_embeddings()?;
    let layers = (0..common.num_hidden_layers)
        .map(|layer| Ok(Arc::new(loader.layer(layer, relative.as_deref())?) as Arc<dyn Layer>))
        .collect::<Result<_, LoadError>>()?;
    let projected_size = 3 * common.hidden_size;
    let shape = common.shape(config.type_vocab_size.max(1), projected_size);
    Ok(Network { shape, embeddings: Box::new(embeddings), layers, head: Box::new(head) })
}

struct DebertaLayer {
    hidden_size: usize,
    /// `[3 * hidden_size, hidden_size]`; the queries come out divided by the scale of the scores.
    query_key_value: Linear,
    attention: Attention,
    attention_output: Linear,
    attention_norm: LayerNorm,
    feed_forward: FeedForward,
    output_norm: LayerNorm,
    /// Of the first layer, in some models.
    convolution: Option<Convolution>,
}

enum Attention {
    Plain(SelfAttention),
    Disentangled(DisentangledAttention),
}

/// A convolution over neighbouring tokens of the layer's input, added to its output.
struct Convolution {
    kernel_size: usize,
    /// `[hidden_size, kernel_size * hidden_size]`
    weight: Linear,
    activation: fn(f32) -> f32,
    norm: LayerNorm,
}

impl Layer for DebertaLayer {
    fn project(
        &self,
        windows: &Windows,
        hidden: &[f32],
        rows: Range<usize>,
        projected: &mut [f32],
        workspace: &mut Workspace,
    ) {
        if let Some(convolution) = &self.convolution {
            convolution.forward(windows, hidden, rows.clone(), workspace);
        }
        let size = self.hidden_size;
        let hidden = &hidden[rows.start * size..rows.end * size];
        self.query_key_value.forward(hidden, &mut workspace.linear, projected, None);
    }

    fn attend(&self, windows: &Windows, projected: &[f32], rows: Range<usize>, _: &[f32], workspace: &mut Workspace) {
        match &self.attention {
            Attention::Plain(attention) => attention.forward(windows, projected, rows, workspace),
            Attention::Disentangled(attention) => attention.forward(windows, projected, rows, workspace),
        }
    }

    fn update(&self, block: Range<usize>, hidden: &mut [f32], workspace: &mut Workspace) {
        let values = block.start * self.hidden_size..block.end * self.hidden_size;
        let Workspace { linear, gathered: Gathered { context, .. }, dense, .. } = workspace;
        dense.resize(hidden.len(), 0.0);
        self.attention_output.forward(&context[values.clone()], linear, dense, None);
        linear.times.measure(Operator::Norm, 0, || self.attention_norm.apply_residual(hidden, dense));
        self.feed_forward.forward(hidden, workspace);
        let Workspace { linear, dense, gathered: Gathered { convolved, .. }, .. } = workspace;
        linear.times.measure(Operator::Norm, 0, || {
            self.output_norm.apply_residual(hidden, dense);
            if let Some(convolution) = &self.convolution {
                convolution.norm.apply_residual(hidden, &convolved[values]);
            }
        });
    }
}

impl Convolution {
    /// Writes the result for the tokens `rows` to the workspace, where [`Layer::update`] finds it.
    fn forward(&self, windows: &Windows, hidden: &[f32], rows: Range<usize>, workspace: &mut Workspace) {
        let size = self.weight.outputs();
        let reach = self.kernel_size / 2;
        let Workspace { linear, neighbours, gathered: Gathered { convolved, .. }, .. } = workspace;
        neighbours.clear();
        neighbours.resize(rows.len() * self.kernel_size * size, 0.0);
        for window in windows.bounds() {
            for token in window.start.max(rows.start)..window.end.min(rows.end) {
                let out = &mut neighbours[(token - rows.start) * self.kernel_size * size..];
                for (place, out) in out.chunks_exact_mut(size).take(self.kernel_size).enumerate() {
                    let neighbour = (token + place).checked_sub(reach).filter(|token| window.contains(token));
                    if let Some(token) = neighbour {
                        out.copy_from_slice(&hidden[token * size..][..size]);
                    }
                }
            }
        }
        convolved.resize(rows.len() * size, 0.0);
        self.weight.forward(neighbours, linear, convolved, None);
        convolved.iter_mut().for_each(|value| *value = (self.activation)(*value));
    }
}

/// What config.json comes to.
struct Config {
    heads: Heads,
    activation: Activation,
    epsilon: f32,
    type_vocab_size: usize,
    /// `None`: absolute positions only.
    positions: Option<RelativePositions>,
    /// Whether scores have products of contents with positions, and of positions with contents.
    content_to_position: bool,
    position_to_content: bool,
}

impl Config {
    fn check(common: &Common, file: &File) -> Result<Self, LoadError> {
        common.check()?;
        let heads = common.heads()?;
        let unsupported = |key, value: String, supported: String| LoadError::Unsupported { key, value, supported };
        if let Some(size) = file.attention_head_size.filter(|size| *size != heads.size) {
            return Err(unsupported("attention_head_size", size.to_string(), heads.size.to_string()));
        }
        if let Some(groups) = file.conv_groups.filter(|groups| *groups != 1 && file.conv_kernel_size > Some(0)) {
            return Err(unsupported("conv_groups", groups.to_string(), "1".to_owned()));
        }
        if let Some(size) = file.conv_kernel_size.filter(|size| *size > 0 && size.is_multiple_of(2)) {
            return Err(unsupported("conv_kernel_size", size.to_string(), "odd sizes".to_owned()));
        }
        let has = |kind| file.pos_att_type.as_ref().is_some_and(|kinds| kinds.has(kind));
        let max = file
            .max_relative_positions
            .filter(|max| *max > 0)
            .map_or(common.max_position_embeddings, isize::unsigned_abs);
        let buckets = file.position_buckets.filter(|buckets| *buckets > 0).map(isize::unsigned_abs);
        at_most(POSITIONS, "max_relative_positions", max)?;
        at_most(POSITIONS, "position_buckets", buckets.unwrap_or(0))?;
        let positions = RelativePositions { span: buckets.unwrap_or(max), log_buckets: buckets.map(|_| max) };
        let relative = file.relative_attention.unwrap_or(false);
        Ok(Self {
            heads,
            activation: common.activation("gelu")?,
            epsilon: common.layer_norm_eps.unwrap_or(1e-7),
            type_vocab_size: common.type_vocab_size.unwrap_or(0),
            positions: relative.then_some(positions),
            content_to_position: has("c2p"),
            position_to_content: has("p2c"),
        })
    }

    /// What scores are divided by: the more products are in their sum, the larger.
    fn scale(&self) -> f32 {
        let products = 1 + usize::from(self.content_to_position) + usize::from(self.position_to_content);
        ((self.heads.size * products) as f32).sqrt()
    }
}

struct DebertaLoader<'a> {
    common: &'a Common,
    file: &'a File,
    config: &'a Config,
    loader: Loader<'a>,
}

impl DebertaLoader<'_> {
    fn embeddings(&self) -> Result<Embeddings, LoadError> {
        let (file, tensors) = (self.file, self.loader.tensors);
        let hidden = self.common.hidden_size;
        let size = self.common.embedding_size.unwrap_or(hidden);
        let table = |name: &str, rows: usize| tensors.get(&format!("deberta.embeddings.{name}.weight"), &[rows, size]);
        let positions = match file.position_biased_input.unwrap_or(true) {
            true => Some(PositionEmbeddings {
                table: table("position_embeddings", self.common.max_position_embeddings)?.read(),
                positions: Positions::FromZero,
            }),
            false => None,
        };
        let token_types = match self.config.type_vocab_size {
            0 => None,
            rows => Some(table("token_type_embeddings", rows)?.read()),
        };
        let projection = match size == hidden {
            true => None,
            false => {
                let part = self.loader.part_without_bias("deberta.embeddings.embed_proj", hidden, size)?;
                Some(self.loader.linear_f32(part, Operator::Embeddings)?)
            }
        };
        Ok(Embeddings {
            words: table("word_embeddings", self.common.vocab_size)?,
            positions,
            token_types,
            norm: Some(self.norm("embeddings.LayerNorm")?),
            projection,
            projects_first: true,
        })
    }

    /// `[2 * span, hidden_size]`
    fn relative_embeddings(&self) -> Result<Option<Vec<f32>>, LoadError> {
        let Some(RelativePositions { span, .. }) = self.config.positions else { return Ok(None) };
        let shape = [2 * span, self.common.hidden_size];
        let mut embeddings = self.loader.tensors.get("deberta.encoder.rel_embeddings.weight", &shape)?.read();
        let norms = self.file.norm_rel_ebd.as_deref().unwrap_or("none");
        if norms.to_lowercase().split('|').any(|norm| norm.trim() == "layer_norm") {
            self.norm("encoder.LayerNorm")?.apply(&mut embeddings);
        }
        Ok(Some(embeddings))
    }

    fn layer(&self, layer: usize, relative: Option<&[f32]>) -> Result<DebertaLayer, LoadError> {
        let (hidden, intermediate) = (self.common.hidden_size, self.common.intermediate_size);
        let full = |name: &str| format!("deberta.encoder.layer.{layer}.{name}");
        let query_scale = 1.0 / self.config.scale();
        let part = |name: &str, outputs, inputs| self.loader.part(&full(name), outputs, inputs);
        let projection = |name: &str| part(&format!("attention.self.{name}"), hidden, hidden);
        let query_key_value =
            [projection("query_proj")?.scaled(query_scale), projection("key_proj")?, projection("value_proj")?];
        let attention = match (self.config.positions, relative) {
            (Some(positions), Some(relative)) => {
                let share = self.file.share_att_key.unwrap_or(false);
                let project = |wanted: bool, name, shared, scale| match wanted {
                    true => {
                        let part = projection(if share { shared } else { name })?.scaled(scale);
                        Ok(Some(self.project(relative, part)?))
                    }
                    false => Ok::<_, LoadError>(None),
                };
                let keys = project(self.config.content_to_position, "pos_key_proj", "key_proj", 1.0)?;
                let queries = project(self.config.position_to_content, "pos_query_proj", "query_proj", query_scale)?;
                let (heads, precision) = (self.config.heads, self.loader.precision);
                Attention::Disentangled(DisentangledAttention::new(heads, positions, precision, [keys, queries]))
            }
            _ => Attention::Plain(SelfAttention::new(self.config.heads, self.loader.precision)),
        };
        let norm = |name: &str| self.norm(&format!("encoder.layer.{layer}.{name}"));
        Ok(DebertaLayer {
            hidden_size: hidden,
            query_key_value: self.loader.linear(&query_key_value, Operator::QueryKeyValue, Spread::Symmetric)?,
            attention,
            attention_output: self.loader.linear(
                &[part("attention.output.dense", hidden, hidden)?],
                Operator::AttentionOutput,
                Spread::Symmetric,
            )?,
            attention_norm: norm("attention.output.LayerNorm")?,
            feed_forward: self.loader.feed_forward(
                part("intermediate.dense", intermediate, hidden)?,
                self.config.activation,
                part("output.dense", hidden, intermediate)?,
            )?,
            output_norm: norm("output.LayerNorm")?,
            convolution: match self.file.conv_kernel_size {
                Some(size) if size > 0 && layer == 0 => Some(self.convolution(size)?),
                _ => None,
            },
        })
    }

    /// The relative embeddings as keys or queries, `[2 * span, hidden_size]`.
    fn project(&self, relative: &[f32], part: Part) -> Result<Vec<f32>, LoadError> {
        /// Rows that a thread takes at a time.
        const ROWS: usize = 64;
        let hidden = self.common.hidden_size;
        let linear = self.loader.linear_f32(part, Operator::Embeddings)?;
        let mut projected = vec![0.0; relative.len()];
        let blocks = projected.par_chunks_mut(ROWS * hidden).zip(relative.par_chunks(ROWS * hidden));
        blocks.for_each_init(LinearBuffers::default, |buffers, (out, rows)| linear.forward(rows, buffers, out, None));
        Ok(projected)
    }

    fn convolution(&self, kernel_size: usize) -> Result<Convolution, LoadError> {
        let hidden = self.common.hidden_size;
        let weight =
            self.loader.tensors.get("deberta.encoder.conv.conv.weight", &[hidden, hidden, kernel_size])?.read();
        // From `[output, input, place]` to `[output, place, input]`, as neighbours lie.
        let mut rows = vec![0.0; weight.len()];
        for (output, row) in rows.chunks_exact_mut(kernel_size * hidden).enumerate() {
            for (index, value) in row.iter_mut().enumerate() {
                let (place, input) = (index / hidden, index % hidden);
                *value = weight[(output * hidden + input) * kernel_size + place];
            }
        }
        let bias = self.loader.vector("deberta.encoder.conv.conv.bias", hidden)?;
        let activation: fn(f32) -> f32 = match self.file.conv_act.as_deref().unwrap_or("tanh") {
            "tanh" => libm::tanhf,
            "relu" => |value| value.max(0.0),
            other => {
                let supported = "tanh, relu".to_owned();
                return Err(LoadError::Unsupported { key: "conv_act", value: other.to_owned(), supported });
            }
        };
        Ok(Convolution {
            kernel_size,
            weight: self.loader.linear_f32(Part::computed(rows, bias), Operator::Embeddings)?,
            activation,
            norm: self.norm("encoder.conv.LayerNorm")?,
        })
    }

    fn norm(&self, name: &str) -> Result<LayerNorm, LoadError> {
        self.loader.norm(&format!("deberta.{name}"), self.common.hidden_size, self.config.epsilon)
    }
}
