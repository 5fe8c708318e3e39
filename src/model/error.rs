use std::error::Error;
use std::io;
use std::path::PathBuf;

use super::auto::MismatchError;
use super::hub::HubError;
use super::part::ModelPart;
use super::weights::WeightsError;
#[cfg(feature = "torch")]
use crate::engine::torch;
use crate::engine::{Devices, EngineError, Precision, native};

/// Why a model cannot be found or loaded.
///
/// It says what is wrong and where. What is to be done about it depends on who asks: a command line has flags, a program
/// has [`LoadOptions`](super::LoadOptions). Where a field is called `model`, it is a path or an id, for messages.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// No model is named, and none is built in: the feature `bundled` is off.
    #[error("no model is named, and this build has none of its own")]
    NoBuiltIn,
    /// A file that is no compiled model.
    #[error("{} is neither a folder nor a compiled model (.pt)", .0.display())]
    NotAModel(PathBuf),
    /// What is neither there nor can be the id of a hub model.
    #[error("there is no folder {0}, and it is no hub id (organisation/name) either")]
    Unknown(String),
    /// A revision of something else than a hub model.
    #[error("a revision is given for {model}, which is not a model of the hub")]
    Revision {
        /// What has no revisions.
        model: String,
    },
    /// A folder from which to choose.
    #[error("{} has several compiled models, such as {} and {}", folder.display(), first.display(), second.display())]
    SeveralCompiled {
        /// The folder.
        folder: PathBuf,
        /// One of the models.
        first: PathBuf,
        /// Another.
        second: PathBuf,
    },
    /// A folder lacks a file.
    #[error("{} has no {file}", folder.display())]
    MissingFile {
        /// The folder.
        folder: PathBuf,
        /// What it lacks.
        file: String,
        /// What the file is for.
        part: ModelPart,
    },
    /// A file of weights that cannot be used.
    #[error("{}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: WeightsError,
    },
    /// A file or folder that cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },

    /// What cannot be the name of a branch, tag or commit.
    #[error("{0:?} is not the name of a branch, tag or commit")]
    RevisionName(String),
    /// The hub has no such model, or the model lacks a file.
    #[error("{id} has no {file} on the hub, and there is no folder {id} either")]
    NotOnHub {
        /// The model.
        id: String,
        /// What it lacks.
        file: String,
    },
    /// Files that were fetched cannot be used.
    #[error("the files in {}", folder.display())]
    Cached {
        /// Where the cache has the model.
        folder: PathBuf,
        /// What is wrong with them.
        source: Box<ModelError>,
    },
    /// A file would have to be fetched, which is forbidden.
    #[error("{file} of {id} is not in the cache, and HF_HUB_OFFLINE forbids fetching it")]
    NotCached {
        /// The model.
        id: String,
        /// What is not there.
        file: String,
    },
    /// A file cannot be fetched.
    #[error("there is no folder {id}, and {file} of {id} cannot be fetched from the hub")]
    Fetch {
        /// The model.
        id: String,
        /// The file.
        file: String,
        /// Why not.
        source: HubError,
    },

    /// A compiled model, and no engine for it: the feature `torch` is off.
    #[error("{} is TorchScript, and this build has no torch engine", .0.display())]
    NoTorch(PathBuf),
    /// A device for which a model has to be compiled.
    #[error("{model} runs on the processor, not on {devices}")]
    Devices {
        /// The model, which is not compiled.
        model: String,
        /// What is asked for.
        devices: Devices,
    },
    /// Inputs are named of a model that is not compiled.
    #[error("inputs are named for {model}, which is not a compiled model")]
    Inputs {
        /// The model.
        model: String,
    },
    /// Another precision than the one that a model was compiled in.
    #[error("{} was compiled in {compiled}, and cannot run in {asked}", path.display())]
    Precision {
        /// The compiled model.
        path: PathBuf,
        /// What it was compiled in.
        compiled: Precision,
        /// What is asked for.
        asked: Precision,
    },
    /// A precision for a compiled model without a manifest.
    #[error("{} has no manifest that says whether it was compiled in {asked}", path.display())]
    UnknownPrecision {
        /// The compiled model.
        path: PathBuf,
        /// What is asked for.
        asked: Precision,
    },

    /// The tokenizer's files cannot be used.
    #[error("cannot load the tokenizer of {model}")]
    Tokenizer {
        /// The model.
        model: String,
        /// What is wrong.
        source: TokenizerError,
    },
    /// The model's files cannot be used.
    #[error("cannot load {model}")]
    Native {
        /// The model.
        model: String,
        /// What is wrong.
        source: native::LoadError,
    },
    /// A compiled model cannot be used.
    #[cfg(feature = "torch")]
    #[error(transparent)]
    Torch(#[from] torch::LoadError),
    /// The tokenizer is not that of the network.
    #[error("cannot run {model}")]
    Mismatch {
        /// The model.
        model: String,
        /// What shows it.
        source: MismatchError,
    },
    /// The samples by which a precision is chosen cannot be run.
    #[error("cannot run {model}")]
    Trial {
        /// The model.
        model: String,
        /// Why not.
        source: EngineError,
    },
}

impl ModelError {
    /// Whether it may come of a file that is damaged.
    pub(super) fn is_of_files(&self) -> bool {
        use native::LoadError::{Config, Cut, Inconsistent, MissingTensor, Shape};
        match self {
            Self::Weights { .. } | Self::Tokenizer { .. } | Self::Mismatch { .. } => true,
            Self::Native { source, .. } => {
                matches!(source, Config(_) | Inconsistent(_) | MissingTensor { .. } | Shape { .. } | Cut { .. })
            }
            _ => false,
        }
    }
}

/// A file of a tokenizer that is malformed.
#[derive(Debug, thiserror::Error)]
#[error("{file}")]
pub struct TokenizerError {
    /// Its name.
    pub file: &'static str,
    /// What is wrong with it.
    pub source: Box<dyn Error + Send + Sync>,
}
