use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::TokenizerError;
use super::folder::{SPECIAL_TOKENS, TOKENIZER_CONFIG};
use crate::engine::native::TokenizerDefaults;

/// What tokenizer_config.json and special_tokens_map.json say beyond tokenizer.json.
#[derive(Debug, Default, Deserialize)]
pub(super) struct TokenizerConfig {
    tokenizer_class: Option<String>,
    model_input_names: Option<Vec<String>>,
    cls_token: Option<Token>,
}

#[derive(Debug, Default, Deserialize)]
struct SpecialTokens {
    cls_token: Option<Token>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Token {
    Text(String),
    Added { content: String },
}

impl TokenizerConfig {
    pub(super) fn parse(config: Option<&[u8]>, special_tokens: Option<&[u8]>) -> Result<Self, TokenizerError> {
        let config: Self = parse(config, TOKENIZER_CONFIG)?;
        let special_tokens: SpecialTokens = parse(special_tokens, SPECIAL_TOKENS)?;
        Ok(Self { cls_token: config.cls_token.or(special_tokens.cls_token), ..config })
    }

    /// The classifier token; where no file names it, the one of the family.
    pub(super) fn cls_token(&self, model_type: &str) -> String {
        match &self.cls_token {
            Some(Token::Text(text) | Token::Added { content: text }) => text.clone(),
            None => TokenizerDefaults::of(model_type).cls_token.to_owned(),
        }
    }

    /// Whether the reference passes token types to the model (transformers 5.2.0): if the names of the model's inputs
    /// have them, or, where these are not given, if the tokenizer's class passes them.
    pub(super) fn passes_token_types(&self, model_type: &str) -> bool {
        if let Some(names) = &self.model_input_names {
            return names.iter().any(|name| name == "token_type_ids");
        }
        match self.tokenizer_class.as_deref() {
            Some(class) => matches!(class.trim_end_matches("Fast"), "BertTokenizer" | "ElectraTokenizer"),
            None => TokenizerDefaults::of(model_type).token_types,
        }
    }
}

fn parse<T: Default + DeserializeOwned>(json: Option<&[u8]>, file: &'static str) -> Result<T, TokenizerError> {
    let Some(json) = json else { return Ok(T::default()) };
    serde_json::from_slice(json).map_err(|error| TokenizerError { file, source: error.into() })
}
