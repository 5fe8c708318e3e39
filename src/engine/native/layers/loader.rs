use super::linear::Part;
use super::{FeedForward, Linear};
use crate::engine::Precision;
use crate::engine::native::LoadError;
use crate::engine::native::profile::Operator;
use crate::engine::native::tensors::Tensors;
use bertqa_kernels::{Activation, LayerNorm, Spread};

/// Reads parts of a network by their names in the file.
#[derive(Clone, Copy)]
pub(crate) struct Loader<'a> {
    pub tensors: &'a Tensors,
    /// Of the layers. The rest costs little and stays in `f32`.
    pub precision: Precision,
}

impl Loader<'_> {
    /// The usual head, which finds start and end: `[2, hidden_size]`.
    pub(crate) fn head(&self, hidden_size: usize) -> Result<Linear, LoadError> {
        let name = "qa_outputs";
        self.require_head(name)?;
        let part = match self.tensors.contains(&format!("{name}.bias")) {
            true => self.part(name, 2, hidden_size)?,
            false => self.part_without_bias(name, 2, hidden_size)?,
        };
        self.linear_f32(part, Operator::Head)
    }

    /// Refuses a model whose head is not in the file, where `name` is the head's matrix.
    pub(crate) fn require_head(&self, name: &str) -> Result<(), LoadError> {
        let name = format!("{name}.weight");
        if self.tensors.contains(&name) { Ok(()) } else { Err(LoadError::MissingHead(name)) }
    }

    /// Matrices of the same input and shape, one after the other, in the layers' precision; the input spreads as
    /// `spread` says.
    pub(crate) fn linear(&self, parts: &[Part], operator: Operator, spread: Spread) -> Result<Linear, LoadError> {
        Linear::pack(parts, operator, self.precision, spread)
    }

    /// A matrix that costs little.
    pub(crate) fn linear_f32(&self, part: Part, operator: Operator) -> Result<Linear, LoadError> {
        Linear::pack(&[part], operator, Precision::F32, Spread::Symmetric)
    }

    /// Most of what comes from an activation is above zero.
    pub(crate) fn feed_forward(
        &self,
        intermediate: Part,
        activation: Activation,
        output: Part,
    ) -> Result<FeedForward, LoadError> {
        Ok(FeedForward {
            intermediate: self.linear(&[intermediate], Operator::Intermediate, Spread::Symmetric)?,
            activation,
            output: self.linear(&[output], Operator::Output, Spread::Skewed)?,
        })
    }

    /// A matrix with its bias.
    pub(crate) fn part(&self, name: &str, outputs: usize, inputs: usize) -> Result<Part, LoadError> {
        let weight = self.tensors.get(&format!("{name}.weight"), &[outputs, inputs])?;
        Ok(Part::stored(weight, self.vector(&format!("{name}.bias"), outputs)?))
    }

    /// A matrix that has no bias in this family.
    pub(crate) fn part_without_bias(&self, name: &str, outputs: usize, inputs: usize) -> Result<Part, LoadError> {
        let weight = self.tensors.get(&format!("{name}.weight"), &[outputs, inputs])?;
        Ok(Part::stored(weight, vec![0.0; outputs]))
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

    /// A layer normalization that only scales.
    pub(crate) fn norm_without_bias(&self, name: &str, len: usize, epsilon: f32) -> Result<LayerNorm, LoadError> {
        Ok(LayerNorm { weight: self.vector(&format!("{name}.weight"), len)?, bias: vec![0.0; len], epsilon })
    }

    pub(crate) fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, LoadError> {
        Ok(self.tensors.get(name, &[len])?.read())
    }
}
