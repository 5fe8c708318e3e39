//! The list of the files over which weights are split.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::Deserialize;

use super::WeightsError;

/// Larger than the list of any model; what is longer is cut off, and so is no JSON.
const MAX_SIZE: u64 = 8 << 20;

#[derive(Deserialize)]
struct Index {
    /// The file of each tensor.
    weight_map: HashMap<String, String>,
}

pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut json = Vec::new();
    File::open(path)?.take(MAX_SIZE).read_to_end(&mut json)?;
    Ok(json)
}

/// The names of the files, each of which lies beside the list.
pub(super) fn files(json: &[u8]) -> Result<BTreeSet<String>, WeightsError> {
    let index: Index = serde_json::from_slice(json)?;
    let files: BTreeSet<String> = index.weight_map.into_values().collect();
    match files.iter().find(|name| !is_plain(name)) {
        Some(name) => Err(WeightsError::ShardName(name.clone())),
        None => Ok(files),
    }
}

/// Whether this names a file of weights, and not one in another folder.
fn is_plain(name: &str) -> bool {
    let is_weights = name.ends_with(".safetensors") || name.ends_with(".bin");
    is_weights && !name.starts_with('.') && !name.contains(['/', '\\', ':', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_beside_the_list_are_named() {
        let list = |name: &str| files(serde_json::json!({"weight_map": {"a": name}}).to_string().as_bytes());
        assert!(list("pytorch_model-00001-of-00002.bin").is_ok());
        for name in ["../x.bin", "/etc/x.bin", "a/b.safetensors", "..\\x.bin", "C:x.bin", ".x.bin", "config.json", ""] {
            assert!(matches!(list(name), Err(WeightsError::ShardName(found)) if found == name), "{name}");
        }
        let nested = "[".repeat(1 << 20);
        for json in ["", "{}", "[]", r#"{"weight_map": 3}"#, &nested] {
            assert!(matches!(files(json.as_bytes()), Err(WeightsError::Index(_))));
        }
    }
}
