use std::fs::Metadata;
use std::time::SystemTime;

/// What shows that a file was written to: its size, and when that last happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) bytes: u64,
    /// Where the file system knows.
    pub(crate) modified: Option<SystemTime>,
}

impl Stamp {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self { bytes: metadata.len(), modified: metadata.modified().ok() }
    }

    /// Whether nothing shows that it was written to since then.
    pub(crate) fn is_as(self, before: Self) -> bool {
        let is_later = self.modified.zip(before.modified).is_some_and(|(now, before)| now != before);
        self.bytes == before.bytes && !is_later
    }
}
