use std::error::Error;

use tokenizers::{Encoding, Tokenizer};

/// Splits texts into tokens.
pub trait Tokenize: Send + Sync {
    /// The tokens of a text, without special ones: ids, places in characters, and the word that each is of.
    ///
    /// # Errors
    /// If the text cannot be split.
    fn tokenize(&self, text: &str) -> Result<Encoding, Box<dyn Error + Send + Sync>>;

    /// The id of a token.
    fn token_to_id(&self, token: &str) -> Option<u32>;

    /// How many ids there are.
    fn vocab_size(&self) -> usize;
}

impl Tokenize for Tokenizer {
    fn tokenize(&self, text: &str) -> Result<Encoding, Box<dyn Error + Send + Sync>> {
        self.encode_char_offsets(text, false)
    }

    fn token_to_id(&self, token: &str) -> Option<u32> {
        (**self).token_to_id(token)
    }

    fn vocab_size(&self) -> usize {
        self.get_vocab_size(true)
    }
}
