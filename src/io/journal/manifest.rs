//! What stands beside a part of an output that is complete: which run wrote it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::entry::RowCounts;
use super::identity::Identity;
use crate::io::error::Result;

/// Which run wrote a part, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    identity: Value,
    pub(crate) counts: RowCounts,
}

impl Manifest {
    pub(crate) fn new(identity: Identity, counts: RowCounts) -> Self {
        Self { identity: identity.into_json(), counts }
    }

    /// `None` if it is none.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    pub(crate) fn to_text(&self) -> Result<Vec<u8>> {
        let mut text = serde_json::to_vec(self)?;
        text.push(b'\n');
        Ok(text)
    }

    /// How a run differs from the one that wrote the part, for people.
    pub(crate) fn changes(&self, identity: &Identity) -> Vec<String> {
        identity.changes(&self.identity)
    }
}
