//! What the JSON files beside a vocabulary say.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokenizers::{AddedToken, Tokenizer};

use super::TokenizerError;
use super::class::{Algorithm, Class, Form, Forms, Pieces};
use super::fault::Fault;
use super::{ADDED_TOKENS, SPECIAL_TOKENS, SpecialRole, TOKENIZER_CONFIG, fault_in};

/// What config.json says of the tokenizer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(in crate::model) struct ModelConfig {
    pub model_type: Option<String>,
    tokenizer_class: Option<String>,
}

impl ModelConfig {
    /// Nothing of a file that is malformed: its errors are those of loading the model.
    pub(in crate::model) fn parse(config: &[u8]) -> Self {
        serde_json::from_slice(config).unwrap_or_default()
    }

    /// That of a model of which no more is known.
    #[cfg(feature = "torch")]
    pub(in crate::model) fn of(model_type: &str) -> Self {
        Self { model_type: Some(model_type.to_owned()), tokenizer_class: None }
    }
}

/// What tokenizer_config.json, special_tokens_map.json and added_tokens.json say, and what the tokenizer's class
/// assumes where they don't: as transformers 4.57.1 reads them.
#[derive(Debug)]
pub(super) struct Settings {
    config: Map<String, Value>,
    class: &'static Class,
    /// A class that is not known.
    unknown_class: Option<String>,
    /// The class of the model where the tokenizer's own assumes nothing.
    fallback: &'static Class,
    /// By id, in the order in which they are added.
    added: BTreeMap<u32, AddedToken>,
    /// Whether `added` comes from the older files.
    legacy: bool,
}

/// A special or an added token in JSON: its text, or all about it.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Token {
    Text(String),
    Full {
        content: String,
        #[serde(default)]
        single_word: bool,
        #[serde(default)]
        lstrip: bool,
        #[serde(default)]
        rstrip: bool,
        normalized: Option<bool>,
        #[serde(default)]
        special: bool,
    },
}

impl Token {
    fn text(&self) -> &str {
        match self {
            Self::Text(content) | Self::Full { content, .. } => content,
        }
    }

    fn into_text(self) -> String {
        match self {
            Self::Text(content) | Self::Full { content, .. } => content,
        }
    }

    /// A token of which only the text is given is special.
    fn into_added(self) -> AddedToken {
        match self {
            Self::Text(content) => AddedToken::from(content, true),
            Self::Full { content, single_word, lstrip, rstrip, normalized, special } => {
                let normalized = normalized.unwrap_or(!special);
                AddedToken { content, single_word, lstrip, rstrip, normalized, special }
            }
        }
    }
}

impl Settings {
    /// `model` is what the config.json beside the files says.
    pub(super) fn new(config: ConfigFile, legacy: &Legacy, model: &ModelConfig) -> Result<Self, TokenizerError> {
        let ConfigFile { mut config, added } = config;
        let (added, legacy) = match added {
            Some(added) => (added, false),
            None => (read_legacy(legacy, &mut config)?, true),
        };
        let class: Option<String> = option(&config, "tokenizer_class").map_err(fault_in(TOKENIZER_CONFIG))?;
        let class = class.or_else(|| model.tokenizer_class.clone());
        let fallback = model.model_type.as_deref().map_or(Class::generic(), Class::of);
        let (class, unknown_class) = match class {
            None => (fallback, None),
            Some(name) => match Class::named(&name) {
                Some(class) => (class, None),
                None => (Class::generic(), Some(name)),
            },
        };
        Ok(Self { config, class, unknown_class, fallback, added, legacy })
    }

    /// The tokenizer's class.
    pub(super) fn class(&self) -> &'static Class {
        self.class
    }

    /// The name of a class that is not known.
    pub(super) fn unknown_class(&self) -> Option<&str> {
        self.unknown_class.as_deref()
    }

    /// Whether tokenizer_config.json has an entry that is null.
    pub(super) fn is_null(&self, key: &str) -> bool {
        self.config.get(key).is_some_and(Value::is_null)
    }

    /// A switch of tokenizer_config.json; one that is null is off, as in Python.
    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool, TokenizerError> {
        if self.is_null(key) {
            return Ok(false);
        }
        Ok(self.option(key)?.unwrap_or(default))
    }

    /// An entry of tokenizer_config.json; `None` where it is missing or null.
    pub(super) fn option<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, TokenizerError> {
        option(&self.config, key).map_err(fault_in(TOKENIZER_CONFIG))
    }

    /// The special token with a role, as the files or the class have it.
    fn special_token(&self, role: SpecialRole) -> Result<Option<Token>, TokenizerError> {
        if self.config.contains_key(role.key()) {
            return self.option(role.key());
        }
        let assumed = self.class.special_tokens[role as usize];
        Ok(Some(assumed).filter(|token| !token.is_empty()).map(|token| Token::Text(token.to_owned())))
    }

    /// The text of a special token that the tokenizer cannot do without.
    pub(super) fn required_token(&self, role: SpecialRole) -> Result<String, TokenizerError> {
        let token = self.special_token(role)?;
        token.map(Token::into_text).ok_or_else(|| fault_in(TOKENIZER_CONFIG)(Fault::NoToken(role.key())))
    }

    /// The text of the classifier token, if there is one.
    pub(super) fn cls_token(&self) -> Result<Option<String>, TokenizerError> {
        let own = self.special_token(SpecialRole::Cls)?.map(Token::into_text);
        let assumed = self.fallback.special_tokens[SpecialRole::Cls as usize];
        Ok(own.or_else(|| Some(assumed.to_owned()).filter(|token| !token.is_empty())))
    }

    /// Whether the model is given token types: if the names of its inputs have them or, where these are not given, if
    /// the class makes them.
    pub(super) fn token_types(&self) -> Result<bool, TokenizerError> {
        let names: Option<Vec<String>> = self.option("model_input_names")?;
        Ok(names.map_or(self.class.token_types, |names| names.iter().any(|name| name == "token_type_ids")))
    }

    /// Sentinels that a class of T5 has beyond its vocabulary.
    pub(super) fn extra_ids(&self) -> Result<u16, TokenizerError> {
        Ok(self.option("extra_ids")?.unwrap_or(100))
    }

    /// All special tokens, each once. `known` has tokens by their text, which stand for special ones of that text.
    fn special_tokens(
        &self,
        forms: Forms,
        known: &HashMap<&str, &AddedToken>,
    ) -> Result<Vec<SpecialToken>, TokenizerError> {
        let mut tokens = Vec::new();
        for role in SpecialRole::ALL {
            let Some(token) = self.special_token(role)? else { continue };
            let form = match role {
                SpecialRole::Mask => forms.mask,
                SpecialRole::Unk => forms.unk,
                // The class of T5 knows no others.
                _ if self.class.special_tokens[role as usize].is_empty() => None,
                _ => forms.most,
            };
            let given = self.config.contains_key(role.key());
            tokens.push(match (known.get(token.text()).filter(|_| given), token, form) {
                (Some(known), ..) => SpecialToken { token: (*known).clone(), full: true },
                (None, token @ Token::Full { .. }, _) => SpecialToken { token: token.into_added(), full: true },
                (None, Token::Text(content), Some(Form { lstrip, normalized })) => {
                    let token = AddedToken::from(content, true).lstrip(lstrip).normalized(normalized);
                    SpecialToken { token, full: true }
                }
                (None, Token::Text(content), None) => {
                    SpecialToken { token: AddedToken::from(content, true), full: false }
                }
            });
        }
        let additional: Vec<Token> = self.option("additional_special_tokens")?.unwrap_or_default();
        tokens.extend(additional.into_iter().map(|token| {
            let full = matches!(token, Token::Full { .. });
            SpecialToken { token: token.into_added(), full }
        }));
        let assumed = self.class.additional_special_tokens.iter().map(|token| (*token).to_owned());
        let sentinels = match self.class.algorithm {
            Algorithm::SentencePiece(Pieces::T5) => self.extra_ids()?,
            _ => 0,
        };
        let assumed = assumed.chain((0..sentinels).map(|id| format!("<extra_id_{id}>")));
        tokens.extend(assumed.map(|token| SpecialToken { token: AddedToken::from(token, true), full: false }));
        let mut seen = HashSet::new();
        tokens.retain(|special| !special.token.content.is_empty() && seen.insert(special.token.content.clone()));
        Ok(tokens)
    }

    /// Adds what the files add to the vocabulary of a tokenizer that was built, and the special tokens that it lacks.
    pub(super) fn add_tokens(&self, tokenizer: &mut Tokenizer) -> Result<(), TokenizerError> {
        let known = if self.legacy { BTreeMap::new() } else { self.added.clone() };
        self.add_to(tokenizer, self.class.built, known.values())
    }

    /// The same, to a tokenizer that was parsed.
    pub(super) fn add_tokens_to_parsed(&self, tokenizer: &mut Tokenizer) -> Result<(), TokenizerError> {
        let there = tokenizer.get_added_tokens_decoder();
        match self.legacy {
            true => self.add_to(tokenizer, self.class.parsed, there.values()),
            false => self.add_to(tokenizer, self.class.parsed, self.added.values()),
        }
    }

    fn add_to<'a>(
        &self,
        tokenizer: &mut Tokenizer,
        forms: Forms,
        known: impl Iterator<Item = &'a AddedToken>,
    ) -> Result<(), TokenizerError> {
        let there: HashMap<String, AddedToken> =
            tokenizer.get_added_tokens_decoder().into_values().map(|token| (token.content.clone(), token)).collect();
        let mut tokens: Vec<AddedToken> =
            self.added.values().filter(|token| there.get(&token.content) != Some(token)).cloned().collect();
        let special = self.special_tokens(forms, &known.map(|token| (token.content.as_str(), token)).collect())?;
        let new: HashSet<String> = tokens.iter().map(|token| token.content.clone()).collect();
        let missing = special.iter().filter(|special| {
            let content = &special.token.content;
            !new.contains(content) && (special.full || !there.contains_key(content))
        });
        tokens.extend(missing.map(|special| special.token.clone()));
        let names: HashSet<&str> = special.iter().map(|special| special.token.content.as_str()).collect();
        for token in &mut tokens {
            token.special |= names.contains(token.content.as_str());
            // The reference finds a token that it ever added as raw text there before it normalizes, whatever follows.
            token.normalized &= there.get(&token.content).is_none_or(|there| there.normalized);
        }
        tokenizer.add_tokens(tokens).map_err(Fault::tokenizers).map_err(fault_in(TOKENIZER_CONFIG))?;
        Ok(())
    }
}

struct SpecialToken {
    token: AddedToken,
    /// More than its text is given, and takes the place of what the vocabulary has.
    full: bool,
}

/// tokenizer_config.json.
#[derive(Debug)]
pub(super) struct ConfigFile {
    config: Map<String, Value>,
    /// `None` where it says nothing of added tokens.
    added: Option<BTreeMap<u32, AddedToken>>,
}

impl ConfigFile {
    pub(super) fn parse(json: Option<&[u8]>) -> Result<Self, TokenizerError> {
        let config = object(json, TOKENIZER_CONFIG)?;
        let added: Option<BTreeMap<u32, Token>> =
            option(&config, "added_tokens_decoder").map_err(fault_in(TOKENIZER_CONFIG))?;
        let added = added.map(|added| added.into_iter().map(|(id, token)| (id, token.into_added())).collect());
        Ok(Self { config, added })
    }

    /// Whether the older files are read beside it.
    pub(super) fn needs_legacy(&self) -> bool {
        self.added.is_none()
    }
}

/// Files that older versions of transformers wrote beside tokenizer_config.json.
#[derive(Debug, Default)]
pub(super) struct Legacy {
    /// special_tokens_map.json
    pub special_tokens: Option<super::Bytes>,
    /// added_tokens.json
    pub added_tokens: Option<super::Bytes>,
}

/// Puts the special tokens in the place of those of tokenizer_config.json; returns the added tokens.
fn read_legacy(legacy: &Legacy, config: &mut Map<String, Value>) -> Result<BTreeMap<u32, AddedToken>, TokenizerError> {
    for (key, mut value) in object(legacy.special_tokens.as_deref(), SPECIAL_TOKENS)? {
        if let Value::Object(token) = &mut value {
            // It is special, whether it says so or not.
            token.insert("special".to_owned(), Value::Bool(true));
        }
        config.insert(key, value);
    }
    let Some(json) = legacy.added_tokens.as_deref() else { return Ok(BTreeMap::new()) };
    let tokens: HashMap<String, u32> =
        serde_json::from_slice(json).map_err(Fault::Vocabulary).map_err(fault_in(ADDED_TOKENS))?;
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        value => value.get("content").and_then(Value::as_str).map(str::to_owned),
    };
    let roles = SpecialRole::ALL.into_iter().filter_map(|role| config.get(role.key()));
    let additional = config.get("additional_special_tokens").and_then(Value::as_array).into_iter().flatten();
    let special: HashSet<String> = roles.chain(additional).filter_map(text).collect();
    let added = tokens.into_iter().map(|(token, id)| {
        let special = special.contains(&token);
        (id, AddedToken::from(token, special))
    });
    Ok(added.collect())
}

/// An entry; `None` where it is missing or null.
fn option<T: DeserializeOwned>(config: &Map<String, Value>, key: &str) -> Result<Option<T>, Fault> {
    match config.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => T::deserialize(value).map(Some).map_err(|source| Fault::Option { key: key.to_owned(), source }),
    }
}

fn object(json: Option<&[u8]>, file: &'static str) -> Result<Map<String, Value>, TokenizerError> {
    let Some(json) = json else { return Ok(Map::new()) };
    serde_json::from_slice(json).map_err(Fault::Json).map_err(fault_in(file))
}
