//! Japanese BERT's tokenizer (`BertJapaneseTokenizer`): the words of MeCab, cut into tokens of a vocabulary.
//!
//! As transformers 4.57.1 does it in Python, where it gives tokens and no more. Here each token also knows the
//! characters of the text that it stands for, through normalization, lower case and MeCab.

mod added;
mod aligned;
mod build;
mod mecab;
mod subwords;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::error::Error;

use tokenizers::{Encoding, PostProcessorWrapper};

use crate::model::ModelFile;
use crate::qa::Tokenize;
use added::AddedTokens;
use aligned::Aligned;
pub(super) use build::{build, vocabulary_file};
use mecab::Dictionary;
pub(crate) use mecab::MecabPlaces;
pub use mecab::{Kind as MecabKind, MecabError};
use subwords::{Subwords, Token};

/// What texts are cut into at first.
enum Words {
    /// What MeCab finds, after NFKC if that is asked for.
    Mecab { dictionary: Box<Dictionary>, normalize: bool },
    /// Nothing smaller.
    Whole,
}

/// Cuts Japanese texts into tokens.
pub(in crate::model) struct JapaneseTokenizer {
    added: AddedTokens,
    lowercase: bool,
    /// Words that keep their case.
    never_split: HashSet<String>,
    words: Words,
    subwords: Subwords,
    vocab_size: usize,
    join: Option<PostProcessorWrapper>,
}

/// The tokens of a text, and the number of the word that each is of.
#[derive(Default)]
struct Tokens {
    tokens: Vec<Token>,
    words: Vec<u32>,
    word: u32,
}

impl Tokens {
    /// Ends the word whose tokens were added last.
    fn end_word(&mut self) {
        self.words.resize(self.tokens.len(), self.word);
        self.word += 1;
    }
}

impl JapaneseTokenizer {
    /// What joins question and context.
    pub(in crate::model) fn join(&self) -> Option<PostProcessorWrapper> {
        self.join.clone()
    }

    /// The files of its dictionary, where it has one.
    pub(in crate::model) fn dictionary(&self) -> &[ModelFile] {
        match &self.words {
            Words::Mecab { dictionary, .. } => dictionary.files(),
            Words::Whole => &[],
        }
    }

    fn tokens(&self, text: &str) -> tokenizers::Result<Tokens> {
        let mut text = Aligned::new(text, 0);
        if self.lowercase {
            text = self.lowercase(&text);
        }
        let pieces = self.added.split(&text.text);
        let mut found = Tokens::default();
        let parts = text.parts(pieces.iter().map(|piece| piece.place.clone()));
        for (part, id) in parts.zip(pieces.iter().map(|piece| piece.id)) {
            match id {
                Some(id) => {
                    found.tokens.push(Token { id, span: part.span(0, part.spans.len()) });
                    found.end_word();
                }
                None => self.add_words(part.to_aligned(), &mut found)?,
            }
        }
        Ok(found)
    }

    /// All but added tokens in lower case.
    fn lowercase(&self, text: &Aligned) -> Aligned {
        let pieces = self.added.split(&text.text);
        let mut lower = Aligned::new("", 0);
        let parts = text.parts(pieces.iter().map(|piece| piece.place.clone()));
        for (part, id) in parts.zip(pieces.iter().map(|piece| piece.id)) {
            let part = part.to_aligned();
            lower.append(if id.is_some() { part } else { part.lowercase() });
        }
        lower
    }

    /// Adds the tokens of a text without added tokens.
    fn add_words(&self, text: Aligned, found: &mut Tokens) -> tokenizers::Result<()> {
        match &self.words {
            Words::Mecab { dictionary, normalize } => {
                let text = if *normalize { text.nfkc() } else { text };
                for word in text.parts(dictionary.words(&text.text)) {
                    if self.lowercase && !self.never_split.contains(word.text) {
                        let lower = word.to_aligned().lowercase();
                        self.subwords.cut(lower.whole(), &mut found.tokens)?;
                    } else {
                        self.subwords.cut(word, &mut found.tokens)?;
                    }
                    found.end_word();
                }
            }
            Words::Whole => {
                self.subwords.cut(text.whole(), &mut found.tokens)?;
                found.end_word();
            }
        }
        Ok(())
    }
}

impl Tokenize for JapaneseTokenizer {
    fn tokenize(&self, text: &str) -> Result<Encoding, Box<dyn Error + Send + Sync>> {
        let Tokens { tokens, words, .. } = self.tokens(text)?;
        let tokens = tokens.into_iter().zip(words).map(|(Token { id, span: (start, end) }, word)| {
            // Nothing reads the texts of tokens.
            (id, String::new(), (start as usize, end as usize), Some(word), 0)
        });
        Ok(tokens.collect())
    }

    fn token_to_id(&self, token: &str) -> Option<u32> {
        self.added.id(token).or_else(|| self.subwords.id(token))
    }

    fn vocab_size(&self) -> usize {
        self.vocab_size
    }
}
