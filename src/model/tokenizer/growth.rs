//! How much longer a normalizer can make a text.

use serde::Deserialize;
use tokenizers::normalizers::Replace;
use tokenizers::{NormalizerWrapper, PreTokenizerWrapper, Tokenizer};

use super::charsmap;
use super::fault::Fault;

/// No normalizer of a real model is near it; a chain of replacements, each of which doubles the text, soon is.
const MOST: usize = 1000;

/// Refuses a tokenizer that turns a text into one that no memory holds.
pub(super) fn check(tokenizer: &Tokenizer) -> Result<(), Fault> {
    let normalizer = tokenizer.get_normalizer().map_or(1, growth);
    let pre_tokenizer = tokenizer.get_pre_tokenizer().map_or(1, pre_tokenizer_growth);
    if normalizer.saturating_mul(pre_tokenizer) > MOST { Err(Fault::Growth { most: MOST }) } else { Ok(()) }
}

/// By how much the bytes of a text can multiply, as far as replacements do it.
fn growth(normalizer: &NormalizerWrapper) -> usize {
    match normalizer {
        NormalizerWrapper::Sequence(parts) => {
            parts.as_ref().iter().fold(1, |all, part| usize::saturating_mul(all, growth(part)))
        }
        NormalizerWrapper::Replace(replace) => {
            let shortest = shortest_match(replace);
            match replace.content.len().checked_div(shortest) {
                Some(times) => times.max(1),
                // It can stand between any two characters.
                None => replace.content.len() + 1,
            }
        }
        NormalizerWrapper::Prepend(prepend) => prepend.prepend.len() + 1,
        NormalizerWrapper::Precompiled(table) => charsmap::longest_text(table).max(1),
        // A byte that is not ASCII is written with two.
        NormalizerWrapper::ByteLevel(_) => 2,
        _ => 1,
    }
}

fn pre_tokenizer_growth(pre_tokenizer: &PreTokenizerWrapper) -> usize {
    match pre_tokenizer {
        PreTokenizerWrapper::Sequence(parts) => {
            parts.as_ref().iter().fold(1, |all, part| usize::saturating_mul(all, pre_tokenizer_growth(part)))
        }
        PreTokenizerWrapper::ByteLevel(_) => 2,
        _ => 1,
    }
}

/// In bytes: of a regular expression one is taken, since which are matched cannot be told from outside.
fn shortest_match(replace: &Replace) -> usize {
    #[derive(Deserialize)]
    struct Parts {
        pattern: Pattern,
    }

    #[derive(Deserialize)]
    enum Pattern {
        String(String),
        Regex(String),
    }

    // The pattern is private, but is written out.
    let parts = serde_json::to_value(replace).and_then(serde_json::from_value::<Parts>);
    match parts.map(|parts| parts.pattern) {
        Ok(Pattern::String(text)) => text.len(),
        Ok(Pattern::Regex(text)) => usize::from(!text.is_empty()),
        Err(_) => 1,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn growth_of(json: Value) -> usize {
        growth(&serde_json::from_value(json).unwrap())
    }

    fn replace(pattern: Value, content: &str) -> Value {
        json!({"type": "Replace", "pattern": pattern, "content": content})
    }

    #[test]
    fn replacements_multiply() {
        let double = replace(json!({"String": "a"}), "aa");
        for (normalizer, times) in [
            (double.clone(), 2),
            (json!({"type": "Sequence", "normalizers": vec![double.clone(); 5]}), 32),
            (json!({"type": "Sequence", "normalizers": vec![double; 200]}), usize::MAX),
            (replace(json!({"String": "``"}), "\""), 1),
            (replace(json!({"Regex": " {2,}"}), "▁"), 3),
            (replace(json!({"String": ""}), "xyz"), 4),
            (json!({"type": "NFKC"}), 1),
        ] {
            assert_eq!(growth_of(normalizer.clone()), times, "{normalizer}");
        }
    }
}
