use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

/// A text, or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Texts {
    One(String),
    Many(Vec<String>),
}

impl Texts {
    /// The texts as `count` ones: one text goes with all of the other side.
    pub(super) fn repeated(self, count: usize) -> Vec<String> {
        match self {
            Self::One(text) => vec![text; count],
            Self::Many(texts) => texts,
        }
    }

    pub(super) fn many(&self) -> Option<usize> {
        match self {
            Self::One(_) => None,
            Self::Many(texts) => Some(texts.len()),
        }
    }

    /// Bytes of the texts as `count` ones.
    pub(super) fn bytes(&self, count: usize) -> usize {
        match self {
            Self::One(text) => text.len().saturating_mul(count),
            Self::Many(texts) => texts.iter().map(String::len).sum(),
        }
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextsVisitor;

        impl<'de> Visitor<'de> for TextsVisitor {
            type Value = Texts;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }

            fn visit_str<E>(self, text: &str) -> Result<Texts, E> {
                Ok(Texts::One(text.to_owned()))
            }

            fn visit_string<E>(self, text: String) -> Result<Texts, E> {
                Ok(Texts::One(text))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Texts, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = seq.next_element()? {
                    texts.push(text);
                }
                Ok(Texts::Many(texts))
            }
        }

        deserializer.deserialize_any(TextsVisitor)
    }
}
