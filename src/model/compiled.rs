use std::path::Path;

use anyhow::{Context, bail};

use super::folder::{self, TOKENIZER};
use super::{Engines, LoadOptions, Model, encoder, parse_tokenizer};
use crate::engine::torch::Compiled;
use crate::engine::{Input, Precision};

/// Loads the compiled model at `path`, with the tokenizer beside it or that of another folder.
pub(super) fn load(path: &Path, options: &LoadOptions) -> anyhow::Result<Model> {
    let beside = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let tokenizer = options.tokenizer.as_deref();
    if tokenizer.is_none() && !beside.join(TOKENIZER).exists() {
        bail!("there is no {TOKENIZER} beside {}; name the folder that has it with --tokenizer", path.display());
    }
    let files = folder::tokenizer_files(tokenizer.unwrap_or(beside))?;
    let (tokenizer, config) =
        parse_tokenizer(&files).with_context(|| format!("cannot load the tokenizer of {}", path.display()))?;

    let compiled = Compiled::open(path, options.inputs.as_deref())?;
    let manifest = compiled.manifest();
    check_precision(path, manifest.precision, options.precision)?;
    let takes_token_types = manifest.inputs.contains(&Input::TokenTypeIds);
    let encoder = encoder(tokenizer, &config, &manifest.model_type, takes_token_types);
    let threads = options.pipeline.threads.get();
    let engines = compiled.load(&options.devices, options.neuron_library.as_deref(), threads)?;
    Ok(Model { encoder, engines: Engines::Torch { compiled, engines, threads }, pipeline: options.pipeline })
}

/// A graph's precision was chosen when it was compiled.
fn check_precision(path: &Path, has: Option<Precision>, asked: Option<Precision>) -> anyhow::Result<()> {
    match (has, asked) {
        (_, None) => {}
        (Some(has), Some(asked)) if has == asked => {}
        (Some(has), Some(_)) => {
            bail!("{} was compiled in {has}; compile it again for another --precision", path.display())
        }
        (None, Some(_)) => bail!("{} has the precision that it was compiled in; leave --precision out", path.display()),
    }
    Ok(())
}
