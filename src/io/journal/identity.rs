//! What tells a run from others: its inputs, its model, and all options on which its output depends.

use std::io::{Read, Seek, SeekFrom};
use std::time::UNIX_EPOCH;

use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::io::error::{Error, Result};
use crate::io::options::{ReadOptions, WriteOptions};
use crate::io::read::Input;
use crate::io::source::{Extent, Source, Stamp};

/// Of each end of an input, so much is hashed.
const END: u64 = 64 << 10;

/// Changes that a message names.
const NAMED: usize = 5;

/// What tells a run from others.
#[derive(Clone, Default)]
pub(crate) struct Identity(Map<String, Value>);

#[derive(Serialize)]
struct InputIdentity<'a> {
    name: &'a str,
    extent: &'a Extent,
    #[serde(flatten)]
    file: Option<FileIdentity>,
}

#[derive(Serialize)]
struct FileIdentity {
    bytes: u64,
    /// In nanoseconds since 1970.
    modified: Option<u64>,
    /// Of its first and its last bytes.
    sha256: String,
}

impl Identity {
    /// # Errors
    /// An input that cannot be read.
    pub(crate) fn new(input: &Input, read: &ReadOptions, write: &WriteOptions) -> Result<Self> {
        let inputs = input.sources().map(InputIdentity::of).collect::<Result<Vec<_>>>()?;
        Self::default()
            .with("journal", &1)?
            .with("bertqa", &env!("CARGO_PKG_VERSION"))?
            .with("inputs", &inputs)?
            .with("read", read)?
            .with("write", write)
    }

    /// With something else on which the output depends.
    pub(crate) fn with(mut self, name: &str, value: &impl Serialize) -> Result<Self> {
        self.0.insert(name.to_owned(), serde_json::to_value(value)?);
        Ok(self)
    }

    pub(super) fn into_json(self) -> Value {
        Value::Object(self.0)
    }

    /// How it differs from one that was written down, for people.
    pub(super) fn changes(&self, before: &Value) -> Vec<String> {
        changes(before, &Value::Object(self.0.clone()))
    }
}

impl<'a> InputIdentity<'a> {
    fn of(source: &'a Source) -> Result<Self> {
        let file = source.stamp.map(|stamp| FileIdentity::of(source, stamp)).transpose()?;
        Ok(Self { name: &source.name, extent: &source.extent, file })
    }
}

impl FileIdentity {
    fn of(source: &Source, Stamp { bytes, modified }: Stamp) -> Result<Self> {
        let modified = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified = modified.and_then(|since| u64::try_from(since.as_nanos()).ok());
        let sha256 = ends(source, bytes).map_err(|error| Error::Read { name: source.name.clone(), source: error })?;
        Ok(Self { bytes, modified, sha256 })
    }
}

fn ends(source: &Source, bytes: u64) -> std::io::Result<String> {
    let mut file = source.file().map_err(std::io::Error::other)?;
    let (mut hash, mut end) = (Sha256::new(), Vec::new());
    for start in [0, bytes.saturating_sub(END)] {
        file.seek(SeekFrom::Start(start))?;
        end.clear();
        file.by_ref().take(END).read_to_end(&mut end)?;
        hash.update(&end);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// How `now` differs from `before`, for people.
pub(super) fn changes(before: &Value, now: &Value) -> Vec<String> {
    let mut changes = Vec::new();
    compare("", before, now, &mut changes);
    if changes.len() > NAMED {
        let others = changes.len() - NAMED;
        changes.truncate(NAMED);
        changes.push(format!("and {others} more"));
    }
    changes
}

fn compare(name: &str, before: &Value, now: &Value, changes: &mut Vec<String>) {
    let inner = |part: &str| if name.is_empty() { part.to_owned() } else { format!("{name}.{part}") };
    match (before, now) {
        _ if before == now => {}
        (Value::Object(old), Value::Object(new)) => {
            for key in old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))) {
                let at = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
                compare(&inner(key), &at(old), &at(new), changes);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                let named = old.get("name").and_then(Value::as_str).filter(|name| new["name"] == **name);
                let label = named.map_or_else(|| inner(&index.to_string()), |name| format!("`{name}`"));
                compare(&label, old, new, changes);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.iter().chain(new).all(|element| element["name"].is_string()) => {
            changes.push(format!("{name} were {}, and are {}", old.len(), new.len()));
        }
        _ => changes.push(format!("{name} was {before}, and is {now}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_are_named() {
        let before = json!({"inputs": [{"name": "a.csv", "bytes": 1}], "read": {"id": null, "question": "q"}});
        let differs = |now: Value| changes(&before, &now);
        assert!(differs(before.clone()).is_empty());
        assert_eq!(
            differs(json!({"inputs": [{"name": "a.csv", "bytes": 2}], "read": {"id": "x", "question": "q"}})),
            ["`a.csv`.bytes was 1, and is 2", "read.id was null, and is \"x\""]
        );
        assert_eq!(
            differs(json!({"inputs": [{"name": "b.csv", "bytes": 1}], "read": before["read"]})),
            ["inputs.0.name was \"a.csv\", and is \"b.csv\""]
        );
        assert_eq!(
            differs(json!({"inputs": [before["inputs"][0], before["inputs"][0]], "read": before["read"]})),
            ["inputs were 1, and are 2"]
        );
        assert_eq!(differs(json!({})).len(), 2);
    }
}
