/// Why a file of torch is not read. Nothing in it is ever run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateDictError {
    /// Neither a zip archive nor a sequence of pickles.
    #[error("this is no file of torch.save")]
    NotTorch,
    /// The file is cut, or not a zip archive after its first bytes.
    #[error("the zip archive is cut or malformed")]
    Zip,
    /// An entry that torch does not write.
    #[error("{0:?} is compressed or encrypted in the zip archive, as torch writes none")]
    Compressed(String),
    /// An archive without its description of the tensors.
    #[error("the zip archive has no data.pkl")]
    NoPickle,
    /// The numbers have their bytes in the other order.
    #[error("it was written on a big-endian processor")]
    BigEndian,
    /// A pickle that ends before its last instruction.
    #[error("the pickle is cut")]
    Cut,
    /// A pickle that asks for a function or class of Python.
    #[error("the pickle wants to call {module}.{name}, which no state dict needs; it was not called")]
    Global {
        /// The module of Python.
        module: String,
        /// What is in it.
        name: String,
    },
    /// An instruction that state dicts do not have.
    #[error("the pickle has instruction {code:#04x} at byte {at}, which no state dict needs")]
    Instruction {
        /// The instruction.
        code: u8,
        /// Where in the pickle.
        at: usize,
    },
    /// Instructions in an order that means nothing, or values that do not fit them.
    #[error("the pickle is malformed at byte {at}: {expected} expected")]
    Malformed {
        /// Where in the pickle.
        at: usize,
        /// What should have been there.
        expected: &'static str,
    },
    /// More instructions than the largest of models needs.
    #[error("the pickle is longer than that of any state dict")]
    TooLong,
    /// What was saved is not a dictionary of tensors.
    #[error("what was saved is no state dict: a dictionary of tensors by name")]
    NotADict,
    /// The numbers of a tensor are not there.
    #[error("the numbers of tensor {0:?} are missing")]
    NoStorage(String),
    /// The lengths in a file without archive do not fit it.
    #[error("the numbers behind the pickles are cut or malformed")]
    Storages,
    /// Tensors that use the same numbers over and over.
    #[error("its tensors take more than twice the size of the file")]
    Overlapping,
}
