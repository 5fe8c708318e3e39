//! The tokenizer of a model, from whatever files its folder has.
//!
//! Most folders have tokenizer.json. Others have only the vocabulary that a class of transformers' tokenizers reads,
//! from which that class would build one; so is it built here. What a folder means is what transformers 4.57.1, which
//! wrote most of them, makes of it: also where tokenizer_config.json contradicts tokenizer.json.

mod added;
mod byte_level_bpe;
mod charsmap;
mod class;
mod config;
mod fault;
mod growth;
mod japanese;
mod join;
mod sentencepiece;
#[cfg(test)]
mod tests;
mod wordpiece;

use std::any::Any;
use std::borrow::Cow;
use std::cell::RefCell;

use serde::Deserialize;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::{PaddingDirection, Tokenizer, TruncationDirection};

use super::{ModelError, ModelFile, ModelPart, TokenizerError};
use crate::panic;
use crate::qa::{ContextEnd, TextOrder, WindowLayout};
use class::Algorithm;
pub(super) use config::ModelConfig;
use config::{ConfigFile, Legacy, Settings};
use fault::Fault;
use japanese::JapaneseTokenizer;
pub(super) use japanese::MecabPlaces;
pub use japanese::{MecabError, MecabKind};

/// What a file holds.
pub(super) type Bytes = Cow<'static, [u8]>;

pub(super) const TOKENIZER: &str = "tokenizer.json";
pub(super) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
const SPECIAL_TOKENS: &str = "special_tokens_map.json";
const ADDED_TOKENS: &str = "added_tokens.json";
const VOCAB_TXT: &str = "vocab.txt";
const VOCAB_JSON: &str = "vocab.json";
const MERGES: &str = "merges.txt";

/// Where files are: a folder or the hub.
pub(super) trait Files {
    /// For messages.
    fn name(&self) -> String;

    /// `None`: there is no such file.
    fn optional(&self, file: &'static str) -> Result<Option<Bytes>, ModelError>;

    fn required(&self, file: &'static str) -> Result<Bytes, ModelError>;
}

/// Files that note which of them were read.
struct Noted<'a, F> {
    files: &'a F,
    read: RefCell<Vec<ModelFile>>,
}

impl<F: Files> Files for Noted<'_, F> {
    fn name(&self) -> String {
        self.files.name()
    }

    fn optional(&self, file: &'static str) -> Result<Option<Bytes>, ModelError> {
        let found = self.files.optional(file)?;
        self.read.borrow_mut().extend(found.as_ref().map(|bytes| noted(file, bytes)));
        Ok(found)
    }

    fn required(&self, file: &'static str) -> Result<Bytes, ModelError> {
        let bytes = self.files.required(file)?;
        self.read.borrow_mut().push(noted(file, &bytes));
        Ok(bytes)
    }
}

fn noted(file: &str, bytes: &[u8]) -> ModelFile {
    ModelFile::new(file, ModelPart::Tokenizer, bytes)
}

/// The files of a tokenizer, found and read.
#[derive(Debug)]
pub(super) struct TokenizerFiles {
    settings: Settings,
    vocabulary: Vocabulary,
    read: Vec<ModelFile>,
}

#[derive(Debug)]
enum Vocabulary {
    TokenizerJson(Bytes),
    WordPiece { vocab: Bytes, join: class::Join },
    ByteLevelBpe { vocab: Bytes, merges: Bytes, frame: class::Frame },
    SentencePiece { model: Bytes, pieces: class::Pieces },
    Japanese { vocab: Bytes },
}

/// A tokenizer, and how it is used.
pub(super) struct LoadedTokenizer {
    pub tokenizer: Splitter,
    /// The text of the classifier token.
    pub cls_token: Option<String>,
    /// Whether its output has token types.
    pub token_types: bool,
    /// How question and context stand in a window.
    pub layout: WindowLayout,
}

impl LoadedTokenizer {
    /// The files of its dictionary, where it has one.
    pub(super) fn dictionary(&self) -> &[ModelFile] {
        match &self.tokenizer {
            Splitter::Crate(_) => &[],
            Splitter::Japanese(tokenizer) => tokenizer.dictionary(),
        }
    }
}

/// What splits texts.
pub(super) enum Splitter {
    /// The crate tokenizers.
    Crate(Box<Tokenizer>),
    /// What that crate has no part for.
    Japanese(Box<JapaneseTokenizer>),
}

/// A token with a role of its own, in the order in which transformers adds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SpecialRole {
    Bos,
    Eos,
    Unk,
    Sep,
    Pad,
    Cls,
    Mask,
}

impl SpecialRole {
    const ALL: [Self; 7] = [Self::Bos, Self::Eos, Self::Unk, Self::Sep, Self::Pad, Self::Cls, Self::Mask];

    /// As files name it.
    fn key(self) -> &'static str {
        match self {
            Self::Bos => "bos_token",
            Self::Eos => "eos_token",
            Self::Unk => "unk_token",
            Self::Sep => "sep_token",
            Self::Pad => "pad_token",
            Self::Cls => "cls_token",
            Self::Mask => "mask_token",
        }
    }
}

impl TokenizerFiles {
    /// Finds tokenizer.json or else what its class reads. `model` is what config.json says.
    pub(super) fn find(files: &impl Files, model: &ModelConfig) -> Result<Self, ModelError> {
        let files = &Noted { files, read: RefCell::default() };
        let failed = |source| ModelError::Tokenizer { model: files.name(), source };
        let config = ConfigFile::parse(files.optional(TOKENIZER_CONFIG)?.as_deref()).map_err(failed)?;
        let legacy = match config.needs_legacy() {
            true => {
                Legacy { special_tokens: files.optional(SPECIAL_TOKENS)?, added_tokens: files.optional(ADDED_TOKENS)? }
            }
            false => Legacy::default(),
        };
        let settings = Settings::new(config, &legacy, model).map_err(failed)?;
        let vocabulary = match (files.optional(TOKENIZER)?, settings.class().algorithm) {
            // The class reads no tokenizer.json.
            (_, Algorithm::Japanese) => {
                Vocabulary::Japanese { vocab: files.required(japanese::vocabulary_file(&settings).map_err(failed)?)? }
            }
            (Some(json), _) => Vocabulary::TokenizerJson(json),
            (None, Algorithm::WordPiece(join)) => Vocabulary::WordPiece { vocab: files.required(VOCAB_TXT)?, join },
            (None, Algorithm::ByteLevelBpe(frame)) => {
                Vocabulary::ByteLevelBpe { vocab: files.required(VOCAB_JSON)?, merges: files.required(MERGES)?, frame }
            }
            (None, Algorithm::SentencePiece(pieces)) => {
                Vocabulary::SentencePiece { model: files.required(pieces.file())?, pieces }
            }
            (None, Algorithm::TokenizerJson) => match settings.unknown_class() {
                Some(class) => return Err(failed(fault_in(TOKENIZER_CONFIG)(Fault::Class(class.to_owned())))),
                None => Vocabulary::TokenizerJson(files.required(TOKENIZER)?),
            },
        };
        Ok(Self { settings, vocabulary, read: files.read.take() })
    }

    /// Those that are read, the vocabulary last.
    pub(super) fn list(&self) -> &[ModelFile] {
        &self.read
    }

    /// The class of transformers as which they are read.
    pub(super) fn class(&self) -> &str {
        self.settings.unknown_class().unwrap_or(self.settings.class().name)
    }

    /// Those of tokenizer.json and tokenizer_config.json.
    #[cfg(feature = "bundled")]
    pub(super) fn of(tokenizer: Bytes, config: &[u8], model: &ModelConfig) -> Result<Self, TokenizerError> {
        let settings = Settings::new(ConfigFile::parse(Some(config))?, &Legacy::default(), model)?;
        let read = vec![noted(TOKENIZER_CONFIG, config), noted(TOKENIZER, &tokenizer)];
        Ok(Self { settings, vocabulary: Vocabulary::TokenizerJson(tokenizer), read })
    }

    /// Parses or builds the tokenizer.
    pub(super) fn load(&self, mecab: MecabPlaces<'_>) -> Result<LoadedTokenizer, TokenizerError> {
        let settings = &self.settings;
        let tokenizer = match &self.vocabulary {
            Vocabulary::TokenizerJson(json) => parse(json, settings)?,
            Vocabulary::WordPiece { vocab, join } => wordpiece::build(vocab, *join, settings)?,
            Vocabulary::ByteLevelBpe { vocab, merges, frame } => {
                byte_level_bpe::build(vocab, merges, *frame, settings)?
            }
            Vocabulary::SentencePiece { model, pieces } => sentencepiece::build(model, *pieces, settings)?,
            Vocabulary::Japanese { vocab } => return self.loaded(japanese::build(vocab, settings, mecab)?),
        };
        added::check(&tokenizer).map_err(fault_in(TOKENIZER))?;
        self.loaded(Splitter::Crate(Box::new(tokenizer)))
    }

    fn loaded(&self, tokenizer: Splitter) -> Result<LoadedTokenizer, TokenizerError> {
        let settings = &self.settings;
        let (cls_token, token_types) = (settings.cls_token()?, settings.token_types()?);
        let layout = layout(&tokenizer, settings)?;
        Ok(LoadedTokenizer { tokenizer, cls_token, token_types, layout })
    }
}

/// A side of a text, as files name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Side {
    Left,
    Right,
}

/// What tokenizer_config.json says, or else the padding and truncation of tokenizer.json.
fn layout(tokenizer: &Splitter, settings: &Settings) -> Result<WindowLayout, TokenizerError> {
    let parsed = match tokenizer {
        Splitter::Crate(tokenizer) => Some(tokenizer),
        Splitter::Japanese(_) => None,
    };
    let padding = parsed.and_then(|parsed| parsed.get_padding()).map(|padding| match padding.direction {
        PaddingDirection::Left => Side::Left,
        PaddingDirection::Right => Side::Right,
    });
    let truncation = parsed.and_then(|parsed| parsed.get_truncation()).map(|truncation| match truncation.direction {
        TruncationDirection::Left => Side::Left,
        TruncationDirection::Right => Side::Right,
    });
    Ok(WindowLayout {
        order: match settings.option("padding_side")?.or(padding) {
            Some(Side::Left) => TextOrder::ContextFirst,
            Some(Side::Right) | None => TextOrder::QuestionFirst,
        },
        first_window: match settings.option("truncation_side")?.or(truncation) {
            Some(Side::Left) => ContextEnd::End,
            Some(Side::Right) | None => ContextEnd::Beginning,
        },
    })
}

/// tokenizer.json, changed where tokenizer_config.json contradicts it.
fn parse(json: &[u8], settings: &Settings) -> Result<Tokenizer, TokenizerError> {
    charsmap::check_json(json).map_err(fault_in(TOKENIZER))?;
    let mut tokenizer = Tokenizer::from_bytes(json).map_err(Fault::tokenizers).map_err(fault_in(TOKENIZER))?;
    growth::check(&tokenizer).map_err(fault_in(TOKENIZER))?;
    settings.add_tokens_to_parsed(&mut tokenizer)?;
    if let Some(PreTokenizerWrapper::ByteLevel(byte_level)) = tokenizer.get_pre_tokenizer() {
        // One that is null is not obeyed.
        let add_prefix_space = match settings.is_null("add_prefix_space") {
            true => byte_level.add_prefix_space,
            false => settings.flag("add_prefix_space", false)?,
        };
        let byte_level = byte_level.add_prefix_space(add_prefix_space);
        tokenizer.with_pre_tokenizer(Some(byte_level));
    }
    match settings.class().algorithm {
        Algorithm::WordPiece(join) => wordpiece::obey(&mut tokenizer, join, settings)?,
        Algorithm::ByteLevelBpe(class::Frame::Roberta) => byte_level_bpe::obey(&mut tokenizer, settings)?,
        _ => {}
    }
    Ok(tokenizer)
}

/// Of the crate tokenizers, some of whose parts take it for granted that what they are made from is sound.
pub(super) fn panicked(panic: &(dyn Any + Send)) -> TokenizerError {
    fault_in(TOKENIZER)(Fault::Panic(panic::message(panic).to_owned()))
}

fn fault_in(file: &'static str) -> impl Fn(Fault) -> TokenizerError + Copy {
    move |fault| TokenizerError { file, source: fault.into() }
}
