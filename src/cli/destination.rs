//! Where the answers of a run go, and what becomes of them when all are there.

use std::fs;
use std::path::{Path, PathBuf};

use super::shard;
use crate::io::journal::{Identity, Manifest, RowCounts};
use crate::io::remote::{self, Existing, Location};
use crate::io::{self, Shard};

/// Where the answers of a run go.
pub(super) struct Destination {
    path: PathBuf,
    /// Whether it is one of several parts, beside which stands what is in it.
    is_part: bool,
}

impl Destination {
    /// `output` as it was given, or its part.
    pub(super) fn new(output: &Path, shard: Option<Shard>) -> Self {
        match shard {
            Some(shard) if !io::is_stream(output) => Self { path: shard::part(output, shard), is_part: true },
            _ => Self { path: output.to_owned(), is_part: false },
        }
    }

    /// The file that is written, or `-`.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What is said to be in the part, if it is there.
    ///
    /// # Errors
    /// The store in which it is cannot be reached.
    pub(super) fn manifest(&self) -> io::Result<Option<Manifest>> {
        if !self.is_part {
            return Ok(None);
        }
        let text = match self.location()? {
            Some(location) if location.find()?.is_some() => location.beside(&self.manifest_name()).read_all()?,
            Some(_) => None,
            None => fs::read(self.path.with_file_name(self.manifest_name())).ok().filter(|_| self.path.is_file()),
        };
        Ok(text.and_then(|text| Manifest::parse(&text)))
    }

    /// The rows of the part, if it is there already and the run of this `identity` wrote it.
    ///
    /// # Errors
    /// Another run wrote it.
    pub(super) fn complete_part(&self, identity: &Identity) -> io::Result<Option<RowCounts>> {
        let Some(manifest) = self.manifest()? else { return Ok(None) };
        let changes = manifest.changes(identity);
        if changes.is_empty() {
            return Ok(Some(manifest.counts));
        }
        Err(io::Error::PartChanged { part: self.path.display().to_string(), changes })
    }

    /// What becomes of a file that is complete.
    pub(super) fn finish(&self, identity: Identity, counts: RowCounts) -> io::Result<()> {
        if !self.is_part {
            return Ok(());
        }
        let text = Manifest::new(identity, counts).to_text()?;
        if let Some(location) = self.location()? {
            return location.beside(&self.manifest_name()).write(text.as_slice(), Existing::Replace);
        }
        let path = self.path.with_file_name(self.manifest_name());
        fs::write(&path, text).map_err(|source| io::Error::WriteTo { path, source })
    }

    fn location(&self) -> io::Result<Option<Location>> {
        remote::is_url(&self.path).then(|| Location::parse(&self.path)).transpose()
    }

    /// Hidden, so that it is no input where the parts are read.
    fn manifest_name(&self) -> String {
        format!(".{}.manifest", self.path.file_name().unwrap_or_default().display())
    }
}
