//! MobileBERT: bottlenecks around attention, several feed-forward parts a layer, and mostly no normalization.

use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;

use super::config::{Common, heads, parse, positive};
use super::{Embed, Family, Layer, Network};
use crate::engine::native::LoadError;
use crate::engine::native::layers::{
    FeedForward, Gathered, Heads, Linear, LinearBuffers, Loader, SelfAttention, Workspace,
};
use crate::engine::native::profile::Operator;
use crate::engine::native::tensors::Tensor;
use crate::engine::native::windows::{Window, Windows};
use bertqa_kernels::{Activation, LayerNorm, Spread};

pub(super) const FAMILY: Family =
    Family { model_type: "mobilebert", notes: "bottlenecks around the parts of a layer", load };

/// config.json as it is written.
#[derive(Deserialize)]
struct File {
    intra_bottleneck_size: Option<usize>,
    num_feedforward_networks: Option<usize>,
    trigram_input: Option<bool>,
    use_bottleneck: Option<bool>,
    use_bottleneck_attention: Option<bool>,
    key_query_shared_bottleneck: Option<bool>,
    normalization_type: Option<String>,
}

/// What stands where other networks have a layer normalization.
#[derive(Debug)]
enum Norm {
    Layer(LayerNorm),
    /// Scale and shift of each column.
    Affine {
        weight: Vec<f32>,
        bias: Vec<f32>,
    },
}

struct MobileBertEmbeddings {
    hidden_size: usize,
    /// `[vocab_size, embedding_size]`
    words: Tensor,
    /// Whether a token is embedded with its two neighbours.
    trigrams: bool,
    transformation: Option<Linear>,
    /// `[position_embeddings, hidden_size]`
    positions: Vec<f32>,
    /// `[type_vocab_size, hidden_size]`
    token_types: Vec<f32>,
    norm: Norm,
}

/// A change of width: `norm(dense(x))`, or with a residual before the norm.
struct Bottleneck {
    dense: Linear,
    norm: Norm,
}

struct MobileBertLayer {
    hidden_size: usize,
    /// Inside the bottleneck.
    size: usize,
    /// `None`: the layer is as wide inside.
    input: Option<Bottleneck>,
    attention_input: AttentionInput,
    /// `[2 * size, size]`; the queries come out divided by the square root of the head size.
    query_key: Linear,
    value: Linear,
    attention: SelfAttention,
    attention_output: Linear,
    attention_norm: Norm,
    feed_forwards: Vec<(FeedForward, Norm)>,
    output: Option<Bottleneck>,
}

/// What queries, keys and values are made of.
enum AttentionInput {
    /// All of the layer's input in the bottleneck.
    Input,
    /// Queries and keys of a bottleneck of their own, values of the hidden states.
    Shared(Box<Bottleneck>),
    /// All of the hidden states.
    Hidden,
}

fn load(config: &[u8], loader: Loader) -> Result<Network, LoadError> {
    let (common, file) = parse::<File>(config)?;
    let config = Config::check(&common, &file)?;
    let loader = MobileBertLoader { common: &common, file: &file, config: &config, loader };
    let head = loader.loader.head(common.hidden_size)?;
    let embeddings = loader.embeddings()?;
    let layers = (0..common.num_hidden_layers)
        .map(|layer| Ok(Arc::new(loader.layer(layer)?) as Arc<dyn Layer>))
        .collect::<Result<_, LoadError>>()?;
    let shape = common.shape(config.type_vocab_size, 3 * config.size);
    Ok(Network { shape, embeddings: Box::new(embeddings), layers, head: Box::new(head) })
}

impl Norm {
    fn apply(&self, values: &mut [f32]) {
        match self {
            Self::Layer(norm) => norm.apply(values),
            Self::Affine { weight, bias } => {
                for row in values.chunks_exact_mut(weight.len()) {
                    for ((value, weight), bias) in row.iter_mut().zip(weight).zip(bias) {
                        *value = *value * weight + bias;
                    }
                }
            }
        }
    }

    fn apply_residual(&self, values: &mut [f32], residual: &[f32]) {
        match self {
            Self::Layer(norm) => norm.apply_residual(values, residual),
            Self::Affine { weight, bias } => {
                for (row, residual) in values.chunks_exact_mut(weight.len()).zip(residual.chunks_exact(weight.len())) {
                    for (((value, residual), weight), bias) in row.iter_mut().zip(residual).zip(weight).zip(bias) {
                        *value = (*value + residual) * weight + bias;
                    }
                }
            }
        }
    }
}

impl Embed for MobileBertEmbeddings {
    fn embed(&self, windows: &Windows, hidden: &mut Vec<f32>, workspace: &mut Workspace) {
        let hidden_size = self.hidden_size;
        let Workspace { linear, neighbours, .. } = workspace;
        let tokens = windows.tokens();
        hidden.resize(tokens * hidden_size, 0.0);
        linear.times.measure(Operator::Embeddings, 0, || self.words(windows, neighbours));
        match &self.transformation {
            Some(transformation) => transformation.forward(neighbours, linear, hidden, None),
            None => hidden.copy_from_slice(neighbours),
        }
        linear.times.measure(Operator::Embeddings, 0, || {
            let mut rows = hidden.chunks_exact_mut(hidden_size);
            for Window { token_type_ids, .. } in windows.iter() {
                // The rows last, so that the end of a window takes none of the next.
                let tokens = token_type_ids.iter().zip(self.positions.chunks_exact(hidden_size)).zip(&mut rows);
                for ((token_type, position), row) in tokens {
                    let token_type = &self.token_types[*token_type as usize * hidden_size..][..hidden_size];
                    for ((value, position), token_type) in row.iter_mut().zip(position).zip(token_type) {
                        *value += position + token_type;
                    }
                }
            }
            self.norm.apply(hidden);
        });
    }
}

impl MobileBertEmbeddings {
    /// Fills `output` with the embeddings of each token, or with those of the next, its own and the one before.
    fn words(&self, windows: &Windows, output: &mut Vec<f32>) {
        let size = self.words.cols();
        let width = if self.trigrams { 3 * size } else { size };
        output.clear();
        output.resize(windows.tokens() * width, 0.0);
        for (Window { input_ids, .. }, bounds) in windows.iter().zip(windows.bounds()) {
            let rows = &mut output[bounds.start * width..bounds.end * width];
            for (token, &id) in input_ids.iter().enumerate() {
                if !self.trigrams {
                    self.words.read_row(id as usize, &mut rows[token * width..][..width]);
                    continue;
                }
                let own = token * width + size;
                self.words.read_row(id as usize, &mut rows[own..own + size]);
                if token > 0 {
                    rows.copy_within(own..own + size, (token - 1) * width);
                }
                if token + 1 < input_ids.len() {
                    rows.copy_within(own..own + size, (token + 1) * width + 2 * size);
                }
            }
        }
    }
}

impl Bottleneck {
    /// `output = norm(dense(input))`
    fn forward(&self, input: &[f32], output: &mut Vec<f32>, linear: &mut LinearBuffers) {
        output.resize(input.len() / self.dense.inputs() * self.dense.outputs(), 0.0);
        self.dense.forward(input, linear, output, None);
        linear.times.measure(Operator::Norm, 0, || self.norm.apply(output));
    }
}

impl Layer for MobileBertLayer {
    fn project(
        &self,
        _: &Windows,
        hidden: &[f32],
        rows: Range<usize>,
        projected: &mut [f32],
        workspace: &mut Workspace,
    ) {
        let Workspace { linear, dense, gathered: Gathered { context, carried, .. }, neighbours, .. } = workspace;
        let hidden = &hidden[rows.start * self.hidden_size..rows.end * self.hidden_size];
        match &self.input {
            Some(bottleneck) => bottleneck.forward(hidden, carried, linear),
            None => {
                carried.clear();
                carried.extend_from_slice(hidden);
            }
        }
        let (queries, values): (&[f32], &[f32]) = match &self.attention_input {
            AttentionInput::Input => (carried, carried),
            AttentionInput::Hidden => (hidden, hidden),
            AttentionInput::Shared(bottleneck) => {
                bottleneck.forward(hidden, context, linear);
                (context, hidden)
            }
        };
        dense.resize(rows.len() * 2 * self.size, 0.0);
        self.query_key.forward(queries, linear, dense, None);
        neighbours.resize(rows.len() * self.size, 0.0);
        self.value.forward(values, linear, neighbours, None);
        let parts = dense.chunks_exact(2 * self.size).zip(neighbours.chunks_exact(self.size));
        for (row, (query_key, value)) in projected.chunks_exact_mut(3 * self.size).zip(parts) {
            row[..2 * self.size].copy_from_slice(query_key);
            row[2 * self.size..].copy_from_slice(value);
        }
    }

    fn attend(&self, windows: &Windows, projected: &[f32], rows: Range<usize>, _: &[f32], workspace: &mut Workspace) {
        self.attention.forward(windows, projected, rows, workspace);
    }

    fn update(&self, block: Range<usize>, hidden: &mut [f32], workspace: &mut Workspace) {
        // What `project` left there of these rows.
        let mut carried = std::mem::take(&mut workspace.gathered.carried);
        let values = block.start * self.size..block.end * self.size;
        let inner = &mut carried[values.clone()];
        let Workspace { linear, gathered: Gathered { context, .. }, dense, .. } = workspace;
        dense.resize(inner.len(), 0.0);
        self.attention_output.forward(&context[values], linear, dense, None);
        linear.times.measure(Operator::Norm, 0, || self.attention_norm.apply_residual(inner, dense));
        for (feed_forward, norm) in &self.feed_forwards {
            feed_forward.forward(inner, workspace);
            let Workspace { linear, dense, .. } = workspace;
            linear.times.measure(Operator::Norm, 0, || norm.apply_residual(inner, dense));
        }
        let Workspace { linear, dense, .. } = workspace;
        match &self.output {
            Some(Bottleneck { dense: matrix, norm }) => {
                dense.resize(hidden.len(), 0.0);
                matrix.forward(inner, linear, dense, None);
                linear.times.measure(Operator::Norm, 0, || norm.apply_residual(hidden, dense));
            }
            None => hidden.copy_from_slice(inner),
        }
        workspace.gathered.carried = carried;
    }
}

/// What config.json comes to.
struct Config {
    embedding_size: usize,
    /// Inside the bottlenecks.
    size: usize,
    heads: Heads,
    feed_forwards: usize,
    activation: Activation,
    epsilon: f32,
    type_vocab_size: usize,
    trigrams: bool,
    bottleneck: bool,
    layer_norm: bool,
}

impl Config {
    fn check(common: &Common, file: &File) -> Result<Self, LoadError> {
        let bottleneck = file.use_bottleneck.unwrap_or(true);
        let size = match bottleneck {
            true => file.intra_bottleneck_size.unwrap_or(128),
            false => common.hidden_size,
        };
        let embedding_size = common.embedding_size.unwrap_or(128);
        let feed_forwards = file.num_feedforward_networks.unwrap_or(4);
        common.check()?;
        positive(&[
            ("embedding_size", embedding_size),
            ("intra_bottleneck_size", size),
            ("num_feedforward_networks", feed_forwards),
        ])?;
        let layer_norm = match file.normalization_type.as_deref().unwrap_or("no_norm") {
            "no_norm" => false,
            "layer_norm" => true,
            other => {
                let supported = "no_norm, layer_norm".to_owned();
                return Err(LoadError::Unsupported { key: "normalization_type", value: other.to_owned(), supported });
            }
        };
        Ok(Self {
            embedding_size,
            size,
            heads: heads(("intra_bottleneck_size", size), common.num_attention_heads)?,
            feed_forwards,
            activation: common.activation("relu")?,
            epsilon: common.layer_norm_eps.unwrap_or(1e-12),
            type_vocab_size: common.type_vocab_size.unwrap_or(2).max(1),
            trigrams: file.trigram_input.unwrap_or(true),
            bottleneck,
            layer_norm,
        })
    }
}

/// What transformers gives to a layer normalization whose epsilon it does not take from config.json.
const DEFAULT_EPSILON: f32 = 1e-5;

struct MobileBertLoader<'a> {
    common: &'a Common,
    file: &'a File,
    config: &'a Config,
    loader: Loader<'a>,
}

impl MobileBertLoader<'_> {
    fn embeddings(&self) -> Result<MobileBertEmbeddings, LoadError> {
        let (config, tensors) = (self.config, self.loader.tensors);
        let hidden = self.common.hidden_size;
        let table =
            |name: &str, rows, cols| tensors.get(&format!("mobilebert.embeddings.{name}.weight"), &[rows, cols]);
        let inputs = config.embedding_size * if config.trigrams { 3 } else { 1 };
        let transformation = match config.trigrams || config.embedding_size != hidden {
            true => {
                let part = self.loader.part("mobilebert.embeddings.embedding_transformation", hidden, inputs)?;
                Some(self.loader.linear_f32(part, Operator::Embeddings)?)
            }
            false => None,
        };
        Ok(MobileBertEmbeddings {
            hidden_size: hidden,
            words: table("word_embeddings", self.common.vocab_size, config.embedding_size)?,
            trigrams: config.trigrams,
            transformation,
            positions: table("position_embeddings", self.common.max_position_embeddings, hidden)?.read(),
            token_types: table("token_type_embeddings", config.type_vocab_size, hidden)?.read(),
            norm: self.norm("mobilebert.embeddings.LayerNorm", hidden, DEFAULT_EPSILON)?,
        })
    }

    fn layer(&self, layer: usize) -> Result<MobileBertLayer, LoadError> {
        let (file, config) = (self.file, self.config);
        let (hidden, size) = (self.common.hidden_size, config.size);
        let full = |name: &str| format!("mobilebert.encoder.layer.{layer}.{name}");
        let bottleneck = |name: &str, norm: &str, outputs, inputs, operator| -> Result<Bottleneck, LoadError> {
            let dense = self.loader.part(&full(name), outputs, inputs)?;
            Ok(Bottleneck {
                dense: self.loader.linear(&[dense], operator, Spread::Symmetric)?,
                norm: self.norm(&full(norm), outputs, config.epsilon)?,
            })
        };
        let narrow = |name: &str| {
            let (dense, norm) = (format!("bottleneck.{name}.dense"), format!("bottleneck.{name}.LayerNorm"));
            bottleneck(&dense, &norm, size, hidden, Operator::QueryKeyValue)
        };
        let (input, attention_input, value_inputs) = if !config.bottleneck {
            (None, AttentionInput::Input, hidden)
        } else if file.use_bottleneck_attention.unwrap_or(false) {
            (Some(narrow("input")?), AttentionInput::Input, size)
        } else if file.key_query_shared_bottleneck.unwrap_or(true) {
            (Some(narrow("input")?), AttentionInput::Shared(Box::new(narrow("attention")?)), hidden)
        } else if size == hidden {
            (Some(narrow("input")?), AttentionInput::Hidden, hidden)
        } else {
            return Err(LoadError::Inconsistent(format!(
                "without key_query_shared_bottleneck or use_bottleneck_attention, intra_bottleneck_size {size} has to be \
                 hidden_size {hidden}"
            )));
        };
        let part = |name: &str, outputs, inputs| self.loader.part(&full(name), outputs, inputs);
        let projection = |name: &str, inputs| part(&format!("attention.self.{name}"), size, inputs);
        let query_scale = 1.0 / (config.heads.size as f32).sqrt();
        let query_key = [projection("query", size)?.scaled(query_scale), projection("key", size)?];
        let value = [projection("value", value_inputs)?];
        let attention_output = [part("attention.output.dense", size, size)?];
        let feed_forward = |prefix: String, epsilon| -> Result<(FeedForward, Norm), LoadError> {
            let wide = self.common.intermediate_size;
            let intermediate = part(&format!("{prefix}intermediate.dense"), wide, size)?;
            let output = part(&format!("{prefix}output.dense"), size, wide)?;
            let parts = self.loader.feed_forward(intermediate, config.activation, output)?;
            Ok((parts, self.norm(&full(&format!("{prefix}output.LayerNorm")), size, epsilon)?))
        };
        let first = (0..config.feed_forwards - 1).map(|index| feed_forward(format!("ffn.{index}."), config.epsilon));
        let last = std::iter::once_with(|| feed_forward(String::new(), DEFAULT_EPSILON));
        let output = match config.bottleneck {
            true => {
                let (dense, norm) = ("output.bottleneck.dense", "output.bottleneck.LayerNorm");
                Some(bottleneck(dense, norm, hidden, size, Operator::Output)?)
            }
            false => None,
        };
        Ok(MobileBertLayer {
            hidden_size: hidden,
            size,
            input,
            attention_input,
            query_key: self.loader.linear(&query_key, Operator::QueryKeyValue, Spread::Symmetric)?,
            value: self.loader.linear(&value, Operator::QueryKeyValue, Spread::Symmetric)?,
            attention: SelfAttention::new(config.heads, self.loader.precision),
            attention_output: self.loader.linear(&attention_output, Operator::AttentionOutput, Spread::Symmetric)?,
            attention_norm: self.norm(&full("attention.output.LayerNorm"), size, config.epsilon)?,
            feed_forwards: first.chain(last).collect::<Result<_, _>>()?,
            output,
        })
    }

    fn norm(&self, name: &str, len: usize, epsilon: f32) -> Result<Norm, LoadError> {
        let norm = self.loader.norm(name, len, epsilon)?;
        Ok(match self.config.layer_norm {
            true => Norm::Layer(norm),
            false => Norm::Affine { weight: norm.weight, bias: norm.bias },
        })
    }
}
