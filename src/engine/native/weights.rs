//! The weights of a network, converted and packed for the kernels.

use std::collections::HashMap;

use rayon::prelude::*;

use super::config::{Config, LayerWeights};
use super::profile::{Operator, OperatorTimes};
use super::tensors::{Tensor, Tensors};
use super::{LoadError, Precision};
use bertqa_kernels::{
    Activation, Bf16, Int8Panels, LayerNorm, PANEL, PanelRow, Panels, QuantizedRows, Rows, RowsMut, Spread, gemm,
    gemm_bf16, gemm_int8,
};

/// `y = x · Wᵀ + b`
#[derive(Debug)]
pub struct Linear {
    inputs: usize,
    outputs: usize,
    weight: Matrix,
    bias: Vec<PanelRow>,
}

#[derive(Debug)]
enum Matrix {
    F32(Panels),
    /// Pairs of weights of neighbouring inputs.
    Bf16(Panels<[Bf16; 2]>),
    Int8 {
        weight: Int8Panels,
        /// What inputs are multiplied by, and the weights were divided by.
        input_weights: Vec<f32>,
    },
}

impl Linear {
    /// `output = activation(input · Wᵀ + b)`, row by row; both without gaps.
    pub fn forward(
        &self,
        operator: Operator,
        input: &[f32],
        buffers: &mut LinearBuffers,
        output: &mut [f32],
        activation: Option<Activation>,
    ) {
        let LinearBuffers { quantized, rounded, spending } = buffers;
        let pairs = input.as_chunks::<2>().0;
        let input = Rows::dense(input, self.inputs);
        let output = RowsMut::dense(output, self.outputs);
        let spread = if operator == Operator::Output { Spread::Skewed } else { Spread::Symmetric };
        let operations = 2 * input.rows() * self.inputs * self.outputs;
        match &self.weight {
            Matrix::F32(weight) => {
                spending.measure(operator, operations, || gemm(output, input, weight, Some(&self.bias), activation));
            }
            Matrix::Bf16(weight) => {
                let pairs = Rows::dense(pairs, self.inputs / 2);
                spending.measure(operator, operations, || {
                    gemm_bf16(output, pairs, rounded, weight, Some(&self.bias), activation);
                });
            }
            Matrix::Int8 { weight, input_weights } => {
                spending.measure(Operator::Quantize, 0, || quantized.quantize_weighted(input, spread, input_weights));
                let input = quantized.rows();
                let multiply = || gemm_int8(output, input, weight, Some(&self.bias), activation);
                spending.measure(operator, operations, multiply);
            }
        }
    }
}

/// What a thread needs for [`Linear::forward`].
#[derive(Debug, Default)]
pub struct LinearBuffers {
    quantized: QuantizedRows,
    rounded: Vec<[Bf16; 2]>,
    pub spending: OperatorTimes,
}

#[derive(Debug)]
pub struct Embeddings {
    /// `[vocab_size, embedding_size]`, left in the file: a window needs few of its rows.
    pub words: Tensor,
    /// `[position_embeddings, embedding_size]`
    pub positions: Vec<f32>,
    /// `[type_vocab_size, embedding_size]`
    pub token_types: Option<Vec<f32>>,
    pub norm: LayerNorm,
    /// To the hidden size, where it differs.
    pub projection: Option<Linear>,
}

#[derive(Debug)]
pub struct Layer {
    /// `[3 * hidden_size, hidden_size]`; the queries come out divided by the square root of the head size.
    pub query_key_value: Linear,
    pub attention_output: Linear,
    pub attention_norm: LayerNorm,
    pub intermediate: Linear,
    pub output: Linear,
    pub output_norm: LayerNorm,
}

#[derive(Debug)]
pub struct Weights {
    pub embeddings: Embeddings,
    layers: Vec<Layer>,
    /// Indices into `layers` in running order.
    order: Vec<usize>,
    /// `[2, hidden_size]`: start and end.
    pub head: Linear,
}

impl Weights {
    /// Reads, converts and packs the weights on the threads of the current pool.
    ///
    /// `precision` is that of the layers. The rest costs little and stays in `f32`.
    pub fn load(config: &Config, tensors: &Tensors, precision: Precision) -> Result<Self, LoadError> {
        let loader = Loader { config, tensors, precision };
        // First, so that a model without a head is distinguished from one with other names.
        let head = loader.head()?;
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
        Ok(Self { embeddings, layers, order, head })
    }

    /// The layers in running order.
    pub fn layers(&self) -> impl Iterator<Item = &Layer> {
        self.order.iter().map(|&index| &self.layers[index])
    }
}

/// One matrix of a [`Linear`] that may be made of several.
struct Part {
    weight: Tensor,
    bias: Vec<f32>,
    scale: f32,
}

struct Loader<'a> {
    config: &'a Config,
    tensors: &'a Tensors<'a>,
    precision: Precision,
}

impl Loader<'_> {
    fn head(&self) -> Result<Linear, LoadError> {
        for name in ["qa_outputs.weight", "qa_outputs.bias"] {
            if !self.tensors.contains(name) {
                return Err(LoadError::MissingHead(name.into()));
            }
        }
        let hidden = self.config.hidden_size;
        self.pack(&[self.part("qa_outputs", 2, hidden, 1.0)?], 2, hidden, Precision::F32)
    }

    fn embeddings(&self) -> Result<Embeddings, LoadError> {
        let config = self.config;
        let size = config.embedding_size;
        let table =
            |name: &str, rows: usize| self.tensors.get(&self.full(&format!("embeddings.{name}.weight")), &[rows, size]);
        let token_types = match config.family.token_types {
            true => Some(table("token_type_embeddings", config.type_vocab_size)?.read(self.tensors.file())),
            false => None,
        };
        let projection = match config.family.projection {
            Some(name)
                if self.tensors.contains(&self.full(&format!("{name}.weight"))) || size != config.hidden_size =>
            {
                let part = self.part(&self.full(name), config.hidden_size, size, 1.0)?;
                Some(self.pack(&[part], config.hidden_size, size, Precision::F32)?)
            }
            _ => None,
        };
        Ok(Embeddings {
            words: table("word_embeddings", config.vocab_size)?,
            positions: table("position_embeddings", config.position_embeddings)?.read(self.tensors.file()),
            token_types,
            norm: self.norm(&self.full("embeddings.LayerNorm"), size)?,
            projection,
        })
    }

    fn layer(&self, weights: LayerWeights) -> Result<Layer, LoadError> {
        let names = &self.config.family.layer;
        let (hidden, intermediate) = (self.config.hidden_size, self.config.intermediate_size);
        let prefix = names.prefix.replace("{g}", &weights.group.to_string()).replace("{i}", &weights.index.to_string());
        let full = |name: &str| self.full(&format!("{prefix}.{name}"));
        let linear = |name: &str, outputs, inputs| -> Result<Linear, LoadError> {
            self.pack(&[self.part(&full(name), outputs, inputs, 1.0)?], outputs, inputs, self.precision)
        };
        let query_scale = 1.0 / (self.config.head_size() as f32).sqrt();
        let query_key_value = [
            self.part(&full(names.query), hidden, hidden, query_scale)?,
            self.part(&full(names.key), hidden, hidden, 1.0)?,
            self.part(&full(names.value), hidden, hidden, 1.0)?,
        ];
        Ok(Layer {
            query_key_value: self.pack(&query_key_value, hidden, hidden, self.precision)?,
            attention_output: linear(names.attention_output, hidden, hidden)?,
            attention_norm: self.norm(&full(names.attention_norm), hidden)?,
            intermediate: linear(names.intermediate, intermediate, hidden)?,
            output: linear(names.output, hidden, intermediate)?,
            output_norm: self.norm(&full(names.output_norm), hidden)?,
        })
    }

    fn full(&self, name: &str) -> String {
        format!("{}.{name}", self.config.family.prefix)
    }

    fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, LoadError> {
        Ok(self.tensors.get(name, &[len])?.read(self.tensors.file()))
    }

    /// Layer normalizations converted from TensorFlow have other names for their two vectors.
    fn norm(&self, name: &str, len: usize) -> Result<LayerNorm, LoadError> {
        let vector = |new: &str, old: &str| {
            let old = format!("{name}.{old}");
            if self.tensors.contains(&old) {
                self.vector(&old, len)
            } else {
                self.vector(&format!("{name}.{new}"), len)
            }
        };
        Ok(LayerNorm {
            weight: vector("weight", "gamma")?,
            bias: vector("bias", "beta")?,
            epsilon: self.config.layer_norm_epsilon,
        })
    }

    fn part(&self, name: &str, outputs: usize, inputs: usize, scale: f32) -> Result<Part, LoadError> {
        let weight = self.tensors.get(&format!("{name}.weight"), &[outputs, inputs])?;
        let mut bias = self.vector(&format!("{name}.bias"), outputs)?;
        bias.iter_mut().for_each(|value| *value *= scale);
        Ok(Part { weight, bias, scale })
    }

    /// Packs `parts` of `outputs` each, one after the other.
    fn pack(&self, parts: &[Part], outputs: usize, inputs: usize, precision: Precision) -> Result<Linear, LoadError> {
        let read_row = |output: usize, row: &mut [f32]| {
            let part = &parts[output / outputs];
            part.weight.read_row(self.tensors.file(), output % outputs, row);
            if part.scale != 1.0 {
                row.iter_mut().for_each(|value| *value *= part.scale);
            }
        };
        let outputs = parts.len() * outputs;
        let weight = match precision {
            Precision::F32 => Matrix::F32(Panels::from_transposed_rows(outputs, inputs, read_row)),
            Precision::F16 => return Err(LoadError::Precision(precision)),
            // A last input without a neighbour would fall out of the pairs.
            Precision::Bf16 if inputs % 2 == 1 => return Err(LoadError::OddInputs { inputs }),
            Precision::Bf16 => {
                let read_pairs = |output: usize, pairs: &mut [[Bf16; 2]]| {
                    let mut row = vec![0.0; inputs];
                    read_row(output, &mut row);
                    for (pair, values) in pairs.iter_mut().zip(row.as_chunks::<2>().0) {
                        *pair = values.map(Bf16::from_f32);
                    }
                };
                Matrix::Bf16(Panels::from_transposed_rows(outputs, inputs / 2, read_pairs))
            }
            Precision::Int8 => {
                let input_weights = balance(outputs, inputs, read_row);
                let weight = Int8Panels::from_transposed_rows(outputs, inputs, |output, row| {
                    read_row(output, row);
                    row.iter_mut().zip(&input_weights).for_each(|(value, weight)| *value /= weight);
                });
                Matrix::Int8 { weight, input_weights }
            }
        };
        let mut bias = vec![PanelRow::default(); outputs.div_ceil(PANEL)];
        for (index, &value) in parts.iter().flat_map(|part| &part.bias).enumerate() {
            bias[index / PANEL].0[index % PANEL] = value;
        }
        Ok(Linear { inputs, outputs, weight, bias })
    }
}

/// How much of the difference in size between the weights of the inputs is moved over to the inputs: with all of it,
/// their own outliers would take the steps of the byte. A quarter gave the smallest error of the logits, of 0, 0.25,
/// 0.4, 0.5, 0.75 and 1 with the default model: a fourth less than 0.
const BALANCE: f32 = 0.25;

/// Factors for the inputs of a matrix, by which its weights are to be divided: a power of the root mean square of the
/// weights of each input.
///
/// A few inputs with large weights would leave all other weights of their outputs few of a byte's steps.
fn balance(outputs: usize, inputs: usize, read_row: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    /// Outputs summed up together. The order of all sums is fixed, so that a model is the same however often it is
    /// loaded, by any number of threads.
    const BLOCK: usize = 64;
    let blocks: Vec<Vec<f32>> = (0..outputs.div_ceil(BLOCK))
        .into_par_iter()
        .map(|block| {
            let (mut squares, mut row) = (vec![0f32; inputs], vec![0f32; inputs]);
            for output in block * BLOCK..outputs.min((block + 1) * BLOCK) {
                read_row(output, &mut row);
                squares.iter_mut().zip(&row).for_each(|(square, value)| *square += value * value);
            }
            squares
        })
        .collect();
    let mut squares = vec![0f32; inputs];
    for block in blocks {
        squares.iter_mut().zip(block).for_each(|(sum, square)| *sum += square);
    }
    let mean = squares.iter().sum::<f32>() / inputs as f32;
    squares.iter().map(|square| if *square > 0.0 { (square / mean).powf(BALANCE / 2.0) } else { 1.0 }).collect()
}
