use crate::engine::Precision;
use crate::plural::plural;

/// Why a model can't be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// config.json is no JSON, or lacks a key.
    #[error("config.json")]
    Config(#[from] serde_json::Error),
    /// An environment variable asks for instructions that there are none of by that name.
    #[error(transparent)]
    UnknownIsa(#[from] bertqa_kernels::UnknownIsa),
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
    /// A tensor is missing.
    #[error("{weights}: tensor {name} is missing; do config.json and {weights} belong together?")]
    MissingTensor {
        /// The file, or the list of files, that lacks it.
        weights: String,
        /// The tensor.
        name: String,
    },
    /// The head for question answering is missing.
    #[error("the weights have no tensor {0}: this model is not fine-tuned for extractive question answering")]
    MissingHead(String),
    /// A tensor has another shape than config.json asks for.
    #[error("{file}: tensor {name} has shape {found:?}, where config.json asks for {expected:?}")]
    Shape {
        /// The file that it is in.
        file: String,
        /// The tensor.
        name: String,
        /// By config.json.
        expected: Vec<usize>,
        /// In the file.
        found: Vec<usize>,
    },
    /// A tensor of a type that is not supported.
    #[error("{file}: tensor {name} is of type {found}; supported: F64, F32, F16, BF16")]
    Dtype {
        /// The file that it is in.
        file: String,
        /// The tensor.
        name: String,
        /// In the file.
        found: String,
    },
    /// A tensor that is larger than what is stored of it.
    #[error("{file}: tensor {name} is larger than what is stored of it")]
    Cut {
        /// The file that it is in.
        file: String,
        /// The tensor.
        name: String,
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
    #[error("cannot start {threads} {}", plural(*threads, "thread"))]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// Why not.
        source: rayon::ThreadPoolBuildError,
    },
}
