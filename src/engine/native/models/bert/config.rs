//! config.json of a Hugging Face folder.

use serde::Deserialize;

use super::family::{AttentionKind, Family, HeadKind, LayerSharing, PositionKind};
use crate::engine::native::LoadError;
use crate::engine::native::layers::{BlockSparse, Heads, Positions};
use crate::engine::native::models::Shape;
use crate::engine::native::models::config::{Common, POSITIONS, at_most, parse, positive};
use bertqa_kernels::Activation;

/// Buckets of distances of a position bias: transformers knows no other number, whatever config.json says.
pub(super) const POSITION_BUCKETS: usize = 32;

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
    pub positions: PositionUse,
    pub type_vocab_size: usize,
    /// Kinds of tasks that are told apart by embeddings: of these only the first is used.
    pub task_types: Option<usize>,
    /// Ends the question.
    pub sep_token_id: u32,
    /// How far each layer's tokens see to each side, where not the whole window.
    pub reaches: Option<Vec<usize>>,
    /// Which tokens of long windows a token sees, where not all.
    pub sparse: Option<BlockSparse>,
    /// What stands for the answer in the question, where the head looks for it.
    pub question_token_id: Option<u32>,
}

/// How the network learns of positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PositionUse {
    /// From embeddings of absolute positions.
    Absolute(Positions),
    /// In attention, from learned embeddings of distances, as keys, or as keys and queries.
    Distances { as_queries: bool },
    /// In attention, from sinusoids of distances, as keys and values.
    Sinusoids { max_distance: usize },
    /// In attention, by rotation of queries and keys, and of values or not.
    Rotary { values: bool },
}

/// A set of layer weights in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct LayerWeights {
    /// 0 where nothing is shared.
    pub group: usize,
    pub index: usize,
}

/// config.json as it is written.
#[derive(Deserialize)]
struct File {
    num_hidden_groups: Option<usize>,
    inner_group_num: Option<usize>,
    position_embedding_type: Option<String>,
    pad_token_id: Option<u32>,
    sep_token_id: Option<u32>,
    attention_window: Option<AttentionWindow>,
    attention_type: Option<String>,
    block_size: Option<usize>,
    num_random_blocks: Option<usize>,
    rescale_embeddings: Option<bool>,
    use_bias: Option<bool>,
    quant_mode: Option<bool>,
    use_task_id: Option<bool>,
    task_type_vocab_size: Option<usize>,
    question_token_id: Option<u32>,
    max_relative_position: Option<usize>,
    relative_attention_num_buckets: Option<usize>,
    rotary_value: Option<bool>,
}

/// How many tokens a token sees, half to each side: in all layers, or in each.
#[derive(Deserialize)]
#[serde(untagged)]
enum AttentionWindow {
    Same(usize),
    Each(Vec<usize>),
}

impl Config {
    /// Reads config.json of a model of `family`.
    pub(super) fn parse(json: &[u8], family: &'static Family) -> Result<Self, LoadError> {
        let (common, file) = parse(json)?;
        Self::check(common, &file, family)
    }

    fn check(common: Common, file: &File, family: &'static Family) -> Result<Self, LoadError> {
        let positions = Self::position_use(file, family)?;
        if file.quant_mode == Some(true) {
            let (value, supported) = ("true".to_owned(), "false".to_owned());
            return Err(LoadError::Unsupported { key: "quant_mode", value, supported });
        }
        if let Some(buckets) = file.relative_attention_num_buckets
            && family.position_bias.is_some()
            && buckets != POSITION_BUCKETS
        {
            return Err(LoadError::Unsupported {
                key: "relative_attention_num_buckets",
                value: buckets.to_string(),
                supported: POSITION_BUCKETS.to_string(),
            });
        }
        let activation = common.activation(family.defaults.activation)?;
        common.check()?;
        let embedding_size = match family.projection {
            Some(_) => common.embedding_size.or(family.defaults.embedding_size),
            None => None,
        };
        let heads = common.heads()?;
        if matches!(positions, PositionUse::Rotary { .. }) && heads.size % 2 == 1 {
            return Err(LoadError::Inconsistent(format!("heads of {} columns can't be rotated by pairs", heads.size)));
        }
        let (hidden_groups, inner_groups) = match family.sharing {
            LayerSharing::None => (1, 1),
            LayerSharing::Groups => (file.num_hidden_groups.unwrap_or(1), file.inner_group_num.unwrap_or(1)),
        };
        if hidden_groups == 0 || hidden_groups > common.num_hidden_layers || inner_groups == 0 {
            return Err(LoadError::Inconsistent(format!(
                "{} layers can't be shared out over {hidden_groups} groups of {inner_groups} layers",
                common.num_hidden_layers
            )));
        }
        let reaches = match family.attention {
            AttentionKind::NearAndQuestion => Some(Self::reaches(file, common.num_hidden_layers)?),
            _ => None,
        };
        let sparse = match family.attention {
            AttentionKind::Blocks => Self::block_sparse(file)?,
            _ => None,
        };
        let config = Self {
            family,
            reaches,
            sparse,
            sep_token_id: file.sep_token_id.unwrap_or(family.defaults.sep_token_id),
            model_type: common.model_type,
            vocab_size: common.vocab_size,
            embedding_size: embedding_size.unwrap_or(common.hidden_size),
            hidden_size: common.hidden_size,
            intermediate_size: common.intermediate_size,
            heads,
            hidden_layers: common.num_hidden_layers,
            hidden_groups,
            inner_groups,
            activation,
            layer_norm_epsilon: common.layer_norm_eps.unwrap_or(family.defaults.layer_norm_epsilon),
            position_embeddings: common.max_position_embeddings,
            positions,
            type_vocab_size: match family.token_types {
                true => common.type_vocab_size.unwrap_or(family.defaults.type_vocab_size).max(1),
                false => 1,
            },
            task_types: file.use_task_id.unwrap_or(false).then(|| file.task_type_vocab_size.unwrap_or(3)),
            question_token_id: match family.head {
                HeadKind::Linear | HeadKind::FeedForward => None,
                // That of the published models.
                HeadKind::QuestionAware => Some(file.question_token_id.unwrap_or(104)),
            },
        };
        if config.max_seq_len() == 0 {
            return Err(LoadError::Inconsistent(format!(
                "max_position_embeddings {} leaves no position for a token",
                config.position_embeddings
            )));
        }
        Ok(config)
    }

    fn position_use(file: &File, family: &Family) -> Result<PositionUse, LoadError> {
        let absolute = match family.positions {
            PositionKind::FromZero => Positions::FromZero,
            PositionKind::AfterPadding { pad_token_id } => Positions::AfterPadding {
                pad_token_id: pad_token_id.or(file.pad_token_id).unwrap_or(family.defaults.pad_token_id),
            },
            PositionKind::Rotary => return Ok(PositionUse::Rotary { values: file.rotary_value.unwrap_or(false) }),
            PositionKind::Sinusoids => {
                let max_distance = file.max_relative_position.unwrap_or(64);
                at_most(POSITIONS, "max_relative_position", max_distance)?;
                return Ok(PositionUse::Sinusoids { max_distance });
            }
        };
        match file.position_embedding_type.as_deref() {
            None | Some("absolute") => Ok(PositionUse::Absolute(absolute)),
            Some("relative_key") => Ok(PositionUse::Distances { as_queries: false }),
            Some("relative_key_query") => Ok(PositionUse::Distances { as_queries: true }),
            Some(kind) => Err(LoadError::Unsupported {
                key: "position_embedding_type",
                value: kind.into(),
                supported: "absolute, relative_key, relative_key_query".into(),
            }),
        }
    }

    fn reaches(file: &File, layers: usize) -> Result<Vec<usize>, LoadError> {
        let windows = match &file.attention_window {
            None => vec![512; layers],
            Some(AttentionWindow::Same(window)) => vec![*window; layers],
            Some(AttentionWindow::Each(windows)) => windows.clone(),
        };
        for window in &windows {
            at_most(POSITIONS, "attention_window", *window)?;
        }
        match windows.iter().find(|window| **window == 0 || !window.is_multiple_of(2)) {
            Some(window) => Err(LoadError::Unsupported {
                key: "attention_window",
                value: window.to_string(),
                supported: "even numbers above 0".into(),
            }),
            None if windows.len() != layers => Err(LoadError::Inconsistent(format!(
                "attention_window has {} values for {layers} layers",
                windows.len()
            ))),
            None => Ok(windows.into_iter().map(|window| window / 2).collect()),
        }
    }

    fn block_sparse(file: &File) -> Result<Option<BlockSparse>, LoadError> {
        for (key, value, wanted) in
            [("rescale_embeddings", file.rescale_embeddings, false), ("use_bias", file.use_bias, true)]
        {
            if value.unwrap_or(wanted) != wanted {
                return Err(LoadError::Unsupported {
                    key,
                    value: (!wanted).to_string(),
                    supported: wanted.to_string(),
                });
            }
        }
        match file.attention_type.as_deref().unwrap_or("block_sparse") {
            "original_full" => Ok(None),
            "block_sparse" => {
                let (size, random) = (file.block_size.unwrap_or(64), file.num_random_blocks.unwrap_or(3));
                positive(&[("block_size", size)])?;
                at_most(POSITIONS, "block_size", size)?;
                at_most(POSITIONS, "num_random_blocks", random)?;
                Ok(Some(BlockSparse { size, random, longest_full: (5 + 2 * random) * size }))
            }
            other => Err(LoadError::Unsupported {
                key: "attention_type",
                value: other.into(),
                supported: "original_full, block_sparse".into(),
            }),
        }
    }

    /// Longest window in tokens.
    pub(super) fn max_seq_len(&self) -> usize {
        match self.positions {
            PositionUse::Absolute(positions) => positions.usable(self.position_embeddings),
            _ => self.position_embeddings,
        }
    }

    /// Projections of a token: query, key and value, and where some tokens see all, another key and value for them.
    pub(super) fn projections(&self) -> usize {
        if self.reaches.is_some() { 5 } else { 3 }
    }

    pub(super) fn shape(&self) -> Shape {
        Shape {
            model_type: self.model_type.clone(),
            vocab_size: self.vocab_size,
            type_vocab_size: self.type_vocab_size,
            max_seq_len: self.max_seq_len(),
            hidden_size: self.hidden_size,
            projected_size: self.projections() * self.hidden_size,
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
