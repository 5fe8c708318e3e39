use std::ops::Deref;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::MecabError;
use crate::model::map::map;

/// A file of a dictionary, mapped into memory: of 250 MB, a text touches little.
pub(super) struct DictionaryFile {
    pub(super) path: PathBuf,
    bytes: Mmap,
}

impl DictionaryFile {
    pub(super) fn open(folder: &Path, name: &str) -> Result<Self, MecabError> {
        let path = folder.join(name);
        let bytes = map(&path).map_err(MecabError::read(&path))?;
        Ok(Self { path, bytes })
    }

    /// The number at `start`, in bytes.
    pub(super) fn u32_at(&self, start: usize) -> Option<u32> {
        Some(u32::from_le_bytes(*self.bytes.get(start..)?.first_chunk()?))
    }

    pub(super) fn damaged(&self, reason: &'static str) -> MecabError {
        MecabError::damaged(&self.path, reason)
    }
}

impl Deref for DictionaryFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}
