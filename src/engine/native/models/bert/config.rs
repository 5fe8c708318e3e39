//! config.json of a Hugging Face folder.

use serde::Deserialize;

use super::family::{Family, LayerSharing};
use crate::engine::native::LoadError;
use crate::engine::native::layers::{Heads, Positions};
use crate::engine::native::models::Shape;
use crate::engine::native::models::config::{activation, heads, positive};
use bertqa_kernels::Activation;

/// Shape of a network, every value checked.
#[derive(Debug)]
pub(super) struct Config {
    pub family: &'static Family,
    /// As config.json has it, for messages.
    pub model_type: String,
    pub vocab_size: usize,
    pub embedding_size: usize,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub heads: Heads,
    pub hidden_layers: usize,
    /// Groups of layers that share weights, and sets of weights in each; 1 and 1 where nothing is shared.
    pub hidden_groups: usize,
    pub inner_groups: usize,
    pub activation: Activation,
    pub layer_norm_epsilon: f32,
    /// Rows of the position embeddings.
    pub position_embeddings: usize,
    pub type_vocab_size: usize,
    pub pad_token_id: u32,
}

/// A set of layer weights in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct LayerWeights {
    /// 0 where nothing is shared.
    pub group: usize,
    pub index: usize,
}

/// config.json as it is written; the aliases are DistilBERT's names.
#[derive(Deserialize)]
struct File {
    model_type: String,
    vocab_size: usize,
    #[serde(alias = "dim")]
    hidden_size: usize,
    embedding_size: Option<usize>,
    #[serde(alias = "hidden_dim")]
    intermediate_size: usize,
    #[serde(alias = "n_layers")]
    num_hidden_layers: usize,
    #[serde(alias = "n_heads")]
    num_attention_heads: usize,
    num_hidden_groups: Option<usize>,
    inner_group_num: Option<usize>,
    #[serde(alias = "activation")]
    hidden_act: Option<String>,
    layer_norm_eps: Option<f32>,
    max_position_embeddings: usize,
    position_embedding_type: Option<String>,
    type_vocab_size: Option<usize>,
    pad_token_id: Option<u32>,
}

impl Config {
    /// Reads config.json of a model of `family`.
    pub(super) fn parse(json: &[u8], family: &'static Family) -> Result<Self, LoadError> {
        Self::check(serde_json::from_slice(json)?, family)
    }

    fn check(file: File, family: &'static Family) -> Result<Self, LoadError> {
        if let Some(kind) = file.position_embedding_type
            && kind != "absolute"
        {
            return Err(LoadError::Unsupported {
                key: "position_embedding_type",
                value: kind,
                supported: "absolute".into(),
            });
        }
        let activation = activation("hidden_act", file.hidden_act.as_deref().unwrap_or(family.defaults.activation))?;
        let embedding_size = match family.projection {
            Some(_) => file.embedding_size.or(family.defaults.embedding_size).unwrap_or(file.hidden_size),
            None => file.hidden_size,
        };
        positive(&[
            ("vocab_size", file.vocab_size),
            ("hidden_size", file.hidden_size),
            ("embedding_size", embedding_size),
            ("intermediate_size", file.intermediate_size),
            ("num_hidden_layers", file.num_hidden_layers),
            ("num_attention_heads", file.num_attention_heads),
        ])?;
        let heads = heads(file.hidden_size, file.num_attention_heads)?;
        let (hidden_groups, inner_groups) = match family.sharing {
            LayerSharing::None => (1, 1),
            LayerSharing::Groups => (file.num_hidden_groups.unwrap_or(1), file.inner_group_num.unwrap_or(1)),
        };
        if hidden_groups == 0 || hidden_groups > file.num_hidden_layers || inner_groups == 0 {
            return Err(LoadError::Inconsistent(format!(
                "{} layers can't be shared out over {hidden_groups} groups of {inner_groups} layers",
                file.num_hidden_layers
            )));
        }
        let config = Self {
            family,
            model_type: file.model_type,
            vocab_size: file.vocab_size,
            embedding_size,
            hidden_size: file.hidden_size,
            intermediate_size: file.intermediate_size,
            heads,
            hidden_layers: file.num_hidden_layers,
            hidden_groups,
            inner_groups,
            activation,
            layer_norm_epsilon: file.layer_norm_eps.unwrap_or(1e-12),
            position_embeddings: file.max_position_embeddings,
            type_vocab_size: if family.token_types { file.type_vocab_size.unwrap_or(2).max(1) } else { 1 },
            pad_token_id: file.pad_token_id.unwrap_or(family.defaults.pad_token_id),
        };
        if config.max_seq_len() == 0 {
            return Err(LoadError::Inconsistent(format!(
                "max_position_embeddings {} leaves no position for a token",
                config.position_embeddings
            )));
        }
        Ok(config)
    }

    /// Longest window in tokens.
    pub(super) fn max_seq_len(&self) -> usize {
        self.positions().usable(self.position_embeddings)
    }

    pub(super) fn positions(&self) -> Positions {
        match self.family.positions_after_padding {
            false => Positions::FromZero,
            true => Positions::AfterPadding { pad_token_id: self.pad_token_id },
        }
    }

    pub(super) fn shape(&self) -> Shape {
        Shape {
            model_type: self.model_type.clone(),
            vocab_size: self.vocab_size,
            type_vocab_size: self.type_vocab_size,
            max_seq_len: self.max_seq_len(),
            hidden_size: self.hidden_size,
            projected_size: 3 * self.hidden_size,
        }
    }

    /// For each layer in running order, which set of weights it uses: one of its own, or one that it shares.
    pub(super) fn layers(&self) -> impl Iterator<Item = LayerWeights> {
        let per_group = self.hidden_layers as f64 / self.hidden_groups as f64;
        (0..self.hidden_layers).flat_map(move |layer| {
            (0..self.inner_groups).map(move |inner| match self.family.sharing {
                LayerSharing::None => LayerWeights { group: 0, index: layer },
                // As in transformers, each layer runs through the whole of its group.
                LayerSharing::Groups => LayerWeights { group: (layer as f64 / per_group) as usize, index: inner },
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(model_type: &str, fields: &str) -> Config {
        let json =
            format!(r#"{{"model_type": "{model_type}", "vocab_size": 9, "max_position_embeddings": 514, {fields}}}"#);
        Config::parse(json.as_bytes(), Family::of(model_type).unwrap()).unwrap()
    }

    #[test]
    fn distilbert_has_names_of_its_own() {
        let config =
            config("distilbert", r#""dim": 8, "n_heads": 2, "n_layers": 3, "hidden_dim": 16, "activation": "relu""#);
        assert_eq!((config.hidden_size, config.heads.count, config.intermediate_size), (8, 2, 16));
        assert_eq!((config.layers().count(), config.activation, config.max_seq_len()), (3, Activation::Relu, 514));
    }

    #[test]
    fn roberta_keeps_positions_for_padding() {
        let sizes = r#""hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 16"#;
        for name in ["roberta", "xlm-roberta", "camembert"] {
            let config = config(name, sizes);
            assert_eq!(
                (config.model_type.as_str(), config.family.prefix, config.max_seq_len()),
                (name, "roberta", 512)
            );
        }
    }

    #[test]
    fn albert_runs_through_its_groups() {
        let sizes = r#""hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 3, "intermediate_size": 16"#;
        let config = config("albert", &format!(r#""num_hidden_groups": 2, "inner_group_num": 2, {sizes}"#));
        let order: Vec<_> = config.layers().map(|layer| (layer.group, layer.index)).collect();
        assert_eq!(order, [(0, 0), (0, 1), (0, 0), (0, 1), (1, 0), (1, 1)]);
        assert_eq!((config.embedding_size, config.activation), (128, Activation::GeluTanh));
    }
}
