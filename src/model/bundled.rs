use std::path::Path;

use super::{Files, ModelError, TokenizerFiles, folder, weights};
use crate::engine::native::WeightBytes;

/// The built-in files, with the tokenizer of a folder if one is given.
pub(super) fn files(tokenizer: Option<&Path>) -> Result<Files, ModelError> {
    let bytes = WeightBytes::Static(include_bytes!("../../models/default/model.safetensors"));
    let weights = weights::safetensors(weights::USUAL, bytes)
        .map_err(|source| ModelError::Weights { path: weights::USUAL.into(), source })?;
    Ok(Files {
        config: include_bytes!("../../models/default/config.json").as_slice().into(),
        weights,
        tokenizer: match tokenizer {
            Some(folder) => folder::tokenizer_files(folder)?,
            None => TokenizerFiles {
                tokenizer: include_bytes!("../../tokenizer/tokenizer.json").as_slice().into(),
                config: Some(include_bytes!("../../tokenizer/tokenizer_config.json").as_slice().into()),
                special_tokens: None,
            },
        },
    })
}
