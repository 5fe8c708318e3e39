//! Where a model comes from: compiled in, a Hugging Face folder, or the hub; and loading it.

#[cfg(feature = "bundled")]
mod bundled;
mod folder;
mod hub;
mod tokenizer_config;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tokenizers::Tokenizer;

use crate::engine::native::{NativeEngine, Precision, WeightBytes};
use crate::qa::Encoder;
use tokenizer_config::TokenizerConfig;

/// Which model to load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The model that comes along.
    Bundled,
    /// A folder with config.json, model.safetensors and tokenizer.json.
    Folder(PathBuf),
    /// A model of the Hugging Face hub.
    Hub { id: String, revision: Option<String> },
}

impl Source {
    /// What `--model` names: a folder if there is one, else a hub id.
    ///
    /// # Errors
    /// If it can be neither.
    pub fn parse(model: Option<&str>, revision: Option<&str>) -> anyhow::Result<Self> {
        let revision = revision.map(str::to_owned);
        let source = match model {
            None => Self::Bundled,
            Some(path) if Path::new(path).is_dir() => Self::Folder(path.into()),
            Some(path) if Path::new(path).exists() => bail!("{path} is not a folder; a model is a folder or a hub id"),
            Some(id) if hub::is_id(id) => return Ok(Self::Hub { id: id.to_owned(), revision }),
            Some(path) => bail!("there is no folder {path}, and it is no hub id (organisation/name) either"),
        };
        if revision.is_some() {
            bail!("--revision is for models of the hub; {source} has none");
        }
        Ok(source)
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bundled => f.write_str("the model that comes along"),
            Self::Folder(path) => path.display().fmt(f),
            Self::Hub { id, revision: None } => f.write_str(id),
            Self::Hub { id, revision: Some(revision) } => write!(f, "{id} at {revision}"),
        }
    }
}

/// The files of a model, found and read.
struct Files {
    config: Cow<'static, [u8]>,
    weights: WeightBytes,
    tokenizer: TokenizerFiles,
}

struct TokenizerFiles {
    /// tokenizer.json
    tokenizer: Cow<'static, [u8]>,
    /// tokenizer_config.json
    config: Option<Cow<'static, [u8]>>,
    /// special_tokens_map.json
    special_tokens: Option<Cow<'static, [u8]>>,
}

/// A model that is ready to run.
pub struct Model {
    pub encoder: Encoder,
    pub engine: NativeEngine,
}

impl Model {
    /// Loads a model, with the tokenizer of another folder if one is given, for an engine of that many threads.
    ///
    /// # Errors
    /// If a file is missing, unreadable, or of a kind that is not supported.
    pub fn load(
        source: &Source,
        tokenizer: Option<&Path>,
        precision: Precision,
        threads: usize,
    ) -> anyhow::Result<Self> {
        let own_tokenizer = tokenizer.is_none();
        let mut files = match source {
            #[cfg(feature = "bundled")]
            Source::Bundled => bundled::files(),
            #[cfg(not(feature = "bundled"))]
            Source::Bundled => bail!("this program was built without its default model; name one with --model"),
            Source::Folder(path) => folder::files(path, own_tokenizer)?,
            Source::Hub { id, revision } => hub::files(id, revision.as_deref(), own_tokenizer)?,
        };
        if let Some(path) = tokenizer {
            files.tokenizer = folder::tokenizer_files(path)?;
        }
        let Files { config, weights, tokenizer } = files;

        // The two take about as long as each other, and starting is waited for.
        let (engine, tokenizer) = std::thread::scope(|scope| {
            let parsed = scope.spawn(|| parse_tokenizer(&tokenizer));
            let engine = NativeEngine::load(&config, weights, precision, threads);
            (engine, parsed.join())
        });
        let engine = engine.with_context(|| format!("cannot load {source}"))?;
        let (tokenizer, config) = tokenizer
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            .with_context(|| format!("cannot load the tokenizer of {source}"))?;

        let cls_token = config.cls_token(engine.model_type());
        let token_types = engine.takes_token_types() && config.passes_token_types(engine.model_type());
        Ok(Self { encoder: Encoder::new(tokenizer, &cls_token, token_types), engine })
    }
}

fn parse_tokenizer(files: &TokenizerFiles) -> anyhow::Result<(Tokenizer, TokenizerConfig)> {
    let tokenizer =
        Tokenizer::from_bytes(&files.tokenizer).map_err(|error| anyhow::anyhow!("tokenizer.json: {error}"))?;
    let config = TokenizerConfig::parse(files.config.as_deref(), files.special_tokens.as_deref())?;
    Ok((tokenizer, config))
}
