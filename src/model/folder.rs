use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::tokenizer::{self, Bytes, ModelConfig, TokenizerFiles};
use super::weights::Weights;
use super::{Files, ModelError, ModelPart, weights};

pub(super) const CONFIG: &str = "config.json";

/// The compiled model in a folder that has one and no weights of its own.
pub(super) fn compiled(folder: &Path) -> Result<Option<PathBuf>, ModelError> {
    if weights::NAMES.iter().any(|name| folder.join(name).exists()) {
        return Ok(None);
    }
    let mut compiled = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable(folder))? {
        let path = entry.map_err(unreadable(folder))?.path();
        if path.extension().is_some_and(|extension| extension == "pt") {
            compiled.push(path);
        }
    }
    compiled.sort();
    match compiled.as_slice() {
        [first, second, ..] => {
            Err(ModelError::SeveralCompiled { folder: folder.to_owned(), first: first.clone(), second: second.clone() })
        }
        _ => Ok(compiled.pop()),
    }
}

/// The files of `folder`, with the tokenizer of another folder if one is given.
pub(super) fn files(folder: &Path, tokenizer: Option<&Path>) -> Result<Files, ModelError> {
    let config = required(folder, CONFIG, ModelPart::Config)?;
    Ok(Files {
        weights: read_weights(folder)?,
        tokenizer: tokenizer_files(tokenizer.unwrap_or(folder), ModelConfig::parse(&config))?,
        config,
    })
}

/// The tokenizer of a folder; `model` is what is known of the model if the folder has no config.json.
pub(super) fn tokenizer_files(folder: &Path, model: ModelConfig) -> Result<TokenizerFiles, ModelError> {
    let model = optional(folder, CONFIG)?.map_or(model, |config| ModelConfig::parse(&config));
    TokenizerFiles::find(&Folder(folder), &model)
}

struct Folder<'a>(&'a Path);

impl tokenizer::Files for Folder<'_> {
    fn name(&self) -> String {
        self.0.display().to_string()
    }

    fn optional(&self, file: &'static str) -> Result<Option<Bytes>, ModelError> {
        optional(self.0, file)
    }

    fn required(&self, file: &'static str) -> Result<Bytes, ModelError> {
        required(self.0, file, ModelPart::Tokenizer)
    }
}

/// The weights in the best of the files that have any.
fn read_weights(folder: &Path) -> Result<Weights, ModelError> {
    let find = |name: &str| Some(folder.join(name)).filter(|path| path.exists());
    let lacks = |file: &str| missing(folder, file, ModelPart::Weights);
    let path = weights::NAMES.into_iter().find_map(find).ok_or_else(|| lacks(weights::USUAL))?;
    weights::read(&path, |shard| find(shard).ok_or_else(|| lacks(shard)))
}

fn required(folder: &Path, name: &str, part: ModelPart) -> Result<Bytes, ModelError> {
    optional(folder, name)?.ok_or_else(|| missing(folder, name, part))
}

fn optional(folder: &Path, name: &str) -> Result<Option<Bytes>, ModelError> {
    let path = folder.join(name);
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(Cow::Owned(bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(&path)(error)),
    }
}

fn missing(folder: &Path, file: &str, part: ModelPart) -> ModelError {
    ModelError::MissingFile { folder: folder.to_owned(), file: file.to_owned(), part }
}

pub(super) fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> ModelError {
    move |source| ModelError::Read { path: path.to_owned(), source }
}
