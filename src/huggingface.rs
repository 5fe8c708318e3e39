//! Where Hugging Face's programs have the hub, its cache and who asks, as the variables of huggingface_hub say.

use std::env;
use std::fs;
use std::path::PathBuf;

/// A variable that is set, and not to nothing.
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The hub's address, without a slash at its end.
pub(crate) fn endpoint() -> String {
    let endpoint = variable("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
    endpoint.trim_end_matches('/').to_owned()
}

/// Of whoever asks: the variable, or what `hf auth login` leaves.
pub(crate) fn token() -> Option<String> {
    variable("HF_TOKEN").or_else(|| {
        let path = variable("HF_TOKEN_PATH").map(PathBuf::from).or_else(|| Some(home()?.join("token")))?;
        let token = fs::read_to_string(path).ok()?;
        Some(token.trim().to_owned()).filter(|token| !token.is_empty())
    })
}

/// The folder of the cache and the token; `None` where nobody has a home.
pub(crate) fn home() -> Option<PathBuf> {
    if let Some(path) = variable("HF_HOME") {
        return Some(path.into());
    }
    let cache = match variable("XDG_CACHE_HOME") {
        Some(path) => PathBuf::from(path),
        None => env::home_dir()?.join(".cache"),
    };
    Some(cache.join("huggingface"))
}
