//! The table of characters in a model of SentencePiece: a trie of what is replaced, and the text to put in its place.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use tokenizers::normalizers::Precompiled;

use super::fault::Fault;

/// A normalizer as tokenizer.json has it, as far as tables matter.
#[derive(Deserialize)]
struct Normalizer {
    precompiled_charsmap: Option<String>,
    /// The parts of a sequence.
    #[serde(default)]
    normalizers: Vec<Normalizer>,
}

/// The normalizer of a table, which is looked at first: a damaged one would point outside of itself while text is
/// normalized.
pub(super) fn normalizer(table: &[u8]) -> Result<Precompiled, Fault> {
    check(table).ok_or(Fault::Charsmap)?;
    Precompiled::from(table).map_err(|_| Fault::Charsmap)
}

/// Checks the tables of a tokenizer.json, which the crate tokenizers takes for sound.
pub(super) fn check_json(json: &[u8]) -> Result<(), Fault> {
    #[derive(Deserialize)]
    struct Tokenizer {
        normalizer: Option<Normalizer>,
    }

    fn check_parts(normalizer: &Normalizer) -> Result<(), Fault> {
        if let Some(table) = &normalizer.precompiled_charsmap {
            let table = BASE64_STANDARD.decode(table).map_err(|_| Fault::Charsmap)?;
            check(&table).ok_or(Fault::Charsmap)?;
        }
        normalizer.normalizers.iter().try_for_each(check_parts)
    }

    let Tokenizer { normalizer } = serde_json::from_slice(json)?;
    normalizer.as_ref().map_or(Ok(()), check_parts)
}

/// Bytes of the longest text that a normalizer puts in the place of a character.
pub(super) fn longest_text(normalizer: &Precompiled) -> usize {
    // The table is private, but is written out.
    let written = serde_json::to_value(normalizer).and_then(serde_json::from_value::<Normalizer>);
    let table = written.ok().and_then(|written| BASE64_STANDARD.decode(written.precompiled_charsmap?).ok());
    let texts = table.as_deref().and_then(split).map_or(&[][..], |(_, texts)| texts);
    // Each ends with a zero byte.
    texts.split(|byte| *byte == 0).map(<[u8]>::len).max().unwrap_or_default()
}

/// The trie and the texts.
fn split(table: &[u8]) -> Option<(&[u8], &[u8])> {
    let (size, rest) = table.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_le_bytes(*size) as usize)
}

/// `None` if a look-up might leave the table.
fn check(table: &[u8]) -> Option<()> {
    let (trie, texts) = split(table)?;
    let texts = std::str::from_utf8(texts).ok()?;
    let (units, tail) = trie.as_chunks::<4>();
    if !tail.is_empty() || units.is_empty() {
        return None;
    }
    let units: Vec<Unit> = units.iter().map(|unit| Unit(u32::from_le_bytes(*unit))).collect();
    for (position, unit) in units.iter().enumerate() {
        if position > 0 && unit.is_value() {
            continue;
        }
        let children = position ^ unit.offset();
        // A child is this position with any of its lowest eight bits changed.
        if children | 0xFF >= units.len() {
            return None;
        }
        if unit.has_leaf() && !texts.is_char_boundary(units[children].value()) {
            return None;
        }
    }
    Some(())
}

/// A unit of a trie as darts-clone lays it out.
#[derive(Clone, Copy)]
struct Unit(u32);

impl Unit {
    /// It holds a value, not a label and the way to its children.
    fn is_value(self) -> bool {
        self.0 >> 31 == 1
    }

    fn has_leaf(self) -> bool {
        self.0 >> 8 & 1 == 1
    }

    fn value(self) -> usize {
        (self.0 & !(1 << 31)) as usize
    }

    fn offset(self) -> usize {
        ((self.0 >> 10) as usize) << ((self.0 & (1 << 9)) >> 6)
    }
}
