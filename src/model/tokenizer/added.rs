//! Tokens that files add to a vocabulary, as the crate tokenizers finds them.

use tokenizers::{NormalizedString, Normalizer, Tokenizer};

use super::fault::Fault;

/// Refuses an added token of which the normalizer leaves nothing: it would be found between any two characters, and in
/// the middle of one, on which the crate panics.
pub(super) fn check(tokenizer: &Tokenizer) -> Result<(), Fault> {
    let Some(normalizer) = tokenizer.get_normalizer() else { return Ok(()) };
    for token in tokenizer.get_added_tokens_decoder().into_values().filter(|token| token.normalized) {
        let mut text = NormalizedString::from(token.content.as_str());
        normalizer.normalize(&mut text).map_err(Fault::tokenizers)?;
        if text.is_empty() {
            return Err(Fault::EmptyToken(token.content));
        }
    }
    Ok(())
}
