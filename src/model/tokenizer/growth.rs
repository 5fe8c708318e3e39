//! How much longer a normalizer can make a text.

use serde::Deserialize;
use tokenizers::NormalizerWrapper;
use tokenizers::normalizers::Replace;

use super::fault::Fault;

/// No normalizer of a real model is near it; a chain of replacements, each of which doubles the text, soon is.
const MOST: usize = 1000;

/// Refuses a normalizer that turns a text into one that no memory holds.
pub(super) fn check(normalizer: Option<&NormalizerWrapper>) -> Result<(), Fault> {
    match normalizer.map(growth) {
        Some(growth) if growth > MOST => Err(Fault::Growth { most: MOST }),
        _ => Ok(()),
    }
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
