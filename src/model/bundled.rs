use std::path::Path;

use super::tokenizer::{ModelConfig, TokenizerFiles};
use super::weights::Weights;
use super::{Files, ModelError, ModelFile, ModelPart, folder, weights};
use crate::engine::native::WeightBytes;

/// The built-in files, with the tokenizer of a folder if one is given.
pub(super) fn files(tokenizer: Option<&Path>) -> Result<Files, ModelError> {
    let bytes = WeightBytes::Static(include_bytes!("../../models/default/model.safetensors"));
    let file = ModelFile::new(weights::USUAL, ModelPart::Weights, bytes.as_ref());
    let tensors = weights::safetensors(weights::USUAL, bytes)
        .map_err(|source| ModelError::Weights { path: weights::USUAL.into(), source })?;
    let config = include_bytes!("../../models/default/config.json").as_slice();
    let model = ModelConfig::parse(config);
    Ok(Files {
        config: config.into(),
        weights: Weights { tensors, files: vec![file] },
        tokenizer: match tokenizer {
            Some(folder) => folder::tokenizer_files(folder, model)?,
            None => TokenizerFiles::of(
                include_bytes!("../../tokenizer/tokenizer.json").as_slice().into(),
                include_bytes!("../../tokenizer/tokenizer_config.json"),
                &model,
            )
            .map_err(|source| ModelError::Tokenizer { model: "the built-in model".to_owned(), source })?,
        },
    })
}
