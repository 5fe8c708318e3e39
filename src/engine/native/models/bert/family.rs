//! What distinguishes families of models: the names of its tensors, and how tokens are numbered.

/// How the tensors of layer `{i}` are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LayerSharing {
    /// Every layer has its own.
    None,
    /// Groups of layers share one set (ALBERT): `{g}` is the group, `{i}` the layer within it.
    Groups,
}

/// How a family tells positions apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PositionKind {
    /// Embeddings of absolute positions, from 0; or those of distances, where config.json says so.
    FromZero,
    /// The same, where absolute positions begin behind that of padding: this token, or else that of config.json.
    AfterPadding { pad_token_id: Option<u32> },
    /// Rotation of queries and keys (RoFormer).
    Rotary,
    /// Sinusoids of clipped distances, for keys and values (NEZHA).
    Sinusoids,
}

/// Which tokens a token attends to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AttentionKind {
    /// All of its window.
    All,
    /// Near ones and the question; a token of the question, all of its window (Longformer).
    NearAndQuestion,
    /// All of its window, if that is short, else near blocks, the first and the last (BigBird).
    Blocks,
}

/// Where normalization stands.
#[derive(Debug)]
pub(crate) enum NormPlace {
    /// After each residual connection.
    After,
    /// Before each part of a layer, and once more after the last layer, by this name.
    Before { last: &'static str },
}

/// What finds start and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeadKind {
    /// A matrix of two outputs.
    Linear,
    /// Splinter's, which compares each token with the question's mask.
    QuestionAware,
    /// BigBird's: a feed-forward part before the matrix.
    FeedForward,
}

/// Tensor names of a layer, without `.weight` and `.bias`.
#[derive(Debug)]
pub(crate) struct LayerNames {
    pub prefix: &'static str,
    pub query: &'static str,
    pub key: &'static str,
    pub value: &'static str,
    /// Embeddings of distances, where attention has them.
    pub distance: &'static str,
    pub attention_output: &'static str,
    pub attention_norm: &'static str,
    pub intermediate: &'static str,
    pub output: &'static str,
    pub output_norm: &'static str,
}

/// A family of encoders of self-attention and plain feed-forward parts.
#[derive(Debug)]
pub(crate) struct Family {
    /// `model_type` in config.json.
    pub model_types: &'static [&'static str],
    /// What is run of it, for people.
    pub notes: &'static str,
    /// The name of the encoder inside the question-answering model.
    pub prefix: &'static str,
    /// Of the embeddings to the hidden size, where the two differ.
    pub projection: Option<&'static str>,
    pub token_types: bool,
    /// Whether the network finds them itself, by the first separator, whatever the tokenizer says.
    pub types_by_separator: bool,
    /// Normalization of the embeddings, where they have one.
    pub embedding_norm: Option<&'static str>,
    pub positions: PositionKind,
    /// What attention adds to the scores by distance, in all layers the same.
    pub position_bias: Option<&'static str>,
    pub attention: AttentionKind,
    pub norm: NormPlace,
    pub sharing: LayerSharing,
    pub layer: LayerNames,
    pub head: HeadKind,
    /// What transformers assumes where config.json doesn't say.
    pub defaults: Defaults,
}

/// Values of transformers' configuration classes.
#[derive(Debug)]
pub(crate) struct Defaults {
    pub pad_token_id: u32,
    pub sep_token_id: u32,
    pub activation: &'static str,
    /// `None`: the hidden size.
    pub embedding_size: Option<usize>,
    pub type_vocab_size: usize,
    pub layer_norm_epsilon: f32,
}

const BERT_LAYER: LayerNames = LayerNames {
    prefix: "encoder.layer.{i}",
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    distance: "attention.self.distance_embedding",
    attention_output: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    intermediate: "intermediate.dense",
    output: "output.dense",
    output_norm: "output.LayerNorm",
};

const BERT_DEFAULTS: Defaults = Defaults {
    pad_token_id: 0,
    sep_token_id: 102,
    activation: "gelu",
    embedding_size: None,
    type_vocab_size: 2,
    layer_norm_epsilon: 1e-12,
};

const BERT: Family = Family {
    model_types: &["bert"],
    notes: "BERT in any language; Japanese BERT with the words of MeCab",
    prefix: "bert",
    projection: None,
    token_types: true,
    types_by_separator: false,
    embedding_norm: Some("embeddings.LayerNorm"),
    positions: PositionKind::FromZero,
    position_bias: None,
    attention: AttentionKind::All,
    norm: NormPlace::After,
    sharing: LayerSharing::None,
    layer: BERT_LAYER,
    head: HeadKind::Linear,
    defaults: BERT_DEFAULTS,
};

const ROBERTA_DEFAULTS: Defaults = Defaults { pad_token_id: 1, sep_token_id: 2, ..BERT_DEFAULTS };

const ROBERTA: Family = Family {
    model_types: &["roberta", "xlm-roberta", "camembert"],
    notes: "RoBERTa and what is trained as it",
    prefix: "roberta",
    positions: PositionKind::AfterPadding { pad_token_id: None },
    defaults: ROBERTA_DEFAULTS,
    ..BERT
};

static FAMILIES: [Family; 19] = [
    BERT,
    ROBERTA,
    Family {
        model_types: &["distilbert"],
        notes: "half of BERT, without token types",
        prefix: "distilbert",
        token_types: false,
        layer: LayerNames {
            prefix: "transformer.layer.{i}",
            query: "attention.q_lin",
            key: "attention.k_lin",
            value: "attention.v_lin",
            distance: "attention.distance_embedding",
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
        notes: "the discriminator",
        prefix: "electra",
        projection: Some("embeddings_project"),
        defaults: Defaults { embedding_size: Some(128), ..BERT_DEFAULTS },
        ..BERT
    },
    Family {
        model_types: &["albert"],
        notes: "one set of weights for all layers, or one a group",
        prefix: "albert",
        projection: Some("encoder.embedding_hidden_mapping_in"),
        sharing: LayerSharing::Groups,
        layer: LayerNames {
            prefix: "encoder.albert_layer_groups.{g}.albert_layers.{i}",
            query: "attention.query",
            key: "attention.key",
            value: "attention.value",
            distance: "attention.distance_embedding",
            attention_output: "attention.dense",
            attention_norm: "attention.LayerNorm",
            intermediate: "ffn",
            output: "ffn_output",
            output_norm: "full_layer_layer_norm",
        },
        defaults: Defaults { activation: "gelu_new", embedding_size: Some(128), ..BERT_DEFAULTS },
        ..BERT
    },
    Family { model_types: &["ernie"], notes: "1.0 to 3.0, with task types or without", prefix: "ernie", ..BERT },
    Family { model_types: &["ibert"], notes: "in floats, without `quant_mode`", prefix: "ibert", ..ROBERTA },
    Family { model_types: &["data2vec-text"], notes: "text only", prefix: "data2vec_text", ..ROBERTA },
    // Its entities, which need annotated text, are left out.
    Family { model_types: &["luke"], notes: "without entities: the text alone", prefix: "luke", ..ROBERTA },
    Family {
        model_types: &["roberta-prelayernorm"],
        notes: "normalization before each part of a layer",
        prefix: "roberta_prelayernorm",
        norm: NormPlace::Before { last: "LayerNorm" },
        layer: LayerNames {
            attention_norm: "attention.LayerNorm",
            output_norm: "intermediate.LayerNorm",
            ..BERT_LAYER
        },
        ..ROBERTA
    },
    Family {
        model_types: &["xlm-roberta-xl"],
        notes: "normalization before each part of a layer",
        embedding_norm: None,
        norm: NormPlace::Before { last: "encoder.LayerNorm" },
        layer: LayerNames { attention_norm: "attention.self_attn_layer_norm", output_norm: "LayerNorm", ..BERT_LAYER },
        defaults: Defaults { type_vocab_size: 1, layer_norm_epsilon: 1e-5, ..ROBERTA_DEFAULTS },
        ..ROBERTA
    },
    Family {
        model_types: &["megatron-bert"],
        notes: "normalization before each part of a layer",
        embedding_norm: None,
        norm: NormPlace::Before { last: "encoder.ln" },
        layer: LayerNames { attention_norm: "attention.ln", output_norm: "ln", ..BERT_LAYER },
        ..BERT
    },
    Family {
        model_types: &["rembert"],
        notes: "embeddings of another width than layers",
        prefix: "rembert",
        projection: Some("encoder.embedding_hidden_mapping_in"),
        defaults: Defaults { embedding_size: Some(256), ..BERT_DEFAULTS },
        ..BERT
    },
    Family {
        model_types: &["nezha"],
        notes: "relative positions, as keys and values",
        prefix: "nezha",
        positions: PositionKind::Sinusoids,
        ..BERT
    },
    Family {
        model_types: &["mpnet"],
        notes: "relative positions, which add to the scores",
        prefix: "mpnet",
        token_types: false,
        positions: PositionKind::AfterPadding { pad_token_id: Some(1) },
        position_bias: Some("encoder.relative_attention_bias"),
        layer: LayerNames {
            query: "attention.attn.q",
            key: "attention.attn.k",
            value: "attention.attn.v",
            attention_output: "attention.attn.o",
            attention_norm: "attention.LayerNorm",
            ..BERT_LAYER
        },
        ..ROBERTA
    },
    Family {
        model_types: &["roformer"],
        notes: "rotary positions",
        prefix: "roformer",
        projection: Some("embeddings_project"),
        positions: PositionKind::Rotary,
        ..BERT
    },
    Family {
        model_types: &["longformer"],
        notes: "near tokens and the question; windows as long as its positions",
        prefix: "longformer",
        attention: AttentionKind::NearAndQuestion,
        ..ROBERTA
    },
    Family {
        model_types: &["big_bird"],
        notes: "all tokens see all in windows of up to 704 tokens, as published, and near blocks in longer ones",
        types_by_separator: true,
        attention: AttentionKind::Blocks,
        head: HeadKind::FeedForward,
        defaults: Defaults { activation: "gelu_new", sep_token_id: 66, ..BERT_DEFAULTS },
        ..BERT
    },
    Family {
        model_types: &["splinter"],
        notes: "with its own head; a model without one is refused",
        prefix: "splinter",
        head: HeadKind::QuestionAware,
        ..BERT
    },
];

impl Family {
    /// The family of a `model_type`.
    pub(crate) fn of(model_type: &str) -> Option<&'static Self> {
        FAMILIES.iter().find(|family| family.model_types.contains(&model_type))
    }

    /// All of them.
    pub(crate) fn all() -> &'static [Self] {
        &FAMILIES
    }
}
