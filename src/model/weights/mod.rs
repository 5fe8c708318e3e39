//! The weights of a model: which of its files have them, and reading these, a format a file.
//!
//! Files are mapped into memory, and tensors stay where they are in them: a reader only finds out where that is. Nothing
//! in a file is executed.

mod error;
mod index;
mod safetensors;
mod torch;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::engine::native::{StoredTensor, Tensors, WeightBytes, WeightFile};
use crate::model::map::map;
use crate::model::{ModelError, ModelFile, ModelPart};

pub use error::WeightsError;
pub use torch::StateDictError;

/// The file of weights that is looked for first.
pub(super) const USUAL: &str = "model.safetensors";

/// The names under which weights are looked for, the best first.
pub(super) const NAMES: [&str; 4] =
    [USUAL, "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"];

/// Tensors by their names.
type Named = Vec<(String, StoredTensor)>;

/// The weights of a model, and the files that they are in.
pub(super) struct Weights {
    pub tensors: Tensors,
    pub files: Vec<ModelFile>,
}

/// Reads a file in the format of safetensors; `name` is for messages.
///
/// # Errors
/// If the file is malformed.
pub fn safetensors(name: &str, bytes: WeightBytes) -> Result<Tensors, WeightsError> {
    Ok(Tensors::new(name, safetensors::tensors(&WeightFile::new(name, bytes))?))
}

/// Reads the weights at `path`, one of [`NAMES`]; `shard` finds the files that a list of files names.
pub(super) fn read(path: &Path, shard: impl Fn(&str) -> Result<PathBuf, ModelError>) -> Result<Weights, ModelError> {
    let name = name(path);
    if name != USUAL {
        tracing::info!("the weights are those of {name}");
    }
    let mut weights = Reading::default();
    if name.ends_with(".json") {
        let malformed = |source| ModelError::Weights { path: path.to_owned(), source };
        let json = index::read(path).map_err(|source| unreadable(path, source))?;
        weights.note(path, &json);
        for file in index::files(&json).map_err(malformed)? {
            weights.add(&shard(&file)?)?;
        }
    } else {
        weights.add(path)?;
    }
    Ok(Weights { tensors: Tensors::new(name, weights.tensors), files: weights.files })
}

/// What was read so far.
#[derive(Default)]
struct Reading {
    tensors: Named,
    files: Vec<ModelFile>,
}

impl Reading {
    /// Adds the tensors of a file.
    fn add(&mut self, path: &Path) -> Result<(), ModelError> {
        let bytes = map(path).map_err(|source| unreadable(path, source))?;
        let file = WeightFile::new(&name(path), WeightBytes::Mapped(Arc::new(bytes)));
        let named = if path.extension().is_some_and(|extension| extension == "safetensors") {
            safetensors::tensors(&file)
        } else {
            torch::tensors(&file)
        };
        self.note(path, file.bytes());
        self.tensors.extend(named.map_err(|source| ModelError::Weights { path: path.to_owned(), source })?);
        Ok(())
    }

    fn note(&mut self, path: &Path, bytes: &[u8]) {
        self.files.push(ModelFile::new(&name(path), ModelPart::Weights, bytes));
    }
}

fn unreadable(path: &Path, source: io::Error) -> ModelError {
    ModelError::Read { path: path.to_owned(), source }
}

/// For messages.
fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What stands in place of a file where Git has only its address.
fn is_lfs_pointer(bytes: &[u8]) -> bool {
    bytes.starts_with(b"version https://git-lfs.github.com/spec/")
}
