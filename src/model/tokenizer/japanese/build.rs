use std::collections::HashSet;
use std::path::PathBuf;

use serde::Deserialize;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::{PostProcessorWrapper, Tokenizer};

use super::super::class::{Join, Pieces};
use super::super::config::Settings;
use super::super::fault::Fault;
use super::super::{
    SpecialRole, Splitter, TOKENIZER_CONFIG, TokenizerError, VOCAB_TXT, fault_in, sentencepiece, wordpiece,
};
use super::added::AddedTokens;
use super::mecab::{self, Dictionary, MecabPlaces};
use super::subwords::{Subwords, Vocabulary};
use super::{JapaneseTokenizer, MecabError, MecabKind, Words};

/// `mecab_kwargs` of tokenizer_config.json.
#[derive(Deserialize)]
#[serde(default)]
struct MecabArguments {
    normalize_text: bool,
    mecab_dic: Option<String>,
    mecab_option: Option<String>,
}

impl Default for MecabArguments {
    fn default() -> Self {
        Self { normalize_text: true, mecab_dic: Some("unidic_lite".to_owned()), mecab_option: None }
    }
}

/// `subword_tokenizer_type`; `None`: words are tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    WordPiece,
    Characters,
    Pieces,
}

impl Kind {
    fn of(settings: &Settings) -> Result<Option<Self>, TokenizerError> {
        if !settings.flag("do_subword_tokenize", true)? {
            return Ok(None);
        }
        match settings.option::<String>("subword_tokenizer_type")?.as_deref() {
            None | Some("wordpiece") => Ok(Some(Self::WordPiece)),
            Some("character") => Ok(Some(Self::Characters)),
            Some("sentencepiece") => Ok(Some(Self::Pieces)),
            Some(other) => Err(unsupported("subword_tokenizer_type", other)),
        }
    }
}

fn unsupported(key: &'static str, value: &str) -> TokenizerError {
    fault_in(TOKENIZER_CONFIG)(Fault::Japanese { key, value: value.to_owned() })
}

/// The file with the vocabulary.
pub(in super::super) fn vocabulary_file(settings: &Settings) -> Result<&'static str, TokenizerError> {
    Ok(if Kind::of(settings)? == Some(Kind::Pieces) { PIECES.file() } else { VOCAB_TXT })
}

const PIECES: Pieces = Pieces::BertJapanese;

/// The tokenizer of a vocabulary and tokenizer_config.json.
pub(in super::super) fn build(
    vocab: &[u8],
    settings: &Settings,
    mecab: MecabPlaces<'_>,
) -> Result<Splitter, TokenizerError> {
    let lowercase = settings.flag("do_lower_case", false)?;
    let kind = Kind::of(settings)?;
    // It has the vocabulary, the added tokens, and how the two texts are joined; it does not know MeCab's words.
    let mut plain = match kind {
        Some(Kind::Pieces) => sentencepiece::build(vocab, PIECES, settings)?,
        _ => wordpiece::build(vocab, Join::Bert, settings)?,
    };
    let arguments: MecabArguments = settings.option("mecab_kwargs")?.unwrap_or_default();
    let words = settings.option::<String>("word_tokenizer_type")?;
    let words = match (settings.flag("do_word_tokenize", true)?, words.as_deref().unwrap_or("basic")) {
        // SentencePiece's own white space and numbers, which MeCab's words don't have, are not done as there.
        (false, _) if kind == Some(Kind::Pieces) => return Err(unsupported("do_word_tokenize", "false")),
        (false, _) => Words::Whole,
        (true, "mecab") => {
            let dictionary = Box::new(arguments.open(mecab)?);
            Words::Mecab { dictionary, normalize: arguments.normalize_text }
        }
        (true, "basic") if kind == Some(Kind::WordPiece) => {
            let normalizer = BertNormalizer::new(true, false, None, lowercase);
            plain.with_normalizer(Some(normalizer)).map_err(Fault::tokenizers).map_err(fault_in(TOKENIZER_CONFIG))?;
            return Ok(Splitter::Crate(Box::new(plain)));
        }
        (true, other) => return Err(unsupported("word_tokenizer_type", other)),
    };

    let added: Vec<_> = plain.get_added_tokens_decoder().into_iter().map(|(id, token)| (token, id)).collect();
    let mut never_split: HashSet<String> = added.iter().map(|(token, _)| token.content.clone()).collect();
    never_split.extend(settings.option::<Vec<String>>("never_split")?.into_iter().flatten());
    let join = plain.get_post_processor().cloned();
    let vocab_size = plain.get_vocab_size(true);
    let vocabulary = || {
        let unknown = id(&plain, &settings.required_token(SpecialRole::Unk)?)?;
        Ok(Vocabulary::new(plain.get_vocab(true).into_iter(), unknown))
    };
    let subwords = match kind {
        Some(Kind::WordPiece) => Subwords::WordPiece(vocabulary()?),
        Some(Kind::Characters) => Subwords::Characters(vocabulary()?),
        None => Subwords::Words(vocabulary()?),
        Some(Kind::Pieces) => {
            plain.with_post_processor(None::<PostProcessorWrapper>);
            Subwords::Pieces(Box::new(plain))
        }
    };
    let added = AddedTokens::new(added);
    let tokenizer = JapaneseTokenizer { added, lowercase, never_split, words, subwords, vocab_size, join };
    Ok(Splitter::Japanese(Box::new(tokenizer)))
}

fn id(tokenizer: &Tokenizer, token: &str) -> Result<u32, TokenizerError> {
    tokenizer.token_to_id(token).ok_or_else(|| fault_in(VOCAB_TXT)(Fault::MissingToken(token.to_owned())))
}

impl MecabArguments {
    fn open(&self, places: MecabPlaces<'_>) -> Result<Dictionary, TokenizerError> {
        let kind = match &self.mecab_dic {
            None => None,
            Some(name) => Some(MecabKind::named(name).ok_or_else(|| unsupported("mecab_dic", name))?),
        };
        let own = self.folder()?;
        let open = || match (places.named, own, kind) {
            (Some(named), _, kind) => mecab::open_named(named, kind),
            (None, Some(own), _) => Dictionary::open(&own),
            (None, None, Some(kind)) => {
                mecab::find(kind, places.python_path).and_then(|folder| Dictionary::open(&folder))
            }
            (None, None, None) => Err(MecabError::Unnamed),
        };
        open().map_err(|error| TokenizerError { file: TOKENIZER_CONFIG, source: error.into() })
    }

    /// The folder that MeCab's own options name.
    fn folder(&self) -> Result<Option<PathBuf>, TokenizerError> {
        let mut folder = None;
        let mut options = self.mecab_option.as_deref().unwrap_or_default().split_whitespace();
        while let Some(option) = options.next() {
            match (option, options.next()) {
                ("-d" | "--dicdir", Some(path)) => folder = Some(path.trim_matches('"').into()),
                // A file of settings, of which the dictionary's folder is the only one that matters.
                ("-r" | "--rcfile", Some(_)) => {}
                _ => return Err(unsupported("mecab_option", option)),
            }
        }
        Ok(folder)
    }
}
