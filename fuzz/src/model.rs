//! Model folders of which one file is another.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use bertqa::engine::Precision;
use bertqa::model::{LoadOptions, Model, ModelError};
use bertqa::pipeline::PipelineOptions;

use crate::scratch::Scratch;

/// The files of a model's folder.
const FILES: [&str; 3] = ["config.json", "model.safetensors", "tokenizer.json"];

/// A copy of a tiny model.
pub struct ModelFolder(PathBuf);

impl ModelFolder {
    /// The tiniest, of `model/`.
    #[must_use]
    pub fn tiny(scratch: &Scratch) -> Self {
        Self::copy(scratch, "tiny", Path::new("model"))
    }

    /// One of the families of the tests.
    #[must_use]
    pub fn family(scratch: &Scratch, name: &str) -> Self {
        Self::copy(scratch, name, &Path::new("../tests/fixtures/families").join(name))
    }

    fn copy(scratch: &Scratch, name: &str, from: &Path) -> Self {
        let folder = scratch.path(name);
        fs::create_dir_all(&folder).expect("room for a folder");
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(from);
        for file in FILES {
            fs::copy(from.join(file), folder.join(file)).expect("a file of the model");
        }
        Self(folder)
    }

    /// Without one of its files.
    #[must_use]
    pub fn without(self, name: &str) -> Self {
        self.remove(name);
        self
    }

    /// Puts a file into it, in the place of the one that is there, which may still be mapped.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        self.remove(name);
        fs::write(self.0.join(name), bytes).expect("room for a file");
    }

    /// Takes a file out of it, if it is there.
    pub fn remove(&self, name: &str) {
        let _ = fs::remove_file(self.0.join(name));
    }

    /// Loads it, on one thread.
    ///
    /// # Errors
    /// As the library.
    pub fn load(&self) -> Result<Model, ModelError> {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
        let options = LoadOptions {
            model: Some(self.0.display().to_string()),
            precision: Some(Precision::F32),
            python_path: Some(Vec::new()),
            mecab_dict: Some(tests.join("mecab/dictionary")),
            pipeline: PipelineOptions { threads: NonZeroUsize::MIN, ..PipelineOptions::default() },
            ..LoadOptions::default()
        };
        options.load()
    }
}
