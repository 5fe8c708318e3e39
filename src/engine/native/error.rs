use crate::engine::Precision;
use crate::plural::plural;

/// Why a model can't be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// config.json is no JSON, or lacks a key.
    #[error("config.json: {0}")]
    Config(#[from] serde_json::Error),
    /// A value in config.json that is not supported.
    #[error("config.json: {key} is {value:?}; supported: {supported}")]
    Unsupported {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// The values that are supported, for messages.
        supported: String,
    },
    /// Values in config.json that do not fit together.
    #[error("config.json: {0}")]
    Inconsistent(String),
    /// The weights file is malformed.
    #[error("model.safetensors: {0}")]
    Safetensors(#[from] safetensors::SafeTensorError),
    /// A tensor is missing.
    #[error("model.safetensors: tensor {0} is missing; do config.json and model.safetensors belong together?")]
    MissingTensor(String),
    /// The head for question answering is missing.
    #[error("model.safetensors: tensor {0} is missing: this model is not fine-tuned for extractive question answering")]
    MissingHead(String),
    /// A tensor has another shape than config.json asks for.
    #[error("model.safetensors: tensor {name} has shape {found:?}, where config.json asks for {expected:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// By config.json.
        expected: Vec<usize>,
        /// In the file.
        found: Vec<usize>,
    },
    /// A tensor of a type that is not supported.
    #[error("model.safetensors: tensor {name} is of type {found}; supported: F32, F16, BF16")]
    Dtype {
        /// The tensor.
        name: String,
        /// In the file.
        found: String,
    },
    /// A precision that the processor's engine does not have.
    #[error("{0} is for compiled models; the processor runs f32, bf16 and int8")]
    Precision(Precision),
    /// A matrix that can't be run in bf16.
    #[error("a matrix of {inputs} inputs can't be halved into pairs for bf16")]
    OddInputs {
        /// Its inputs: an odd number.
        inputs: usize,
    },
    /// The operating system starts no threads.
    #[error("cannot start {threads} {}: {source}", plural(*threads, "thread"))]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// Why not.
        source: rayon::ThreadPoolBuildError,
    },
}
