use super::Linear;
use super::linear::{Part, pack};
use crate::engine::Precision;
use crate::engine::native::LoadError;
use crate::engine::native::profile::Operator;
use crate::engine::native::tensors::Tensors;
use bertqa_kernels::{LayerNorm, Spread};

/// Reads parts of a network by their names in the file.
#[derive(Clone, Copy)]
pub(crate) struct Loader<'a> {
    pub tensors: &'a Tensors,
    /// Of the layers. The rest costs little and stays in `f32`.
    pub precision: Precision,
}

impl Loader<'_> {
    /// The head that finds start and end: `[2, hidden_size]`.
    pub(crate) fn head(&self, hidden_size: usize) -> Result<Linear, LoadError> {
        let name = "qa_outputs";
        if !self.tensors.contains("qa_outputs.weight") {
            return Err(LoadError::MissingHead("qa_outputs.weight".into()));
        }
        let part = if self.tensors.contains("qa_outputs.bias") {
            self.part(name, 2, hidden_size, 1.0)?
        } else {
            self.part_without_bias(name, 2, hidden_size)?
        };
        pack(&[part], Operator::Head, Precision::F32, Spread::Symmetric)
    }

    /// A matrix of `outputs` and `inputs` with its bias; its input spreads as `spread` says.
    pub(crate) fn linear(
        &self,
        name: &str,
        outputs: usize,
        inputs: usize,
        operator: Operator,
        precision: Precision,
        spread: Spread,
    ) -> Result<Linear, LoadError> {
        pack(&[self.part(name, outputs, inputs, 1.0)?], operator, precision, spread)
    }

    /// Several matrices of the same input, one after the other.
    pub(crate) fn concat(&self, parts: &[Part], operator: Operator) -> Result<Linear, LoadError> {
        pack(parts, operator, self.precision, Spread::Symmetric)
    }

    /// A matrix that may be made of several parts.
    pub(crate) fn pack(
        &self,
        parts: &[Part],
        operator: Operator,
        precision: Precision,
        spread: Spread,
    ) -> Result<Linear, LoadError> {
        pack(parts, operator, precision, spread)
    }

    /// As [`part`](Self::part), of a family whose matrix has no bias.
    pub(crate) fn part_without_bias(&self, name: &str, outputs: usize, inputs: usize) -> Result<Part, LoadError> {
        let weight = self.tensors.get(&format!("{name}.weight"), &[outputs, inputs])?;
        Ok(Part { weight, first: 0, bias: vec![0.0; outputs], scale: 1.0 })
    }

    pub(crate) fn part(&self, name: &str, outputs: usize, inputs: usize, scale: f32) -> Result<Part, LoadError> {
        let weight = self.tensors.get(&format!("{name}.weight"), &[outputs, inputs])?;
        let bias = self.vector(&format!("{name}.bias"), outputs)?;
        Ok(Part { weight, first: 0, bias, scale: 1.0 }.scaled(scale))
    }

    /// A layer normalization that only scales.
    pub(crate) fn norm_without_bias(&self, name: &str, len: usize, epsilon: f32) -> Result<LayerNorm, LoadError> {
        Ok(LayerNorm { weight: self.vector(&format!("{name}.weight"), len)?, bias: vec![0.0; len], epsilon })
    }

    /// Layer normalizations converted from TensorFlow have other names for their two vectors.
    pub(crate) fn norm(&self, name: &str, len: usize, epsilon: f32) -> Result<LayerNorm, LoadError> {
        let vector = |new: &str, old: &str| {
            let old = format!("{name}.{old}");
            if self.tensors.contains(&old) {
                self.vector(&old, len)
            } else {
                self.vector(&format!("{name}.{new}"), len)
            }
        };
        Ok(LayerNorm { weight: vector("weight", "gamma")?, bias: vector("bias", "beta")?, epsilon })
    }

    pub(crate) fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, LoadError> {
        Ok(self.tensors.get(name, &[len])?.read())
    }
}
