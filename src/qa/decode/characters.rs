/// A text that can be cut at code points.
pub(super) struct Characters<'a> {
    text: &'a str,
    /// Where each code point begins, in bytes; empty for ASCII, where they are the same.
    starts: Vec<usize>,
}

impl<'a> Characters<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let starts = if text.is_ascii() { Vec::new() } else { text.char_indices().map(|(start, _)| start).collect() };
        Self { text, starts }
    }

    /// The code points from `start` to `end`; empty where that is backwards, as Python's slices are.
    pub(super) fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(self.byte(start)..self.byte(end)).unwrap_or_default()
    }

    fn byte(&self, character: usize) -> usize {
        if self.starts.is_empty() {
            character.min(self.text.len())
        } else {
            self.starts.get(character).copied().unwrap_or(self.text.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn texts_are_cut_at_code_points(text in "\\PC{1,30}", start in 0usize..32, length in 0usize..32) {
            let cut: String = text.chars().skip(start).take(length).collect();
            prop_assert_eq!(Characters::new(&text).slice(start, start + length), cut);
        }
    }
}
