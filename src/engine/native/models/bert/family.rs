//! What distinguishes families of models: the names of its tensors, and how tokens are numbered.

/// How the tensors of layer `{i}` are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LayerSharing {
    /// Every layer has its own.
    None,
    /// Groups of layers share one set (ALBERT): `{g}` is the group, `{i}` the layer within it.
    Groups,
}

/// Tensor names of a layer, without `.weight` and `.bias`.
#[derive(Debug)]
pub(crate) struct LayerNames {
    pub prefix: &'static str,
    pub query: &'static str,
    pub key: &'static str,
    pub value: &'static str,
    pub attention_output: &'static str,
    pub attention_norm: &'static str,
    pub intermediate: &'static str,
    pub output: &'static str,
    pub output_norm: &'static str,
}

/// A family of encoders with absolute positions and layer normalization after each residual connection.
#[derive(Debug)]
pub(crate) struct Family {
    /// `model_type` in config.json.
    pub model_types: &'static [&'static str],
    /// The name of the encoder inside the question-answering model.
    pub prefix: &'static str,
    /// Of the embeddings to the hidden size, where the two differ.
    pub projection: Option<&'static str>,
    pub token_types: bool,
    /// Whether position ids begin behind that of padding.
    pub positions_after_padding: bool,
    pub sharing: LayerSharing,
    pub layer: LayerNames,
    /// What transformers assumes where config.json doesn't say.
    pub defaults: Defaults,
}

/// Values of transformers' configuration classes.
#[derive(Debug)]
pub(crate) struct Defaults {
    pub pad_token_id: u32,
    pub activation: &'static str,
    /// `None`: the hidden size.
    pub embedding_size: Option<usize>,
}

const BERT_LAYER: LayerNames = LayerNames {
    prefix: "encoder.layer.{i}",
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    attention_output: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    intermediate: "intermediate.dense",
    output: "output.dense",
    output_norm: "output.LayerNorm",
};

const BERT_DEFAULTS: Defaults = Defaults { pad_token_id: 0, activation: "gelu", embedding_size: None };

const BERT: Family = Family {
    model_types: &["bert"],
    prefix: "bert",
    projection: None,
    token_types: true,
    positions_after_padding: false,
    sharing: LayerSharing::None,
    layer: BERT_LAYER,
    defaults: BERT_DEFAULTS,
};

static FAMILIES: [Family; 5] = [
    BERT,
    Family {
        model_types: &["roberta", "xlm-roberta", "camembert"],
        prefix: "roberta",
        positions_after_padding: true,
        defaults: Defaults { pad_token_id: 1, ..BERT_DEFAULTS },
        ..BERT
    },
    Family {
        model_types: &["distilbert"],
        prefix: "distilbert",
        token_types: false,
        layer: LayerNames {
            prefix: "transformer.layer.{i}",
            query: "attention.q_lin",
            key: "attention.k_lin",
            value: "attention.v_lin",
            attention_output: "attention.out_lin",
            attention_norm: "sa_layer_norm",
            intermediate: "ffn.lin1",
            output: "ffn.lin2",
            output_norm: "output_layer_norm",
        },
        ..BERT
    },
    Family {
        model_types: &["electra"],
        prefix: "electra",
        projection: Some("embeddings_project"),
        defaults: Defaults { embedding_size: Some(128), ..BERT_DEFAULTS },
        ..BERT
    },
    Family {
        model_types: &["albert"],
        prefix: "albert",
        projection: Some("encoder.embedding_hidden_mapping_in"),
        sharing: LayerSharing::Groups,
        layer: LayerNames {
            prefix: "encoder.albert_layer_groups.{g}.albert_layers.{i}",
            query: "attention.query",
            key: "attention.key",
            value: "attention.value",
            attention_output: "attention.dense",
            attention_norm: "attention.LayerNorm",
            intermediate: "ffn",
            output: "ffn_output",
            output_norm: "full_layer_layer_norm",
        },
        defaults: Defaults { activation: "gelu_new", embedding_size: Some(128), ..BERT_DEFAULTS },
        ..BERT
    },
];

impl Family {
    /// The family of a `model_type`.
    pub(crate) fn of(model_type: &str) -> Option<&'static Self> {
        FAMILIES.iter().find(|family| family.model_types.contains(&model_type))
    }

    /// Every `model_type` that can be run.
    pub(crate) fn supported() -> Vec<&'static str> {
        FAMILIES.iter().flat_map(|family| family.model_types).copied().collect()
    }
}
