//! What the config.json of several families has in common.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Shape;
use crate::engine::native::LoadError;
use crate::engine::native::layers::Heads;
use bertqa_kernels::Activation;

/// The keys that most families have; the aliases are DistilBERT's names, and RemBERT's.
#[derive(Deserialize)]
pub(super) struct Common {
    pub model_type: String,
    pub vocab_size: usize,
    #[serde(alias = "dim")]
    pub hidden_size: usize,
    #[serde(alias = "input_embedding_size")]
    pub embedding_size: Option<usize>,
    #[serde(alias = "hidden_dim")]
    pub intermediate_size: usize,
    #[serde(alias = "n_layers")]
    pub num_hidden_layers: usize,
    #[serde(alias = "n_heads")]
    pub num_attention_heads: usize,
    #[serde(alias = "activation")]
    pub hidden_act: Option<String>,
    pub layer_norm_eps: Option<f32>,
    pub max_position_embeddings: usize,
    pub type_vocab_size: Option<usize>,
}

/// The keys that most families have, and those of a family of its own.
pub(super) fn parse<Own: DeserializeOwned>(json: &[u8]) -> Result<(Common, Own), LoadError> {
    Ok((serde_json::from_slice(json)?, serde_json::from_slice(json)?))
}

/// More layers, positions or distances than any network has. What they make take room is asked for before a tensor
/// could show that the number is wrong.
const LAYERS: usize = 1 << 12;
pub(super) const POSITIONS: usize = 1 << 18;

/// More tokens, or numbers for one, than any network has. What is computed of two of them is no larger than a number can
/// be.
const SIZE: usize = 1 << 24;

/// More than any network has: what is normalized is of about that size, and would be divided by it.
const EPSILON: f32 = 1.0;

/// Refuses an epsilon of layer normalizations with which they would not normalize.
pub(super) fn epsilon(key: &str, value: f32) -> Result<(), LoadError> {
    // Nor is what is no number.
    if (0.0..=EPSILON).contains(&value) {
        return Ok(());
    }
    Err(LoadError::Inconsistent(format!("{key} is {value}, and can be from 0 to {EPSILON}")))
}

impl Common {
    /// Refuses sizes of 0, and numbers that no network has.
    pub(super) fn check(&self) -> Result<(), LoadError> {
        at_most(LAYERS, "num_hidden_layers", self.num_hidden_layers)?;
        at_most(POSITIONS, "max_position_embeddings", self.max_position_embeddings)?;
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("max_position_embeddings", self.max_position_embeddings),
            ("embedding_size", self.embedding_size.unwrap_or(self.hidden_size)),
        ];
        for (key, size) in sizes {
            at_most(SIZE, key, size)?;
        }
        self.layer_norm_eps.map_or(Ok(()), |value| epsilon("layer_norm_eps", value))?;
        positive(&sizes)
    }

    /// Heads that share out the hidden size.
    pub(super) fn heads(&self) -> Result<Heads, LoadError> {
        heads(("hidden_size", self.hidden_size), self.num_attention_heads)
    }

    pub(super) fn activation(&self, default: &str) -> Result<Activation, LoadError> {
        activation("hidden_act", self.hidden_act.as_deref().unwrap_or(default))
    }

    /// Of a network that has an embedding for each position.
    pub(super) fn shape(self, type_vocab_size: usize, projected_size: usize) -> Shape {
        Shape {
            model_type: self.model_type,
            vocab_size: self.vocab_size,
            type_vocab_size,
            max_seq_len: self.max_position_embeddings,
            hidden_size: self.hidden_size,
            projected_size,
        }
    }
}

/// The activation function that transformers calls `name`; `key` is the key that names it.
pub(super) fn activation(key: &'static str, name: &str) -> Result<Activation, LoadError> {
    Activation::of(name).ok_or_else(|| LoadError::Unsupported {
        key,
        value: name.into(),
        supported: Activation::names().collect::<Vec<_>>().join(", "),
    })
}

/// Refuses sizes of 0.
pub(super) fn positive(sizes: &[(&str, usize)]) -> Result<(), LoadError> {
    match sizes.iter().find(|(_, size)| *size == 0) {
        Some((name, _)) => Err(LoadError::Inconsistent(format!("{name} is 0"))),
        None => Ok(()),
    }
}

/// Refuses a number that no network has.
pub(super) fn at_most(limit: usize, key: &str, value: usize) -> Result<(), LoadError> {
    if value > limit {
        return Err(LoadError::Inconsistent(format!("{key} is {value}, and can be at most {limit}")));
    }
    Ok(())
}

/// Heads that share out a size, given with its key.
pub(super) fn heads((key, size): (&str, usize), count: usize) -> Result<Heads, LoadError> {
    if !size.is_multiple_of(count) {
        return Err(LoadError::Inconsistent(format!("{key} {size} is not a multiple of num_attention_heads {count}")));
    }
    Ok(Heads { count, size: size / count })
}
