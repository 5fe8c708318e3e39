//! What words are cut into.

use std::collections::HashMap;

use tokenizers::Tokenizer;

use super::aligned::{Part, Span};

/// A token of the vocabulary, and what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) id: u32,
    pub(super) span: Span,
}

/// vocab.txt.
pub(super) struct Vocabulary {
    ids: HashMap<Box<str>, u32>,
    /// Those that continue a word, without their `##`.
    continuing: HashMap<Box<str>, u32>,
    unknown: u32,
    /// Of the longest token, in bytes.
    longest: usize,
}

/// How words are cut.
pub(super) enum Subwords {
    /// Into the longest tokens from the left.
    WordPiece(Vocabulary),
    /// Into characters.
    Characters(Vocabulary),
    /// Not at all.
    Words(Vocabulary),
    /// By a model of SentencePiece.
    Pieces(Box<Tokenizer>),
}

/// Longer words, in characters, are unknown.
const LONGEST_WORD: usize = 100;
const CONTINUES: &str = "##";

impl Subwords {
    /// The id of a token.
    pub(super) fn id(&self, token: &str) -> Option<u32> {
        match self {
            Self::WordPiece(vocabulary) | Self::Characters(vocabulary) | Self::Words(vocabulary) => {
                vocabulary.id(token)
            }
            Self::Pieces(tokenizer) => tokenizer.token_to_id(token),
        }
    }

    /// Adds the tokens of a word.
    ///
    /// # Errors
    /// Where SentencePiece's model lacks a token for what is unknown.
    pub(super) fn cut(&self, word: Part, tokens: &mut Vec<Token>) -> tokenizers::Result<()> {
        match self {
            Self::WordPiece(vocabulary) => split_whitespace(word).for_each(|word| vocabulary.pieces(word, tokens)),
            Self::Characters(vocabulary) => {
                // A no-op on what MeCab's words were normalized from, but words need not come from there.
                let word = word.to_aligned().nfkc();
                let mut buffer = [0; 4];
                tokens.extend(word.text.chars().zip(&word.spans).map(|(character, &span)| {
                    let id = vocabulary.id(character.encode_utf8(&mut buffer)).unwrap_or(vocabulary.unknown);
                    Token { id, span }
                }));
            }
            Self::Words(vocabulary) => {
                let id = vocabulary.id(word.text).unwrap_or(vocabulary.unknown);
                tokens.push(Token { id, span: word.span(0, word.spans.len()) });
            }
            Self::Pieces(tokenizer) => {
                let pieces = tokenizer.encode_char_offsets(word.text, false)?;
                tokens.extend(pieces.get_ids().iter().zip(pieces.get_offsets()).map(|(&id, &(start, end))| {
                    // The mark of a beginning stands for nothing by itself: it goes with what it marks.
                    let start = start.min(word.spans.len() - 1);
                    Token { id, span: word.span(start, end.max(start + 1)) }
                }));
            }
        }
        Ok(())
    }
}

impl Vocabulary {
    pub(super) fn new(tokens: impl Iterator<Item = (String, u32)>, unknown: u32) -> Self {
        let ids: HashMap<Box<str>, u32> = tokens.map(|(token, id)| (token.into(), id)).collect();
        let continuing =
            ids.iter().filter_map(|(token, id)| Some((token.strip_prefix(CONTINUES)?.into(), *id))).collect();
        let longest = ids.keys().map(|token| token.len()).max().unwrap_or_default();
        Self { ids, continuing, unknown, longest }
    }

    fn id(&self, token: &str) -> Option<u32> {
        self.ids.get(token).copied()
    }

    fn pieces(&self, word: Part, tokens: &mut Vec<Token>) {
        let before = tokens.len();
        let known = word.spans.len() <= LONGEST_WORD && self.known_pieces(word, tokens);
        if !known {
            tokens.truncate(before);
            tokens.push(Token { id: self.unknown, span: word.span(0, word.spans.len()) });
        }
    }

    /// Whether the word has pieces that are all known.
    fn known_pieces(&self, word: Part, tokens: &mut Vec<Token>) -> bool {
        let (mut rest, mut first) = (word.text, 0);
        while !rest.is_empty() {
            let ids = if first == 0 { &self.ids } else { &self.continuing };
            let ends = rest.char_indices().map(|(start, character)| start + character.len_utf8());
            let ends: Vec<usize> = ends.take_while(|end| *end <= self.longest).collect();
            let piece = ends.iter().rposition(|end| ids.contains_key(&rest[..*end]));
            let Some(piece) = piece else { return false };
            let last = first + piece + 1;
            tokens.push(Token { id: ids[&rest[..ends[piece]]], span: word.span(first, last) });
            (rest, first) = (&rest[ends[piece]..], last);
        }
        true
    }
}

/// The parts of a word between white space.
fn split_whitespace(word: Part) -> impl Iterator<Item = Part> {
    let Part { mut text, mut spans } = word;
    std::iter::from_fn(move || {
        let start = text.find(|character| !is_space(character))?;
        let skipped = text[..start].chars().count();
        let rest = &text[start..];
        let end = rest.find(is_space).unwrap_or(rest.len());
        let length = rest[..end].chars().count();
        let part = Part { text: &rest[..end], spans: &spans[skipped..skipped + length] };
        (text, spans) = (&rest[end..], &spans[skipped + length..]);
        Some(part)
    })
}

/// White space as Python has it: with the separators of ASCII.
fn is_space(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{1c}'..='\u{1f}')
}
