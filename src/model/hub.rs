use std::borrow::Cow;
use std::env;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use hf_hub::api::sync::{ApiBuilder, ApiError, ApiRepo};
use hf_hub::{Cache, CacheRepo, Repo, RepoType};

use super::folder::{CONFIG, SPECIAL_TOKENS, TOKENIZER, TOKENIZER_CONFIG, WEIGHTS, map};
use super::{Files, TokenizerFiles};

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

pub(super) fn files(id: &str, revision: Option<&str>, with_tokenizer: bool) -> anyhow::Result<Files> {
    let hub = Hub::new(id, revision)?;
    let weights = hub.required(WEIGHTS)?;
    Ok(Files {
        config: hub.read(CONFIG)?,
        weights: map(&weights).with_context(|| format!("cannot read {}", weights.display()))?,
        tokenizer: if with_tokenizer {
            TokenizerFiles {
                tokenizer: hub.read(TOKENIZER)?,
                config: hub.read_optional(TOKENIZER_CONFIG)?,
                special_tokens: hub.read_optional(SPECIAL_TOKENS)?,
            }
        } else {
            TokenizerFiles { tokenizer: Cow::default(), config: None, special_tokens: None }
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
    fn new(id: &'a str, revision: Option<&str>) -> anyhow::Result<Self> {
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
            Some(builder.build().context("cannot set up the connection to the hub")?.repo(repo))
        };
        Ok(Self { id, cached, online })
    }

    fn required(&self, name: &str) -> anyhow::Result<PathBuf> {
        self.optional(name)?.ok_or_else(|| {
            if self.online.is_some() {
                anyhow!(
                    "{0} has no {name} on the hub: a model needs config.json, model.safetensors and tokenizer.json \
                     (or there is no model {0}, or it needs HF_TOKEN to be set); nor is there a folder {0}",
                    self.id
                )
            } else {
                anyhow!("{name} of {} is not in the cache, and HF_HUB_OFFLINE forbids to fetch it", self.id)
            }
        })
    }

    fn optional(&self, name: &str) -> anyhow::Result<Option<PathBuf>> {
        if let Some(path) = self.cached.get(name) {
            return Ok(Some(path));
        }
        let Some(online) = &self.online else { return Ok(None) };
        match online.get(name) {
            Ok(path) => Ok(Some(path)),
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(error).with_context(|| {
                format!("there is no folder {0}, and {name} of {0} can't be fetched from the hub", self.id)
            }),
        }
    }

    fn read(&self, name: &str) -> anyhow::Result<Cow<'static, [u8]>> {
        read(self.required(name)?)
    }

    fn read_optional(&self, name: &str) -> anyhow::Result<Option<Cow<'static, [u8]>>> {
        self.optional(name)?.map(read).transpose()
    }
}

fn read(path: PathBuf) -> anyhow::Result<Cow<'static, [u8]>> {
    fs::read(&path).map(Cow::Owned).with_context(|| format!("cannot read {}", path.display()))
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
