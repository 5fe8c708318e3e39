use std::cmp::Ordering;

use serde::Serialize;
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// How answers are made comparable, and what they are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalization {
    /// NFKC, lower case, nothing but letters, marks and numbers; counted in characters. For languages that write no
    /// spaces.
    Ja,
    /// As SQuAD defines it: lower case, without ASCII punctuation and articles; counted in words.
    En,
}

impl Normalization {
    /// What fits most of `texts`: `Ja` for those with kana or Chinese characters.
    pub(crate) fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let (mut japanese, mut all) = (0, 0);
        for text in texts {
            all += 1;
            japanese += usize::from(is_japanese(text));
        }
        if 2 * japanese >= all && all > 0 { Self::Ja } else { Self::En }
    }

    pub(crate) fn apply(self, text: &str) -> Normalized {
        match self {
            Self::Ja => {
                let text: String = text.nfkc().collect::<String>().to_lowercase();
                Normalized { text: text.chars().filter(|&c| is_word(c) || is_mark(c)).collect(), by: self }
            }
            Self::En => {
                let text = text.to_lowercase();
                let text: String = text.chars().filter(|c| !c.is_ascii_punctuation()).collect();
                let words = without_articles(&text);
                let words: Vec<&str> = words.split(is_space).filter(|word| !word.is_empty()).collect();
                Normalized { text: words.join(" "), by: self }
            }
        }
    }

    /// What lengths are counted in.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Ja => "characters",
            Self::En => "words",
        }
    }

    /// In a few words, for people.
    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::Ja => "characters after NFKC, without case, punctuation and spaces",
            Self::En => "words as SQuAD counts them, without case, punctuation and articles",
        }
    }

    /// How long a text is, in [`unit`](Self::unit)s.
    pub(crate) fn length(self, text: &str) -> usize {
        match self {
            Self::Ja => text.chars().count(),
            Self::En => text.split_whitespace().count(),
        }
    }
}

/// A text with nothing left in it that should make no difference. Two answers match exactly if they are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Normalized {
    /// Words are joined by single spaces.
    text: String,
    by: Normalization,
}

impl Normalized {
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Characters or words, sorted.
    fn sorted_units(&self) -> Vec<&str> {
        let text = self.text.as_str();
        let mut units: Vec<&str> = match self.by {
            Normalization::Ja => text.char_indices().map(|(at, c)| &text[at..at + c.len_utf8()]).collect(),
            Normalization::En => text.split(' ').filter(|word| !word.is_empty()).collect(),
        };
        units.sort_unstable();
        units
    }

    /// Harmonic mean of precision and recall of the units that two answers have in common, 0 to 1; of empty ones,
    /// 1 if both are.
    pub(crate) fn f1(&self, other: &Self) -> f64 {
        if self == other {
            return 1.0;
        }
        let (a, b) = (self.sorted_units(), other.sorted_units());
        let common = common(&a, &b);
        if common == 0 { 0.0 } else { 2.0 * common as f64 / (a.len() + b.len()) as f64 }
    }
}

/// How many elements two sorted lists share, each as often as it stands in both.
fn common(a: &[&str], b: &[&str]) -> usize {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    let mut common = 0;
    while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
        match x.cmp(y) {
            Ordering::Less => {
                a.next();
            }
            Ordering::Greater => {
                b.next();
            }
            Ordering::Equal => {
                common += 1;
                a.next();
                b.next();
            }
        }
    }
    common
}

/// Every word `a`, `an` or `the` replaced by a space, where a word is a run of letters and numbers.
fn without_articles(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_same = is_word(first);
        let (run, after) = rest.split_at(rest.find(|c| is_word(c) != is_same).unwrap_or(rest.len()));
        out.push_str(if matches!(run, "a" | "an" | "the") { " " } else { run });
        rest = after;
    }
    out
}

/// What Python's regular expressions take for a part of a word, but for the underscore, which is punctuation.
fn is_word(c: char) -> bool {
    matches!(c.general_category_group(), GeneralCategoryGroup::Letter | GeneralCategoryGroup::Number)
}

fn is_mark(c: char) -> bool {
    c.general_category_group() == GeneralCategoryGroup::Mark
}

/// What Python splits texts at: white space, and four separators that Unicode does not count as such.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Whether a text has kana or Chinese characters.
pub(super) fn is_japanese(text: &str) -> bool {
    text.chars().any(|c| {
        matches!(c,
            '\u{3041}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{ff66}'..='\u{ff9d}'
            | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}')
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn normal(by: Normalization, text: &str) -> String {
        by.apply(text).text
    }

    fn f1(by: Normalization, a: &str, b: &str) -> f64 {
        by.apply(a).f1(&by.apply(b))
    }

    #[test]
    fn japanese() {
        let ja = |text| normal(Normalization::Ja, text);
        assert_eq!(ja("「ＡＢＣ－１２」、 ｶﾞﾗｽ①\u{3000}です。"), "abc12ガラス1です");
        // A mark that composes with nothing stays; symbols go, also those that Unicode counts as alphabetic.
        assert_eq!(ja("ん゛か\u{3099}🅰€"), "ん\u{3099}が");
        assert_eq!(ja("ΟΔΟΣ"), "οδος");
        assert_eq!(ja("、。!?"), "");
    }

    #[test]
    fn english() {
        let en = |text| normal(Normalization::En, text);
        assert_eq!(en("The  Eiffel-Tower, an icon (a.k.a. \"the Lady\")"), "eiffeltower icon aka lady");
        assert_eq!(en("a\tTHE\nAn"), "");
        assert_eq!(en("Théa the\u{2013}cat"), "théa \u{2013}cat");
        assert_eq!(en("one\u{1f}two\u{a0}three"), "one two three");
    }

    #[test]
    fn f1_by_hand() {
        let (ja, en) = (Normalization::Ja, Normalization::En);
        // 4 of 4 characters, and 4 of 6.
        assert!((f1(ja, "琵琶湖だ", "琵琶湖だよ。ね") - 0.8).abs() < 1e-12);
        // Each character as often as in both: one of two.
        assert!((f1(ja, "人人", "人") - 2.0 / 3.0).abs() < 1e-12);
        assert!((f1(en, "the tall blue tower", "blue tower") - 0.8).abs() < 1e-12);
        assert_eq!(f1(en, "tower", "the bridge"), 0.0);
        assert_eq!(f1(en, "the", ""), 1.0);
        assert_eq!(f1(ja, "", "湖"), 0.0);
    }

    #[test]
    fn the_normalization_follows_the_texts() {
        assert_eq!(Normalization::of(["富士山", "x", "ひらがな"]), Normalization::Ja);
        assert_eq!(Normalization::of(["one", "two", "三"]), Normalization::En);
        assert_eq!(Normalization::of([]), Normalization::En);
    }

    proptest! {
        #[test]
        fn f1_is_symmetric_and_1_for_equals_only(a in "[ab c]{0,8}", b in "[ab c]{0,8}") {
            for by in [Normalization::Ja, Normalization::En] {
                let (a, b) = (by.apply(&a), by.apply(&b));
                prop_assert_eq!(a.f1(&b), b.f1(&a));
                prop_assert!((0.0..=1.0).contains(&a.f1(&b)));
                prop_assert_eq!(a.f1(&b) == 1.0, a.sorted_units() == b.sorted_units());
            }
        }
    }
}
