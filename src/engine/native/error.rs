use crate::engine::Precision;
use crate::plural::plural;

/// Why a model can't be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("config.json: {0}")]
    Config(#[from] serde_json::Error),
    #[error("config.json: {key} is {value:?}; supported: {supported}")]
    Unsupported { key: &'static str, value: String, supported: String },
    #[error("config.json: {0}")]
    Inconsistent(String),
    #[error("model.safetensors: {0}")]
    Safetensors(#[from] safetensors::SafeTensorError),
    #[error("model.safetensors: tensor {0} is missing; do config.json and model.safetensors belong together?")]
    MissingTensor(String),
    #[error("model.safetensors: tensor {0} is missing: this model is not fine-tuned for extractive question answering")]
    MissingHead(String),
    #[error("model.safetensors: tensor {name} has shape {found:?}, where config.json asks for {expected:?}")]
    Shape { name: String, expected: Vec<usize>, found: Vec<usize> },
    #[error("model.safetensors: tensor {name} is of type {found}; supported: F32, F16, BF16")]
    Dtype { name: String, found: String },
    #[error("{0} is for compiled models; the processor runs f32, bf16 and int8")]
    Precision(Precision),
    #[error("a matrix of {inputs} inputs can't be halved into pairs for bf16")]
    OddInputs { inputs: usize },
    #[error("cannot start {threads} {}: {source}", plural(*threads, "thread"))]
    Threads { threads: usize, source: rayon::ThreadPoolBuildError },
}
