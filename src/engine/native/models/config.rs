//! What the config.json of several families has in common.

use crate::engine::native::LoadError;
use crate::engine::native::layers::Heads;
use bertqa_kernels::Activation;

/// The activation function that transformers calls `name`; `key` is the key that names it.
pub(super) fn activation(key: &'static str, name: &str) -> Result<Activation, LoadError> {
    Activation::of(name).ok_or_else(|| LoadError::Unsupported {
        key,
        value: name.into(),
        supported: Activation::names().collect::<Vec<_>>().join(", "),
    })
}

/// Refuses sizes of 0.
pub(super) fn positive(sizes: &[(&str, usize)]) -> Result<(), LoadError> {
    match sizes.iter().find(|(_, size)| *size == 0) {
        Some((name, _)) => Err(LoadError::Inconsistent(format!("{name} is 0"))),
        None => Ok(()),
    }
}

/// Heads that share out the hidden size.
pub(super) fn heads(hidden_size: usize, count: usize) -> Result<Heads, LoadError> {
    if !hidden_size.is_multiple_of(count) {
        return Err(LoadError::Inconsistent(format!(
            "hidden_size {hidden_size} is not a multiple of num_attention_heads {count}"
        )));
    }
    Ok(Heads { count, size: hidden_size / count })
}
