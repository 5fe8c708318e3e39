use std::ops::Range;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, decompose_compatible};
use unicode_normalization::{IsNormalized, is_nfc_quick, is_nfkc_quick};

/// The characters of the original that a character stands for.
pub(super) type Span = (u32, u32);

/// A text made from another one, in which each character knows what it stands for in that one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Aligned {
    pub(super) text: String,
    /// One for each character.
    pub(super) spans: Vec<Span>,
}

impl Aligned {
    /// A part of the original, whose first character is its `first`.
    pub(super) fn new(text: &str, first: u32) -> Self {
        let spans = (first..).zip(text.chars()).map(|(place, _)| (place, place + 1)).collect();
        Self { text: text.to_owned(), spans }
    }

    /// Compatibility composition (NFKC). Characters that become one, or trade places, stand for all of their originals.
    pub(super) fn nfkc(self) -> Self {
        if is_nfkc_quick(self.text.chars()) == IsNormalized::Yes {
            return self;
        }
        let Self { text, spans } = self;
        let mut made = Self { text: String::with_capacity(text.len()), spans: Vec::with_capacity(spans.len()) };
        let mut parts = text.char_indices().map(|(byte, character)| (byte, stands_alone(character))).enumerate();
        let mut begin = parts.next().map(|(number, (byte, _))| (number, byte));
        let ends = parts.filter(|(_, (_, alone))| *alone).map(|(number, (byte, _))| (number, byte));
        for end in ends.chain([(spans.len(), text.len())]) {
            let Some((first, byte)) = begin.replace(end) else { break };
            made.push_nfkc(&text[byte..end.1], &spans[first..end.0]);
        }
        made
    }

    /// Adds a part that normalization keeps apart from what is around it.
    fn push_nfkc(&mut self, part: &str, spans: &[Span]) {
        if is_nfkc_quick(part.chars()) == IsNormalized::Yes {
            self.text.push_str(part);
            self.spans.extend(spans);
            return;
        }
        let (Some(first), Some(last)) = (spans.first(), spans.last()) else { return };
        for character in part.nfkc() {
            self.text.push(character);
            self.spans.push((first.0, last.1));
        }
    }

    /// Each character in lower case, whatever is around it.
    pub(super) fn lowercase(self) -> Self {
        let mut made =
            Self { text: String::with_capacity(self.text.len()), spans: Vec::with_capacity(self.spans.len()) };
        for (character, span) in self.text.chars().zip(&self.spans) {
            for lower in character.to_lowercase() {
                made.text.push(lower);
                made.spans.push(*span);
            }
        }
        made
    }

    /// Adds another text made from the same original.
    pub(super) fn append(&mut self, other: Self) {
        self.text.push_str(&other.text);
        self.spans.extend(other.spans);
    }

    /// Parts of it, given in bytes, in order and apart from each other.
    pub(super) fn parts(&self, parts: impl IntoIterator<Item = Range<usize>>) -> impl Iterator<Item = Part<'_>> {
        let (mut byte, mut number) = (0, 0);
        parts.into_iter().map(move |part| {
            number += self.text[byte..part.start].chars().count();
            let text = &self.text[part.clone()];
            let first = number;
            number += text.chars().count();
            byte = part.end;
            Part { text, spans: &self.spans[first..number] }
        })
    }

    pub(super) fn whole(&self) -> Part<'_> {
        Part { text: &self.text, spans: &self.spans }
    }
}

/// A part of an aligned text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) text: &'a str,
    /// One for each character.
    pub(super) spans: &'a [Span],
}

impl Part<'_> {
    pub(super) fn to_aligned(self) -> Aligned {
        Aligned { text: self.text.to_owned(), spans: self.spans.to_vec() }
    }

    /// What the characters `first..last` stand for.
    pub(super) fn span(&self, first: usize, last: usize) -> Span {
        // Originals come in order, but for those that traded places, which share one.
        match self.spans[first..last] {
            [start, .., end] => (start.0, end.1),
            [only] => only,
            [] => (0, 0),
        }
    }
}

/// Whether normalization treats what comes before a character apart from it: it neither joins that nor moves into it.
fn stands_alone(character: char) -> bool {
    if character.is_ascii() || matches!(character, '\u{3041}'..='\u{3096}' | '\u{4e00}'..='\u{9fff}') {
        return true;
    }
    let mut first = None;
    decompose_compatible(character, |part| {
        first.get_or_insert(part);
    });
    first.is_none_or(|first| {
        canonical_combining_class(first) == 0 && is_nfc_quick([first].into_iter()) == IsNormalized::Yes
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nfkc(text: &str) -> Aligned {
        Aligned::new(text, 0).nfkc()
    }

    #[test]
    fn characters_map_to_all_that_they_are_made_of() {
        for (text, made, spans) in [
            ("ｶﾞｽ", "ガス", [(0, 2), (2, 3)].as_slice()),
            ("５㌔だ", "5キロだ", &[(0, 1), (1, 2), (1, 2), (2, 3)]),
            ("cafe\u{301}s", "cafés", &[(0, 1), (1, 2), (2, 3), (3, 5), (5, 6)]),
            ("㍿", "株式会社", &[(0, 1); 4]),
            ("か\u{3099}", "が", &[(0, 2)]),
            ("がﾞ", "が\u{3099}", &[(0, 2), (0, 2)]),
            ("\u{1112}\u{1161}\u{11ab}", "\u{d55c}", &[(0, 3)]),
            ("\u{301}a", "\u{301}a", &[(0, 1), (1, 2)]),
            // The dot below comes before the dot above.
            ("s\u{307}\u{323}", "ṩ", &[(0, 3)]),
            ("x\u{307}\u{323}", "ẋ\u{323}", &[(0, 3), (0, 3)]),
        ] {
            assert_eq!(nfkc(text), Aligned { text: made.to_owned(), spans: spans.to_vec() }, "{text}");
        }
    }

    #[test]
    fn lower_case_can_be_longer() {
        let lower = Aligned::new("AİΣ", 4).lowercase();
        assert_eq!(lower, Aligned { text: "ai\u{307}σ".to_owned(), spans: vec![(4, 5), (5, 6), (5, 6), (6, 7)] });
    }

    proptest! {
        #[test]
        fn the_text_is_normalized_and_the_spans_cover_the_original(
            text in "[\\PCｦ-ﾟか-ご\u{300}-\u{330}\u{3099}\u{309a}\u{1100}-\u{11ff}㌀-㏿]{0,12}",
        ) {
            let made = nfkc(&text);
            prop_assert_eq!(&made.text, &text.nfkc().collect::<String>());
            prop_assert_eq!(made.spans.len(), made.text.chars().count());
            let mut covered = 0;
            for (start, end) in made.spans {
                prop_assert!(start < end && start <= covered);
                covered = covered.max(end);
            }
            prop_assert_eq!(covered as usize, text.chars().count());
        }
    }
}
