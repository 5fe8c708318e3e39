use std::path::Path;

use super::map::map;
use super::tokenizer::ModelConfig;
use super::{Engines, LoadOptions, Model, ModelError, ModelFile, ModelPart, encoder, folder};
use crate::engine::torch::{Compiled, Manifest};
use crate::engine::{Input, Precision};

/// Loads the compiled model at `path`, with the tokenizer beside it or that of another folder.
pub(super) fn load(path: &Path, options: &LoadOptions) -> Result<Model, ModelError> {
    let beside = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let compiled = Compiled::open(path, options.inputs.as_deref())?;
    let manifest = compiled.manifest();
    let model = ModelConfig::of(&manifest.model_type);
    let tokenizer = folder::tokenizer_files(options.tokenizer.as_deref().unwrap_or(beside), model)?;
    let mut files = vec![listed(path, ModelPart::Weights)?];
    let written = Manifest::path(path);
    if written.exists() {
        files.push(listed(&written, ModelPart::Config)?);
    }
    files.extend_from_slice(tokenizer.list());
    let tokenizer = tokenizer
        .load(options.mecab_places())
        .map_err(|source| ModelError::Tokenizer { model: path.display().to_string(), source })?;
    files.extend_from_slice(tokenizer.dictionary());

    check_precision(path, manifest.precision, options.precision)?;
    let takes_token_types = manifest.inputs.contains(&Input::TokenTypeIds);
    let encoder = encoder(tokenizer, takes_token_types);
    let threads = options.pipeline.threads.get();
    let engines = compiled.load(&options.devices, options.neuron_library.as_deref(), threads)?;
    Ok(Model { encoder, engines: Engines::Torch { compiled, engines, threads }, pipeline: options.pipeline, files })
}

/// A file that belongs to it.
fn listed(path: &Path, part: ModelPart) -> Result<ModelFile, ModelError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(ModelFile::new(&name, part, &map(path).map_err(folder::unreadable(path))?))
}

/// A graph's precision was chosen when it was compiled.
fn check_precision(path: &Path, compiled: Option<Precision>, asked: Option<Precision>) -> Result<(), ModelError> {
    let path = || path.to_owned();
    match (compiled, asked) {
        (Some(compiled), Some(asked)) if compiled != asked => {
            Err(ModelError::Precision { path: path(), compiled, asked })
        }
        (None, Some(asked)) => Err(ModelError::UnknownPrecision { path: path(), asked }),
        _ => Ok(()),
    }
}
