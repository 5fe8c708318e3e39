use super::{Files, TokenizerFiles};
use crate::engine::native::WeightBytes;

pub(super) fn files() -> Files {
    Files {
        config: include_bytes!("../../models/default/config.json").as_slice().into(),
        weights: WeightBytes::Static(include_bytes!("../../models/default/model.safetensors")),
        tokenizer: TokenizerFiles {
            tokenizer: include_bytes!("../../tokenizer/tokenizer.json").as_slice().into(),
            config: Some(include_bytes!("../../tokenizer/tokenizer_config.json").as_slice().into()),
            special_tokens: None,
        },
    }
}
