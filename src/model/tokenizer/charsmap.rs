//! The table of characters in a model of SentencePiece: a trie of what is replaced, and the text to put in its place.

use tokenizers::normalizers::Precompiled;

use super::fault::Fault;

/// The normalizer of a table, which is looked at first: a damaged one would point outside of itself while text is
/// normalized.
pub(super) fn normalizer(table: &[u8]) -> Result<Precompiled, Fault> {
    check(table).ok_or(Fault::Charsmap)?;
    Precompiled::from(table).map_err(|_| Fault::Charsmap)
}

/// `None` if a look-up might leave the table.
fn check(table: &[u8]) -> Option<()> {
    let (size, rest) = table.split_first_chunk::<4>()?;
    let (trie, texts) = rest.split_at_checked(u32::from_le_bytes(*size) as usize)?;
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
