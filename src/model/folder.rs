use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Files, ModelError, TokenizerFiles, weights};
use crate::engine::native::Tensors;

pub(super) const CONFIG: &str = "config.json";
pub(super) const TOKENIZER: &str = "tokenizer.json";
pub(super) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
pub(super) const SPECIAL_TOKENS: &str = "special_tokens_map.json";

/// Files that folders lack, each with one from which it can be made.
const SUBSTITUTES: [(&str, &str); 2] = [(TOKENIZER, "vocab.txt"), (TOKENIZER, "spiece.model")];

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
    Ok(Files {
        config: required(folder, CONFIG)?,
        weights: read_weights(folder)?,
        tokenizer: tokenizer_files(tokenizer.unwrap_or(folder))?,
    })
}

pub(super) fn tokenizer_files(folder: &Path) -> Result<TokenizerFiles, ModelError> {
    Ok(TokenizerFiles {
        tokenizer: required(folder, TOKENIZER)?,
        config: optional(folder, TOKENIZER_CONFIG)?,
        special_tokens: optional(folder, SPECIAL_TOKENS)?,
    })
}

/// The weights in the best of the files that have any.
fn read_weights(folder: &Path) -> Result<Tensors, ModelError> {
    let find = |name: &str| Some(folder.join(name)).filter(|path| path.exists());
    let lacks =
        |file: &str| ModelError::MissingFile { folder: folder.to_owned(), file: file.to_owned(), instead: None };
    let path = weights::NAMES.into_iter().find_map(find).ok_or_else(|| lacks(weights::USUAL))?;
    weights::read(&path, |shard| find(shard).ok_or_else(|| lacks(shard)))
}

fn required(folder: &Path, name: &'static str) -> Result<Cow<'static, [u8]>, ModelError> {
    fs::read(folder.join(name)).map(Cow::Owned).map_err(missing(folder, name))
}

fn optional(folder: &Path, name: &str) -> Result<Option<Cow<'static, [u8]>>, ModelError> {
    let path = folder.join(name);
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(Cow::Owned(bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(&path)(error)),
    }
}

fn missing(folder: &Path, file: &'static str) -> impl FnOnce(io::Error) -> ModelError {
    move |error| {
        if error.kind() != io::ErrorKind::NotFound {
            return unreadable(&folder.join(file))(error);
        }
        let substitute = SUBSTITUTES.iter().find(|(lacks, has)| *lacks == file && folder.join(has).exists());
        ModelError::MissingFile {
            folder: folder.to_owned(),
            file: file.to_owned(),
            instead: substitute.map(|(_, has)| *has),
        }
    }
}

pub(super) fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> ModelError {
    move |source| ModelError::Read { path: path.to_owned(), source }
}
