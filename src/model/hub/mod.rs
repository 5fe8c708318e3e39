//! Models of the Hugging Face hub: fetched once, and kept in the cache that other programs of the hub use.
//!
//! What a hub says is not believed before it is checked: names become paths only if they are plain, and a file is kept
//! only if it is whole.

mod cache;
mod client;
mod content;
mod names;

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use super::folder::{CONFIG, tokenizer_files, unreadable};
use super::tokenizer::{self, Bytes, ModelConfig, TokenizerFiles};
use super::weights::Weights;
use super::{Files, ModelError, weights};
use crate::huggingface::{self, variable};
use cache::Cache;
use client::Client;
pub use client::HubError;
pub use content::ContentError;
pub(super) use names::is_id;
use names::is_revision;

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

/// What is wrong with the files of a model, with the folder in which the cache has them.
pub(super) fn cached(id: &str, revision: Option<&str>, error: ModelError) -> ModelError {
    match Cache::new(id, revision.unwrap_or_default()).map(Cache::into_folder) {
        Some(folder) => ModelError::Cached { folder, source: Box::new(error) },
        None => error,
    }
}

/// A model's files: what the cache has comes from there, the rest from the network unless that is turned off.
struct Hub<'a> {
    id: &'a str,
    revision: &'a str,
    cache: Cache,
    /// `None` under HF_HUB_OFFLINE.
    online: Option<Client>,
}

impl<'a> Hub<'a> {
    /// HF_HOME or HF_HUB_CACHE say where the cache is, HF_ENDPOINT where the hub is, and HF_TOKEN who asks.
    fn new(id: &'a str, revision: Option<&'a str>) -> Result<Self, ModelError> {
        let revision = revision.unwrap_or("main");
        if !is_revision(revision) {
            return Err(ModelError::RevisionName(revision.to_owned()));
        }
        let cache = Cache::new(id, revision).ok_or_else(|| failed(id, CONFIG)(HubError::NoCache))?;
        let online = !is_set("HF_HUB_OFFLINE");
        let online = online.then(|| Client::new(huggingface::token()));
        Ok(Self { id, revision, cache, online })
    }

    /// The weights in the best of the files that have any. Those in the cache come first, so that the hub is not asked
    /// for better ones at every start.
    fn weights(&self) -> Result<Weights, ModelError> {
        let mut path = weights::NAMES.into_iter().find_map(|name| self.cache.get(name));
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
        if let Some(path) = self.cache.get(file) {
            return Ok(Some(path));
        }
        let Some(client) = &self.online else { return Ok(None) };
        self.fetch(client, file).map_err(failed(self.id, file))
    }

    fn fetch(&self, client: &Client, file: &str) -> Result<Option<PathBuf>, HubError> {
        let Some(remote) = client.find(self.id, self.revision, file)? else { return Ok(None) };
        let blob = self.cache.blob(&remote.etag)?;
        if !blob.exists() {
            client.fetch(&remote, file, &blob)?;
        }
        Ok(Some(self.cache.link(file, &remote.commit, &remote.etag)?))
    }
}

fn failed(id: &str, file: &str) -> impl FnOnce(HubError) -> ModelError {
    move |source| ModelError::Fetch { id: id.to_owned(), file: file.to_owned(), source }
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

/// As huggingface_hub reads its switches.
fn is_set(name: &str) -> bool {
    variable(name).is_some_and(|value| matches!(value.to_ascii_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE"))
}
