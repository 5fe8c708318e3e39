use std::str::Utf8Error;

use super::class::Class;

/// What is wrong with a file of a tokenizer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("it is not UTF-8")]
    Utf8(#[from] Utf8Error),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("it is not an object of tokens and ids")]
    Vocabulary(#[source] serde_json::Error),
    #[error("its `{key}` is not what it should be")]
    Option { key: String, source: serde_json::Error },
    #[error("the tokenizer needs a token that it has not: `{0}`")]
    NoToken(&'static str),
    #[error("it has no token `{0}`")]
    MissingToken(String),
    #[error("its normalizer leaves nothing of the added token {0:?}")]
    EmptyToken(String),
    #[error("the id {id} of `{token}` is too high")]
    Id { token: String, id: u32 },
    #[error("line {line} is not a pair of tokens")]
    Merge { line: usize },
    #[error("line {line} needs a token `{token}`, which the vocabulary has not")]
    MergeToken { line: usize, token: String },
    #[error("it is not a model of SentencePiece")]
    Protobuf(#[from] prost::DecodeError),
    #[error("it has no pieces")]
    NoPieces,
    #[error("its piece {0} is empty, or longer than any word")]
    Piece(usize),
    #[error("the score of its piece {0} is not a number")]
    Score(usize),
    #[error("it splits text in a way of its own (model_type {0}), neither unigram nor BPE")]
    ModelType(i32),
    #[error("its table of characters (precompiled_charsmap) points outside of itself")]
    Charsmap,
    #[error("its normalizer can make a text more than {most} times as long")]
    Growth { most: usize },
    #[error("its `{key}` is `{value}`, which is not supported")]
    Japanese { key: &'static str, value: String },
    #[error("{0}")]
    Tokenizers(String),
    #[error("it cannot be used: {0}")]
    Panic(String),
    #[error(
        "the class {0} is not supported without tokenizer.json; supported are {names}",
        names = Class::buildable().collect::<Vec<_>>().join(", ")
    )]
    Class(String),
}

impl Fault {
    /// An error of the crate tokenizers, which has no types.
    pub(super) fn tokenizers(error: tokenizers::Error) -> Self {
        Self::Tokenizers(error.to_string())
    }
}
