use std::ops::Range;

use rayon::prelude::*;

use crate::engine::Precision;
use crate::engine::native::LoadError;
use crate::engine::native::profile::{Operator, OperatorTimes};
use crate::engine::native::tensors::Tensor;
use bertqa_kernels::{
    Activation, Bf16, Int8Panels, PANEL, PanelRow, Panels, QuantizedRows, RowBuffer, Rows, RowsMut, Spread, gemm,
    gemm_bf16, gemm_int8, grow,
};

/// `y = x · Wᵀ + b`
#[derive(Debug)]
pub(crate) struct Linear {
    inputs: usize,
    outputs: usize,
    weight: Matrix,
    bias: Vec<PanelRow>,
    /// What it counts as in the profile.
    operator: Operator,
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
        /// How inputs are quantized.
        spread: Spread,
    },
}

impl Matrix {
    /// `read_row` reads the weights of an output.
    fn pack(
        outputs: usize,
        inputs: usize,
        precision: Precision,
        spread: Spread,
        read_row: impl Fn(usize, &mut [f32]) + Sync,
    ) -> Result<Self, LoadError> {
        Ok(match precision {
            Precision::F32 => Matrix::F32(Panels::from_transposed_rows(outputs, inputs, &read_row)),
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
                let input_weights = balance(outputs, inputs, &read_row);
                let weight = Int8Panels::from_transposed_rows(outputs, inputs, |output, row| {
                    read_row(output, row);
                    row.iter_mut().zip(&input_weights).for_each(|(value, weight)| *value /= weight);
                });
                Matrix::Int8 { weight, input_weights, spread }
            }
        })
    }
}

impl Linear {
    /// `parts`, all of the same shape, one after the other; inputs spread as `spread` says.
    pub(super) fn pack(
        parts: &[Part],
        operator: Operator,
        precision: Precision,
        spread: Spread,
    ) -> Result<Self, LoadError> {
        let (outputs, inputs) = (parts[0].bias.len(), parts[0].inputs());
        let read_row = |output: usize, row: &mut [f32]| parts[output / outputs].read_row(output % outputs, row);
        let outputs = parts.len() * outputs;
        let weight = Matrix::pack(outputs, inputs, precision, spread, read_row)?;
        let bias: Vec<f32> = parts.iter().flat_map(|part| &part.bias).copied().collect();
        Ok(Self { inputs, outputs, weight, bias: pack_bias(&bias), operator })
    }

    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Whether inputs are rounded to few bits.
    pub(crate) fn is_quantized(&self) -> bool {
        matches!(self.weight, Matrix::Int8 { .. })
    }

    /// `output = activation(input · Wᵀ + b)`, row by row; both without gaps.
    pub(crate) fn forward(
        &self,
        input: &[f32],
        buffers: &mut LinearBuffers,
        output: &mut [f32],
        activation: Option<Activation>,
    ) {
        let LinearBuffers { quantized, rounded, times, .. } = buffers;
        let pairs = input.as_chunks::<2>().0;
        let input = Rows::dense(input, self.inputs);
        let output = RowsMut::dense(output, self.outputs);
        let (operator, operations) = (self.operator, 2 * input.rows() * self.inputs * self.outputs);
        match &self.weight {
            Matrix::F32(weight) => {
                times.measure(operator, operations, || gemm(output, input, weight, Some(&self.bias), activation));
            }
            Matrix::Bf16(weight) => {
                let pairs = Rows::dense(pairs, self.inputs / 2);
                times.measure(operator, operations, || {
                    gemm_bf16(output, pairs, rounded, weight, Some(&self.bias), activation);
                });
            }
            Matrix::Int8 { weight, input_weights, spread } => {
                times.measure(Operator::Quantize, 0, || quantized.quantize_weighted(input, *spread, input_weights));
                let input = quantized.rows();
                let multiply = || gemm_int8(output, input, weight, Some(&self.bias), activation);
                times.measure(operator, operations, multiply);
            }
        }
    }

    /// As [`forward`](Self::forward), of an input of so many `rows`, some of which `make` writes at a time to `input`.
    pub(crate) fn forward_made(
        &self,
        rows: usize,
        buffers: &mut LinearBuffers,
        input: &mut Vec<f32>,
        output: &mut [f32],
        mut make: impl FnMut(Range<usize>, &mut LinearBuffers, &mut [f32]),
    ) {
        let mut made = std::mem::take(&mut buffers.made);
        made.reserve(rows, self.inputs);
        grow(input, PART.min(rows) * self.inputs, 0.0);
        for first in (0..rows).step_by(PART) {
            let part = first..rows.min(first + PART);
            let input = &mut input[..part.len() * self.inputs];
            make(part.clone(), buffers, input);
            match &self.weight {
                Matrix::Int8 { input_weights, spread, .. } => buffers.times.measure(Operator::Quantize, 0, || {
                    made.quantize_part(first, Rows::dense(input, self.inputs), *spread, input_weights);
                }),
                _ => {
                    let output = &mut output[part.start * self.outputs..part.end * self.outputs];
                    self.forward(input, buffers, output, None);
                }
            }
        }
        if let Matrix::Int8 { weight, .. } = &self.weight {
            let output = RowsMut::dense(output, self.outputs);
            let operations = 2 * rows * self.inputs * self.outputs;
            let multiply = || gemm_int8(output, made.rows(), weight, Some(&self.bias), None);
            buffers.times.measure(self.operator, operations, multiply);
        }
        buffers.made = made;
    }
}

/// Rows of an input that are made at a time, so that they stay in the cache until they are quantized.
const PART: usize = 64;

/// What a thread needs for [`Linear::forward`].
#[derive(Debug, Default)]
pub(crate) struct LinearBuffers {
    quantized: QuantizedRows,
    /// Those of [`Linear::forward_made`].
    made: QuantizedRows,
    rounded: RowBuffer<[Bf16; 2]>,
    pub times: OperatorTimes,
}

/// One matrix of a [`Linear`] that may be made of several.
pub(crate) struct Part {
    weight: PartWeight,
    /// `[outputs]`
    bias: Vec<f32>,
    /// What the weight is multiplied by; the bias is already.
    scale: f32,
}

enum PartWeight {
    /// Rows of a tensor in the file, from the first of them on.
    Stored { tensor: Tensor, first: usize },
    /// `[outputs, inputs]`
    Computed(Vec<f32>),
}

impl Part {
    pub(super) fn stored(tensor: Tensor, bias: Vec<f32>) -> Self {
        Self { weight: PartWeight::Stored { tensor, first: 0 }, bias, scale: 1.0 }
    }

    /// Of rows that are not in the file as they are needed, `[outputs, inputs]`.
    pub(crate) fn computed(rows: Vec<f32>, bias: Vec<f32>) -> Self {
        Self { weight: PartWeight::Computed(rows), bias, scale: 1.0 }
    }

    /// A matrix that the file has in one with others, `COUNT` of the same shape.
    pub(crate) fn split<const COUNT: usize>(self) -> [Self; COUNT] {
        let outputs = self.bias.len() / COUNT;
        std::array::from_fn(|part| Self {
            weight: match &self.weight {
                PartWeight::Stored { tensor, first } => {
                    PartWeight::Stored { tensor: tensor.clone(), first: first + part * outputs }
                }
                PartWeight::Computed(rows) => {
                    let len = rows.len() / COUNT;
                    PartWeight::Computed(rows[part * len..(part + 1) * len].to_vec())
                }
            },
            bias: self.bias[part * outputs..(part + 1) * outputs].to_vec(),
            scale: self.scale,
        })
    }

    /// The matrix and its bias times `scale`.
    pub(crate) fn scaled(mut self, scale: f32) -> Self {
        self.bias.iter_mut().for_each(|value| *value *= scale);
        Self { scale: self.scale * scale, ..self }
    }

    fn inputs(&self) -> usize {
        match &self.weight {
            PartWeight::Stored { tensor, .. } => tensor.cols(),
            PartWeight::Computed(rows) => rows.len() / self.bias.len(),
        }
    }

    fn read_row(&self, output: usize, row: &mut [f32]) {
        match &self.weight {
            PartWeight::Stored { tensor, first } => tensor.read_row(first + output, row),
            PartWeight::Computed(rows) => row.copy_from_slice(&rows[output * row.len()..][..row.len()]),
        }
        if self.scale != 1.0 {
            row.iter_mut().for_each(|value| *value *= self.scale);
        }
    }
}

fn pack_bias(bias: &[f32]) -> Vec<PanelRow> {
    let mut packed = vec![PanelRow::default(); bias.len().div_ceil(PANEL)];
    for (index, &value) in bias.iter().enumerate() {
        packed[index / PANEL].0[index % PANEL] = value;
    }
    packed
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
    squares.iter().map(|square| if *square > 0.0 { libm::powf(square / mean, BALANCE / 2.0) } else { 1.0 }).collect()
}
