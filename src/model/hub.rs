use std::borrow::Cow;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use hf_hub::api::sync::{ApiBuilder, ApiError, ApiRepo};
use hf_hub::{Cache, CacheRepo, Repo, RepoType};

use super::folder::{CONFIG, tokenizer_files, unreadable};
use super::tokenizer::{self, Bytes, ModelConfig, TokenizerFiles};
use super::weights::Weights;
use super::{Files, ModelError, weights};

/// Whether this can be the id of a model: `name` or `organisation/name`.
pub(super) fn is_id(id: &str) -> bool {
    let allowed = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    let parts: Vec<_> = id.split('/').collect();
    parts.len() <= 2 && parts.into_iter().all(allowed)
}

/// The files of a model, with the tokenizer of a folder if one is given.
pub(super) fn files(id: &str, revision: Option<&str>, tokenizer: Option<&Path>) -> Result<Files, ModelError> {
    let hub = Hub::new(id, revision)?;
    let weights = hub.weights()?;
    let config = read(hub.required(CONFIG)?)?;
    let model = ModelConfig::parse(&config);
    Ok(Files {
        config,
        weights,
        tokenizer: match tokenizer {
            Some(folder) => tokenizer_files(folder, model)?,
            None => TokenizerFiles::find(&hub, &model)?,
        },
    })
}

/// A model's files: what the cache has comes from there, the rest from the network unless that is turned off.
struct Hub<'a> {
    id: &'a str,
    cached: CacheRepo,
    /// `None` under HF_HUB_OFFLINE.
    online: Option<ApiRepo>,
}

impl<'a> Hub<'a> {
    /// HF_HOME or HF_HUB_CACHE say where the cache is, HF_ENDPOINT where the hub is, and HF_TOKEN who asks.
    fn new(id: &'a str, revision: Option<&str>) -> Result<Self, ModelError> {
        let cache = variable("HF_HUB_CACHE").map_or_else(Cache::from_env, |path| Cache::new(path.into()));
        let revision = revision.unwrap_or("main").to_owned();
        let repo = Repo::with_revision(id.to_owned(), RepoType::Model, revision);
        let cached = cache.repo(repo.clone());
        let online = if is_set("HF_HUB_OFFLINE") {
            None
        } else {
            let token = variable("HF_TOKEN").or_else(|| cache.token());
            let mut builder = ApiBuilder::from_cache(cache).with_token(token).with_retries(3);
            // Progress is for people; a pipe or a log gets none.
            builder = builder.with_progress(std::io::IsTerminal::is_terminal(&std::io::stderr()));
            if let Some(endpoint) = variable("HF_ENDPOINT") {
                builder = builder.with_endpoint(endpoint.trim_end_matches('/').to_owned());
            }
            Some(builder.build().map_err(ModelError::HubClient)?.repo(repo))
        };
        Ok(Self { id, cached, online })
    }

    /// The weights in the best of the files that have any. Those in the cache come first, so that the hub is not asked
    /// for better ones at every start.
    fn weights(&self) -> Result<Weights, ModelError> {
        let mut path = weights::NAMES.into_iter().find_map(|name| self.cached.get(name));
        for name in weights::NAMES {
            if path.is_none() {
                path = self.optional(name)?;
            }
        }
        let path = path.ok_or_else(|| self.absent(weights::USUAL))?;
        weights::read(&path, |shard| self.required(shard))
    }

    fn required(&self, file: &str) -> Result<PathBuf, ModelError> {
        self.optional(file)?.ok_or_else(|| self.absent(file))
    }

    fn absent(&self, file: &str) -> ModelError {
        let (id, file) = (self.id.to_owned(), file.to_owned());
        match self.online {
            Some(_) => ModelError::NotOnHub { id, file },
            None => ModelError::NotCached { id, file },
        }
    }

    fn optional(&self, file: &str) -> Result<Option<PathBuf>, ModelError> {
        if let Some(path) = self.cached.get(file) {
            return Ok(Some(path));
        }
        let Some(online) = &self.online else { return Ok(None) };
        match online.get(file) {
            Ok(path) => Ok(Some(path)),
            Err(error) if is_not_found(&error) => Ok(None),
            Err(source) => Err(ModelError::Fetch { id: self.id.to_owned(), file: file.to_owned(), source }),
        }
    }
}

impl tokenizer::Files for Hub<'_> {
    fn name(&self) -> String {
        self.id.to_owned()
    }

    fn optional(&self, file: &'static str) -> Result<Option<Bytes>, ModelError> {
        self.optional(file)?.map(read).transpose()
    }

    fn required(&self, file: &'static str) -> Result<Bytes, ModelError> {
        read(self.required(file)?)
    }
}

fn read(path: PathBuf) -> Result<Bytes, ModelError> {
    fs::read(&path).map(Cow::Owned).map_err(unreadable(&path))
}

/// The hub answers 401 to who may not know whether a model exists.
fn is_not_found(error: &ApiError) -> bool {
    match error {
        ApiError::RequestError(error) => matches!(**error, ureq::Error::StatusCode(404 | 401)),
        _ => false,
    }
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// As huggingface_hub reads its switches.
fn is_set(name: &str) -> bool {
    variable(name).is_some_and(|value| matches!(value.to_ascii_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE"))
}
