use super::StateDictError;

/// What is wrong with a file of weights.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The file was not fetched with its repository.
    #[error("this is only Git LFS's pointer to the file")]
    LfsPointer,
    /// A safetensors file whose header is too long.
    #[error("a header of {length} bytes is longer than that of any model")]
    Header {
        /// As the file has it.
        length: u64,
    },
    /// A malformed safetensors file.
    #[error(transparent)]
    Safetensors(#[from] safetensors::SafeTensorError),
    /// A state dict of torch that is malformed, or more than a state dict.
    #[error(transparent)]
    StateDict(#[from] StateDictError),
    /// A malformed list of the files that have the weights.
    #[error(transparent)]
    Index(#[from] serde_json::Error),
    /// A list of files that names something else than a file beside it.
    #[error("{0:?} is not the name of a file of weights")]
    ShardName(String),
}
