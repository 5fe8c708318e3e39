//! ConvBERT: half of the heads attend, the other half are convolutions whose kernels depend on the token.

use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;

use super::config::{Common, parse, positive};
use super::{Family, Layer, Network};
use crate::engine::native::LoadError;
use crate::engine::native::layers::{
    Embeddings, FeedForward, Gathered, Heads, Linear, Loader, Part, PositionEmbeddings, Positions, SelfAttention,
    Workspace,
};
use crate::engine::native::profile::Operator;
use crate::engine::native::windows::Windows;
use bertqa_kernels::{Activation, LayerNorm, RowsMut, Spread, softmax_unscaled};

pub(super) const FAMILY: Family = Family { model_type: "convbert", notes: "convolutions beside attention", load };

/// config.json as it is written.
#[derive(Deserialize)]
struct File {
    head_ratio: Option<usize>,
    conv_kernel_size: Option<usize>,
    num_groups: Option<usize>,
}

fn load(config: &[u8], loader: Loader) -> Result<Network, LoadError> {
    let (common, file) = parse::<File>(config)?;
    let config = Config::check(&common, &file)?;
    let loader = ConvBertLoader { common: &common, config: &config, loader };
    let head = loader.loader.head(common.hidden_size)?;
    let embeddings = loader.embeddings()?;
    let layers = (0..common.num_hidden_layers)
        .map(|layer| Ok(Arc::new(loader.layer(layer)?) as Arc<dyn Layer>))
        .collect::<Result<_, LoadError>>()?;
    let projected_size = 2 * common.hidden_size + config.heads.count * config.kernel_size;
    let shape = common.shape(config.type_vocab_size, projected_size);
    Ok(Network { shape, embeddings: Box::new(embeddings), layers, head: Box::new(head) })
}

struct ConvBertLayer {
    hidden_size: usize,
    /// Those that attend; as many convolve.
    heads: Heads,
    /// Query, key, value, and what is convolved. The queries come out divided by the square root of the head size.
    projections: Linear,
    kernels: Kernels,
    attention: SelfAttention,
    attention_output: Linear,
    attention_norm: LayerNorm,
    feed_forward: FeedForward,
    output_norm: LayerNorm,
}

/// What finds the kernel of each token and head: of its query, and of a convolution of its neighbours.
struct Kernels {
    size: usize,
    /// `[size, hidden_size]`: a weight for each neighbour, column by column.
    depthwise: Vec<f32>,
    /// Times the square root of the head size, which queries come divided by.
    pointwise: Linear,
    /// `[heads * size, heads * head_size]`
    kernel: Linear,
}

impl Layer for ConvBertLayer {
    fn project(
        &self,
        windows: &Windows,
        hidden: &[f32],
        rows: Range<usize>,
        projected: &mut [f32],
        workspace: &mut Workspace,
    ) {
        let size = self.hidden_size;
        let own = &hidden[rows.start * size..rows.end * size];
        let mut projections = std::mem::take(&mut workspace.neighbours);
        projections.resize(rows.len() * 2 * size, 0.0);
        self.projections.forward(own, &mut workspace.linear, &mut projections, None);
        self.kernels.forward(windows, hidden, rows, &projections, workspace);
        let kernels = self.heads.count * self.kernels.size;
        let parts = projections.chunks_exact(2 * size).zip(workspace.dense.chunks_exact(kernels));
        for (row, (projections, kernels)) in projected.chunks_exact_mut(2 * size + kernels).zip(parts) {
            row[..2 * size].copy_from_slice(projections);
            row[2 * size..].copy_from_slice(kernels);
        }
        workspace.neighbours = projections;
    }

    fn attend(&self, windows: &Windows, projected: &[f32], rows: Range<usize>, _: &[f32], workspace: &mut Workspace) {
        self.attention.forward(windows, projected, rows.clone(), workspace);
        self.convolve(windows, projected, rows, workspace);
    }

    fn update(&self, block: Range<usize>, hidden: &mut [f32], workspace: &mut Workspace) {
        let size = self.hidden_size;
        let Workspace { linear, gathered: Gathered { convolved, .. }, dense, .. } = workspace;
        dense.resize(hidden.len(), 0.0);
        self.attention_output.forward(&convolved[block.start * size..block.end * size], linear, dense, None);
        linear.times.measure(Operator::Norm, 0, || self.attention_norm.apply_residual(hidden, dense));
        self.feed_forward.forward(hidden, workspace);
        let Workspace { linear, dense, .. } = workspace;
        linear.times.measure(Operator::Norm, 0, || self.output_norm.apply_residual(hidden, dense));
    }
}

impl ConvBertLayer {
    /// Writes what attention gathered and, behind it, the convolutions of the tokens `rows` to the workspace's
    /// `convolved`, `[rows, hidden_size]`.
    fn convolve(&self, windows: &Windows, projected: &[f32], rows: Range<usize>, workspace: &mut Workspace) {
        let Heads { count, size } = self.heads;
        let (half, kernel_size) = (count * size, self.kernels.size);
        let width = 4 * half + count * kernel_size;
        let Workspace { linear, gathered: Gathered { context, convolved, .. }, .. } = workspace;
        convolved.clear();
        convolved.resize(rows.len() * 2 * half, 0.0);
        let operations = 2 * rows.len() * half * kernel_size;
        linear.times.measure(Operator::Attention, operations, || {
            for window in windows.bounds() {
                for token in window.start.max(rows.start)..window.end.min(rows.end) {
                    let row = token - rows.start;
                    let (attended, out) = convolved[row * 2 * half..][..2 * half].split_at_mut(half);
                    attended.copy_from_slice(&context[row * half..][..half]);
                    let kernels = &projected[token * width + 4 * half..][..count * kernel_size];
                    for (place, neighbour) in neighbours(&window, token, kernel_size) {
                        let values = &projected[neighbour * width + 3 * half..][..half];
                        let heads = out.chunks_exact_mut(size).zip(values.chunks_exact(size));
                        for ((out, values), kernel) in heads.zip(kernels.chunks_exact(kernel_size)) {
                            let weight = kernel[place];
                            out.iter_mut().zip(values).for_each(|(out, value)| *out += weight * value);
                        }
                    }
                }
            }
        });
    }
}

impl Kernels {
    /// Writes the kernels of the tokens `rows` to the workspace's `dense`, `[rows, heads * size]`; rows of
    /// `projections` begin with the queries.
    fn forward(
        &self,
        windows: &Windows,
        hidden: &[f32],
        rows: Range<usize>,
        projections: &[f32],
        workspace: &mut Workspace,
    ) {
        let width = self.pointwise.inputs();
        let half = self.pointwise.outputs();
        let Workspace { linear, gathered: Gathered { carried, convolved, .. }, dense, .. } = workspace;
        carried.clear();
        carried.resize(rows.len() * width, 0.0);
        let operations = 2 * rows.len() * width * self.size;
        linear.times.measure(Operator::QueryKeyValue, operations, || {
            for window in windows.bounds() {
                for token in window.start.max(rows.start)..window.end.min(rows.end) {
                    let out = &mut carried[(token - rows.start) * width..][..width];
                    for (place, neighbour) in neighbours(&window, token, self.size) {
                        let weights = &self.depthwise[place * width..][..width];
                        let values = &hidden[neighbour * width..][..width];
                        for ((out, value), weight) in out.iter_mut().zip(values).zip(weights) {
                            *out += value * weight;
                        }
                    }
                }
            }
        });
        convolved.resize(rows.len() * half, 0.0);
        self.pointwise.forward(carried, linear, convolved, None);
        for (row, projections) in convolved.chunks_exact_mut(half).zip(projections.chunks_exact(2 * width)) {
            row.iter_mut().zip(projections).for_each(|(value, query)| *value *= query);
        }
        dense.resize(rows.len() * self.kernel.outputs(), 0.0);
        self.kernel.forward(convolved, linear, dense, None);
        linear.times.measure(Operator::Attention, 0, || {
            carried.resize(dense.len() / self.size, 0.0);
            softmax_unscaled(RowsMut::dense(dense, self.size), carried);
            for (kernel, scale) in dense.chunks_exact_mut(self.size).zip(carried) {
                kernel.iter_mut().for_each(|weight| *weight *= *scale);
            }
        });
    }
}

/// The tokens of `window` that a kernel around `token` covers, and their places in it.
fn neighbours(window: &Range<usize>, token: usize, kernel_size: usize) -> impl Iterator<Item = (usize, usize)> {
    let reach = kernel_size / 2;
    let covered = token.saturating_sub(reach).max(window.start)..(token + reach + 1).min(window.end);
    covered.map(move |neighbour| (neighbour + reach - token, neighbour))
}

/// What config.json comes to.
struct Config {
    embedding_size: usize,
    heads: Heads,
    kernel_size: usize,
    groups: usize,
    activation: Activation,
    epsilon: f32,
    type_vocab_size: usize,
}

impl Config {
    fn check(common: &Common, file: &File) -> Result<Self, LoadError> {
        let embedding_size = common.embedding_size.unwrap_or(768);
        let kernel_size = file.conv_kernel_size.unwrap_or(9);
        let groups = file.num_groups.unwrap_or(1);
        let ratio = file.head_ratio.unwrap_or(2);
        common.check()?;
        positive(&[("embedding_size", embedding_size), ("head_ratio", ratio), ("num_groups", groups)])?;
        if kernel_size.is_multiple_of(2) {
            let (value, supported) = (kernel_size.to_string(), "odd numbers".to_owned());
            return Err(LoadError::Unsupported { key: "conv_kernel_size", value, supported });
        }
        let count = (common.num_attention_heads / ratio).max(1);
        if !common.hidden_size.is_multiple_of(2 * count) {
            return Err(LoadError::Inconsistent(format!(
                "hidden_size {} can't be shared out over {count} heads that attend and as many that convolve",
                common.hidden_size
            )));
        }
        if !common.hidden_size.is_multiple_of(groups) || !common.intermediate_size.is_multiple_of(groups) {
            return Err(LoadError::Inconsistent(format!(
                "hidden_size {} and intermediate_size {} are not both multiples of num_groups {groups}",
                common.hidden_size, common.intermediate_size
            )));
        }
        Ok(Self {
            embedding_size,
            heads: Heads { count, size: common.hidden_size / count / 2 },
            kernel_size,
            groups,
            activation: common.activation("gelu")?,
            epsilon: common.layer_norm_eps.unwrap_or(1e-12),
            type_vocab_size: common.type_vocab_size.unwrap_or(2).max(1),
        })
    }
}

struct ConvBertLoader<'a> {
    common: &'a Common,
    config: &'a Config,
    loader: Loader<'a>,
}

impl ConvBertLoader<'_> {
    fn embeddings(&self) -> Result<Embeddings, LoadError> {
        let (size, tensors) = (self.config.embedding_size, self.loader.tensors);
        let table = |name: &str, rows: usize| tensors.get(&format!("convbert.embeddings.{name}.weight"), &[rows, size]);
        let projection = match size == self.common.hidden_size {
            true => None,
            false => {
                let part = self.loader.part("convbert.embeddings_project", self.common.hidden_size, size)?;
                Some(self.loader.linear_f32(part, Operator::Embeddings)?)
            }
        };
        Ok(Embeddings {
            words: table("word_embeddings", self.common.vocab_size)?,
            positions: Some(PositionEmbeddings {
                table: table("position_embeddings", self.common.max_position_embeddings)?.read(),
                positions: Positions::FromZero,
            }),
            token_types: Some(table("token_type_embeddings", self.config.type_vocab_size)?.read()),
            norm: Some(self.loader.norm("convbert.embeddings.LayerNorm", size, self.config.epsilon)?),
            projection,
            projects_first: false,
        })
    }

    fn layer(&self, layer: usize) -> Result<ConvBertLayer, LoadError> {
        let (hidden, intermediate) = (self.common.hidden_size, self.common.intermediate_size);
        let full = |name: &str| format!("convbert.encoder.layer.{layer}.{name}");
        let projection = |name: &str| self.loader.part(&full(&format!("attention.self.{name}")), hidden / 2, hidden);
        let query_scale = 1.0 / (self.config.heads.size as f32).sqrt();
        let projections = [
            projection("query")?.scaled(query_scale),
            projection("key")?,
            projection("value")?,
            projection("conv_out_layer")?,
        ];
        let attention_output = self.loader.part(&full("attention.output.dense"), hidden, hidden)?;
        let norm = |name: &str| self.loader.norm(&full(name), hidden, self.config.epsilon);
        Ok(ConvBertLayer {
            hidden_size: hidden,
            heads: self.config.heads,
            projections: self.loader.linear(&projections, Operator::QueryKeyValue, Spread::Symmetric)?,
            kernels: self.kernels(&full("attention.self"))?,
            attention: SelfAttention::new(self.config.heads, self.loader.precision),
            attention_output: self.loader.linear(&[attention_output], Operator::AttentionOutput, Spread::Symmetric)?,
            attention_norm: norm("attention.output.LayerNorm")?,
            feed_forward: self.loader.feed_forward(
                self.grouped(&full("intermediate.dense"), intermediate, hidden)?,
                self.config.activation,
                self.grouped(&full("output.dense"), hidden, intermediate)?,
            )?,
            output_norm: norm("output.LayerNorm")?,
        })
    }

    fn kernels(&self, prefix: &str) -> Result<Kernels, LoadError> {
        let (hidden, kernel_size, heads) = (self.common.hidden_size, self.config.kernel_size, self.config.heads);
        let tensors = self.loader.tensors;
        let scale = (heads.size as f32).sqrt();
        let read = |name: &str, shape: &[usize]| -> Result<Vec<f32>, LoadError> {
            Ok(tensors.get(&format!("{prefix}.key_conv_attn_layer.{name}"), shape)?.read())
        };
        let depthwise = read("depthwise.weight", &[hidden, 1, kernel_size])?;
        let mut pointwise = read("pointwise.weight", &[hidden / 2, hidden, 1])?;
        let mut bias = read("bias", &[hidden / 2, 1])?;
        pointwise.iter_mut().chain(&mut bias).for_each(|value| *value *= scale);
        let kernel = self.loader.part(&format!("{prefix}.conv_kernel_layer"), heads.count * kernel_size, hidden / 2)?;
        let linear = |part| self.loader.linear(&[part], Operator::QueryKeyValue, Spread::Symmetric);
        Ok(Kernels {
            size: kernel_size,
            depthwise: (0..kernel_size * hidden)
                .map(|index| depthwise[index % hidden * kernel_size + index / hidden])
                .collect(),
            pointwise: linear(Part::computed(pointwise, bias))?,
            kernel: linear(kernel)?,
        })
    }

    /// A matrix that may be made of groups, which share out inputs and outputs; between them are zeros.
    fn grouped(&self, name: &str, outputs: usize, inputs: usize) -> Result<Part, LoadError> {
        let groups = self.config.groups;
        if groups == 1 {
            return self.loader.part(name, outputs, inputs);
        }
        let (group_outputs, group_inputs) = (outputs / groups, inputs / groups);
        let shape = [groups, group_inputs, group_outputs];
        let weight = self.loader.tensors.get(&format!("{name}.weight"), &shape)?.read();
        let mut rows = vec![0.0; outputs * inputs];
        for (output, row) in rows.chunks_exact_mut(inputs).enumerate() {
            let (group, column) = (output / group_outputs, output % group_outputs);
            let own = &mut row[group * group_inputs..(group + 1) * group_inputs];
            for (input, value) in own.iter_mut().enumerate() {
                *value = weight[(group * group_inputs + input) * group_outputs + column];
            }
        }
        let bias = self.loader.vector(&format!("{name}.bias"), outputs)?;
        Ok(Part::computed(rows, bias))
    }
}
