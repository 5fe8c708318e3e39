use serde::Serialize;
use sha2::{Digest, Sha256};

/// A file that is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelFile {
    /// Its name.
    pub name: String,
    /// What it describes.
    pub part: ModelPart,
    /// Its size.
    pub bytes: usize,
    /// SHA-256 of its first and its last MiB (of the whole, if it is no larger than the two): enough to tell it from
    /// others, and quick where it is large.
    pub sha256: String,
}

/// What a file describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelPart {
    /// The network's shape.
    Config,
    /// The network's tensors.
    Weights,
    /// The tokenizer.
    Tokenizer,
    /// The words that a tokenizer knows.
    Dictionary,
}

/// Of each end of a file, so much is hashed.
const END: usize = 1 << 20;

impl ModelFile {
    /// A file that has been read or mapped.
    pub(super) fn new(name: &str, part: ModelPart, bytes: &[u8]) -> Self {
        let mut hash = Sha256::new();
        if bytes.len() <= 2 * END {
            hash.update(bytes);
        } else {
            hash.update(&bytes[..END]);
            hash.update(&bytes[bytes.len() - END..]);
        }
        let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Self { name: name.to_owned(), part, bytes: bytes.len(), sha256 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_at_either_end_is_another_file() {
        let hash = |bytes: &[u8]| ModelFile::new("weights", ModelPart::Weights, bytes).sha256;
        assert_eq!(hash(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let mut bytes = vec![0; 3 * END];
        let before = hash(&bytes);
        bytes[0] = 1;
        let first = hash(&bytes);
        bytes[0] = 0;
        *bytes.last_mut().unwrap() = 1;
        let last = hash(&bytes);
        assert!(before != first && before != last && first != last);
    }
}
