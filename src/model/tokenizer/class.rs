//! What transformers' tokenizer classes assume where the files of a folder don't say.

use super::SpecialRole;

/// A class of tokenizers, by the name that tokenizer_config.json gives it.
#[derive(Debug)]
pub(super) struct Class {
    /// Without the suffix `Fast`.
    pub name: &'static str,
    pub algorithm: Algorithm,
    /// Its special tokens, in the order of [`SpecialRole::ALL`]; empty where it has none.
    pub special_tokens: [&'static str; SpecialRole::ALL.len()],
    /// Special tokens without a role.
    pub additional_special_tokens: &'static [&'static str],
    /// How it adds special tokens to what it builds.
    pub built: Forms,
    /// How it adds them to a tokenizer.json.
    pub parsed: Forms,
    /// Whether its output has token types.
    pub token_types: bool,
}

/// What a class makes of special tokens of which only the text is given. A [`Form`] is added even if the vocabulary has
/// such a token in another one; without, a token is only added where it is missing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Forms {
    /// Of most tokens.
    pub most: Option<Form>,
    pub unk: Option<Form>,
    pub mask: Option<Form>,
}

/// How a token is found in text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    /// With the white space before it.
    pub lstrip: bool,
    /// In normalized text.
    pub normalized: bool,
}

const AS_TEXT: Forms = Forms { most: None, unk: None, mask: None };
const RAW: Option<Form> = Some(Form { lstrip: false, normalized: false });
const NORMALIZED: Option<Form> = Some(Form { lstrip: false, normalized: true });
const RAW_AFTER_SPACE: Option<Form> = Some(Form { lstrip: true, normalized: false });
const NORMALIZED_AFTER_SPACE: Option<Form> = Some(Form { lstrip: true, normalized: true });

/// How a class splits text, and with that, the files that it reads where there is no tokenizer.json.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// vocab.txt.
    WordPiece(Join),
    /// vocab.json and merges.txt.
    ByteLevelBpe(Frame),
    /// A model of SentencePiece.
    SentencePiece(Pieces),
    /// vocab.txt or a model of SentencePiece, and a dictionary of MeCab.
    Japanese,
    /// It reads nothing but tokenizer.json.
    TokenizerJson,
}

/// How classes with WordPiece join question and context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Join {
    /// `[CLS] question [SEP] context [SEP]`.
    Bert,
    /// `<s> question </s> </s> context </s>`.
    Mpnet,
    /// `[CLS] question [QUESTION] . [SEP] context [SEP]`.
    Splinter,
}

/// How classes with byte-level BPE join question and context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame {
    /// `<s> question </s> </s> context </s>`; offsets leave white space out.
    Roberta,
    /// `[CLS] question [SEP] context [SEP]`.
    Deberta,
}

/// Classes that read a model of SentencePiece, each in its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pieces {
    XlmRoberta,
    Camembert,
    Albert,
    /// Within words.
    BertJapanese,
    DebertaV2,
    BigBird,
    RemBert,
    T5,
}

const NO_TOKENS: [&str; 7] = [""; 7];
const BERT_TOKENS: [&str; 7] = ["", "", "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"];
const ROBERTA_TOKENS: [&str; 7] = ["<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"];
const ALBERT_TOKENS: [&str; 7] = ["[CLS]", "[SEP]", "<unk>", "[SEP]", "<pad>", "[CLS]", "[MASK]"];
const DEBERTA_TOKENS: [&str; 7] = ["[CLS]", "[SEP]", "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"];

const BERT: Class = Class {
    name: "BertTokenizer",
    algorithm: Algorithm::WordPiece(Join::Bert),
    special_tokens: BERT_TOKENS,
    additional_special_tokens: &[],
    built: AS_TEXT,
    parsed: AS_TEXT,
    token_types: true,
};

const ROBERTA: Class = Class {
    name: "RobertaTokenizer",
    algorithm: Algorithm::ByteLevelBpe(Frame::Roberta),
    special_tokens: ROBERTA_TOKENS,
    additional_special_tokens: &[],
    built: Forms { most: NORMALIZED, unk: NORMALIZED, mask: RAW_AFTER_SPACE },
    parsed: Forms { mask: RAW_AFTER_SPACE, ..AS_TEXT },
    token_types: false,
};

const XLM_ROBERTA: Class = Class {
    name: "XLMRobertaTokenizer",
    algorithm: Algorithm::SentencePiece(Pieces::XlmRoberta),
    built: Forms { mask: RAW_AFTER_SPACE, ..AS_TEXT },
    parsed: Forms { mask: NORMALIZED_AFTER_SPACE, ..AS_TEXT },
    ..ROBERTA
};

const ALBERT: Class = Class {
    name: "AlbertTokenizer",
    algorithm: Algorithm::SentencePiece(Pieces::Albert),
    special_tokens: ALBERT_TOKENS,
    additional_special_tokens: &[],
    built: Forms { mask: RAW_AFTER_SPACE, ..AS_TEXT },
    parsed: Forms { mask: RAW_AFTER_SPACE, ..AS_TEXT },
    token_types: true,
};

static GENERIC: Class = Class {
    name: "PreTrainedTokenizer",
    algorithm: Algorithm::TokenizerJson,
    special_tokens: NO_TOKENS,
    additional_special_tokens: &[],
    built: AS_TEXT,
    parsed: AS_TEXT,
    token_types: true,
};

static CLASSES: [Class; 22] = [
    BERT,
    Class { name: "BertJapaneseTokenizer", algorithm: Algorithm::Japanese, ..BERT },
    Class { name: "DistilBertTokenizer", token_types: false, ..BERT },
    Class { name: "ElectraTokenizer", ..BERT },
    Class { name: "MobileBertTokenizer", ..BERT },
    Class { name: "SqueezeBertTokenizer", ..BERT },
    Class { name: "ConvBertTokenizer", ..BERT },
    Class { name: "LayoutLMTokenizer", ..BERT },
    Class {
        name: "SplinterTokenizer",
        algorithm: Algorithm::WordPiece(Join::Splinter),
        additional_special_tokens: &["[QUESTION]"],
        ..BERT
    },
    Class {
        name: "MPNetTokenizer",
        algorithm: Algorithm::WordPiece(Join::Mpnet),
        special_tokens: ["<s>", "</s>", "[UNK]", "</s>", "<pad>", "<s>", "<mask>"],
        built: Forms { most: RAW, unk: RAW, mask: RAW_AFTER_SPACE },
        parsed: Forms { most: NORMALIZED, unk: NORMALIZED, mask: NORMALIZED_AFTER_SPACE },
        token_types: false,
        ..BERT
    },
    ROBERTA,
    Class { name: "LongformerTokenizer", ..ROBERTA },
    Class { name: "LukeTokenizer", additional_special_tokens: &["<ent>", "<ent2>"], ..ROBERTA },
    Class {
        name: "DebertaTokenizer",
        algorithm: Algorithm::ByteLevelBpe(Frame::Deberta),
        special_tokens: DEBERTA_TOKENS,
        built: Forms { most: RAW, unk: RAW, mask: NORMALIZED_AFTER_SPACE },
        parsed: AS_TEXT,
        token_types: true,
        ..ROBERTA
    },
    XLM_ROBERTA,
    Class { name: "MLukeTokenizer", additional_special_tokens: &["<ent>", "<ent2>"], ..XLM_ROBERTA },
    Class {
        name: "CamembertTokenizer",
        algorithm: Algorithm::SentencePiece(Pieces::Camembert),
        additional_special_tokens: &["<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"],
        parsed: Forms { mask: RAW_AFTER_SPACE, ..AS_TEXT },
        ..XLM_ROBERTA
    },
    ALBERT,
    Class {
        name: "DebertaV2Tokenizer",
        algorithm: Algorithm::SentencePiece(Pieces::DebertaV2),
        special_tokens: DEBERTA_TOKENS,
        built: Forms { unk: NORMALIZED, ..AS_TEXT },
        parsed: AS_TEXT,
        ..ALBERT
    },
    Class {
        name: "BigBirdTokenizer",
        algorithm: Algorithm::SentencePiece(Pieces::BigBird),
        special_tokens: ["<s>", "</s>", "<unk>", "[SEP]", "<pad>", "[CLS]", "[MASK]"],
        built: Forms { most: NORMALIZED, unk: NORMALIZED, mask: NORMALIZED_AFTER_SPACE },
        parsed: Forms { most: NORMALIZED, unk: NORMALIZED, mask: NORMALIZED_AFTER_SPACE },
        token_types: false,
        ..ALBERT
    },
    Class {
        name: "RemBertTokenizer",
        algorithm: Algorithm::SentencePiece(Pieces::RemBert),
        special_tokens: DEBERTA_TOKENS,
        built: Forms { mask: NORMALIZED_AFTER_SPACE, ..AS_TEXT },
        parsed: Forms { mask: NORMALIZED_AFTER_SPACE, ..AS_TEXT },
        ..ALBERT
    },
    Class {
        name: "T5Tokenizer",
        algorithm: Algorithm::SentencePiece(Pieces::T5),
        special_tokens: ["", "</s>", "<unk>", "", "<pad>", "", ""],
        built: Forms { most: RAW, unk: RAW, mask: None },
        parsed: AS_TEXT,
        token_types: false,
        ..ALBERT
    },
];

/// The class of a `model_type` of config.json, where no file names one.
const MODEL_TYPES: [(&str, &str); 29] = [
    ("albert", "AlbertTokenizer"),
    ("bert", "BertTokenizer"),
    ("big_bird", "BigBirdTokenizer"),
    ("camembert", "CamembertTokenizer"),
    ("convbert", "ConvBertTokenizer"),
    ("data2vec-text", "RobertaTokenizer"),
    ("deberta", "DebertaTokenizer"),
    ("deberta-v2", "DebertaV2Tokenizer"),
    ("distilbert", "DistilBertTokenizer"),
    ("electra", "ElectraTokenizer"),
    ("ernie", "BertTokenizer"),
    ("ibert", "RobertaTokenizer"),
    ("layoutlm", "LayoutLMTokenizer"),
    ("longformer", "LongformerTokenizer"),
    ("luke", "LukeTokenizer"),
    ("megatron-bert", "BertTokenizer"),
    ("mobilebert", "MobileBertTokenizer"),
    ("mpnet", "MPNetTokenizer"),
    ("nezha", "BertTokenizer"),
    ("nystromformer", "AlbertTokenizer"),
    ("rembert", "RemBertTokenizer"),
    ("roberta", "RobertaTokenizer"),
    ("roberta-prelayernorm", "RobertaTokenizer"),
    ("splinter", "SplinterTokenizer"),
    ("squeezebert", "SqueezeBertTokenizer"),
    ("t5", "T5Tokenizer"),
    ("xlm-roberta", "XLMRobertaTokenizer"),
    ("xlm-roberta-xl", "XLMRobertaTokenizer"),
    ("xmod", "XLMRobertaTokenizer"),
];

impl Class {
    /// The class of that name, with or without the suffix `Fast`.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        let name = name.strip_suffix("Fast").unwrap_or(name);
        CLASSES.iter().chain([&GENERIC]).find(|class| class.name == name)
    }

    /// The class that transformers takes for a `model_type`; the one without assumptions where it is not known.
    pub(super) fn of(model_type: &str) -> &'static Self {
        let known = MODEL_TYPES.iter().find(|(known, _)| *known == model_type);
        known.and_then(|(_, class)| Self::named(class)).unwrap_or(&GENERIC)
    }

    /// The class without assumptions.
    pub(super) fn generic() -> &'static Self {
        &GENERIC
    }

    /// Those that can be built without a tokenizer.json.
    pub(super) fn buildable() -> impl Iterator<Item = &'static str> {
        CLASSES.iter().map(|class| class.name)
    }
}

impl Pieces {
    /// The file that the class reads.
    pub(super) fn file(self) -> &'static str {
        match self {
            Self::XlmRoberta | Self::Camembert => "sentencepiece.bpe.model",
            Self::Albert | Self::BertJapanese | Self::BigBird | Self::T5 => "spiece.model",
            Self::DebertaV2 => "spm.model",
            Self::RemBert => "sentencepiece.model",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_type_has_a_class() {
        for (model_type, class) in MODEL_TYPES {
            assert_eq!(Class::of(model_type).name, class);
            assert_eq!(Class::named(&format!("{class}Fast")).map(|class| class.name), Some(class));
        }
        assert_eq!(Class::of("modernbert").algorithm, Algorithm::TokenizerJson);
    }
}
