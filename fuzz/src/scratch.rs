//! Files for what is read by its path.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

/// A folder for as long as the process ends by itself; `run.sh` has it in memory, and takes away what a failure leaves.
pub struct Scratch(TempDir);

impl Scratch {
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// A file's path.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file anew: one that was mapped stays as it was for whoever maps it.
    #[must_use]
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        let _ = fs::remove_file(&path);
        fs::write(&path, bytes).expect("room for a file");
        path
    }
}
