use std::io;
use std::path::{Path, PathBuf};

use super::Kind;

/// A MeCab dictionary that is missing or cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MecabError {
    /// No folder has it.
    #[error("its words are those of the MeCab dictionary {0}, which is not installed")]
    Missing(Kind),
    /// The tokenizer's files say that they need one, and not which.
    #[error("its words are those of a MeCab dictionary that it does not name")]
    Unnamed,
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file that is not what MeCab compiles.
    #[error("{} is not a MeCab dictionary's, or is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A dictionary in another encoding.
    #[error("{} is in {charset}, not in UTF-8", path.display())]
    Charset {
        /// Its file of words.
        path: PathBuf,
        /// The encoding.
        charset: String,
    },
}

impl MecabError {
    pub(super) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Read { path: path.to_owned(), source }
    }

    pub(super) fn damaged(path: &Path, reason: &'static str) -> Self {
        Self::Damaged { path: path.to_owned(), reason }
    }
}
