use serde::Serialize;

/// A file that is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelFile {
    /// Its name.
    pub name: String,
    /// What it describes.
    pub part: ModelPart,
    /// Its size.
    pub bytes: usize,
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
}
