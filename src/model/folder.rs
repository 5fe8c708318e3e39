use std::borrow::Cow;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};

use super::{Files, TokenizerFiles};
use crate::engine::native::WeightBytes;

pub(super) const CONFIG: &str = "config.json";
pub(super) const WEIGHTS: &str = "model.safetensors";
pub(super) const TOKENIZER: &str = "tokenizer.json";
pub(super) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
pub(super) const SPECIAL_TOKENS: &str = "special_tokens_map.json";

/// What a folder without the tokenizer or with weights of another kind lacks, by what it has instead.
const REMEDIES: [(&str, &str, &str); 4] = [
    (WEIGHTS, "pytorch_model.bin", "convert pytorch_model.bin with transformers: save_pretrained writes safetensors"),
    (WEIGHTS, "model.safetensors.index.json", "weights in several files are not supported; save them as one"),
    (TOKENIZER, "vocab.txt", "make it from vocab.txt: AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)"),
    (TOKENIZER, "spiece.model", "make it from spiece.model: AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)"),
];

/// The compiled model in a folder that has one and no weights of its own.
pub(super) fn compiled(folder: &Path) -> anyhow::Result<Option<PathBuf>> {
    if folder.join(WEIGHTS).exists() {
        return Ok(None);
    }
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut compiled = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {}", folder.display()))?.path();
        if path.extension().is_some_and(|extension| extension == "pt") {
            compiled.push(path);
        }
    }
    compiled.sort();
    match compiled.as_slice() {
        [first, second, ..] => {
            bail!(
                "{} has several compiled models, such as {} and {}; name the one to run",
                folder.display(),
                first.display(),
                second.display()
            )
        }
        _ => Ok(compiled.pop()),
    }
}

pub(super) fn files(folder: &Path, with_tokenizer: bool) -> anyhow::Result<Files> {
    Ok(Files {
        config: required(folder, CONFIG)?,
        weights: map(&folder.join(WEIGHTS)).or_else(|error| missing(folder, WEIGHTS, error))?,
        tokenizer: if with_tokenizer {
            tokenizer_files(folder)?
        } else {
            TokenizerFiles { tokenizer: Cow::default(), config: None, special_tokens: None }
        },
    })
}

pub(super) fn tokenizer_files(folder: &Path) -> anyhow::Result<TokenizerFiles> {
    Ok(TokenizerFiles {
        tokenizer: required(folder, TOKENIZER)?,
        config: optional(folder, TOKENIZER_CONFIG)?,
        special_tokens: optional(folder, SPECIAL_TOKENS)?,
    })
}

/// Maps a weights file into memory.
pub(super) fn map(path: &Path) -> io::Result<WeightBytes> {
    let file = File::open(path)?;
    // SAFETY: the map is only read. A model file that another program cuts short while it is mapped ends this one
    // with SIGBUS, as it would any program that maps weights; files of the hub's cache are never written in place.
    let mapped = unsafe { memmap2::Mmap::map(&file) }?;
    Ok(WeightBytes::Mapped(Arc::new(mapped)))
}

fn required(folder: &Path, name: &str) -> anyhow::Result<Cow<'static, [u8]>> {
    fs::read(folder.join(name)).map(Cow::Owned).or_else(|error| missing(folder, name, error))
}

fn optional(folder: &Path, name: &str) -> anyhow::Result<Option<Cow<'static, [u8]>>> {
    let path = folder.join(name);
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(Cow::Owned(bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn missing<T>(folder: &Path, name: &str, error: io::Error) -> anyhow::Result<T> {
    if error.kind() != io::ErrorKind::NotFound {
        return Err(error).with_context(|| format!("cannot read {}", folder.join(name).display()));
    }
    let remedy = REMEDIES
        .iter()
        .find(|(lacks, has, _)| *lacks == name && folder.join(has).exists())
        .map_or("a model folder has config.json, model.safetensors and tokenizer.json", |(.., remedy)| remedy);
    bail!("{} has no {name}: {remedy}", folder.display())
}
