use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::names::{Commit, Etag};
use crate::huggingface::{home, variable};

/// A model's folder in the cache that programs of the hub share: `refs` names commits, `snapshots` has a folder for each
/// commit with links to the files, which are in `blobs`.
pub(super) struct Cache {
    folder: PathBuf,
    revision: String,
}

impl Cache {
    /// `None` where nobody has a home.
    pub(super) fn new(id: &str, revision: &str) -> Option<Self> {
        let root = match variable("HF_HUB_CACHE") {
            Some(path) => PathBuf::from(path),
            None => home()?.join("hub"),
        };
        let folder = root.join(format!("models--{}", id.replace('/', "--")));
        Some(Self { folder, revision: revision.to_owned() })
    }

    /// Where all of the model is.
    pub(super) fn into_folder(self) -> PathBuf {
        self.folder
    }

    /// A file of the revision, if it is there.
    pub(super) fn get(&self, file: &str) -> Option<PathBuf> {
        let named = fs::read_to_string(self.reference()).ok();
        let commit =
            named.as_deref().map(str::trim).and_then(Commit::parse).or_else(|| Commit::parse(&self.revision))?;
        Some(self.snapshot(&commit).join(file)).filter(|path| path.exists())
    }

    /// Where the content of a file is, or will be.
    pub(super) fn blob(&self, etag: &Etag) -> io::Result<PathBuf> {
        let blobs = self.folder.join("blobs");
        fs::create_dir_all(&blobs)?;
        Ok(blobs.join(etag.as_str()))
    }

    /// Makes a blob that is there a file of the revision, which is that of a commit.
    pub(super) fn link(&self, file: &str, commit: &Commit, etag: &Etag) -> io::Result<PathBuf> {
        let snapshot = self.snapshot(commit);
        fs::create_dir_all(&snapshot)?;
        let path = snapshot.join(file);
        if !path.exists() {
            link(&Path::new("../../blobs").join(etag.as_str()), &path)?;
        }
        if self.revision != commit.as_str() {
            let reference = self.reference();
            if let Some(folder) = reference.parent() {
                fs::create_dir_all(folder)?;
                let mut new = tempfile::NamedTempFile::new_in(folder)?;
                io::Write::write_all(&mut new, commit.as_str().as_bytes())?;
                new.persist(&reference)?;
            }
        }
        Ok(path)
    }

    fn reference(&self) -> PathBuf {
        self.folder.join("refs").join(&self.revision)
    }

    fn snapshot(&self, commit: &Commit) -> PathBuf {
        self.folder.join("snapshots").join(commit.as_str())
    }
}

#[cfg(unix)]
fn link(target: &Path, path: &Path) -> io::Result<()> {
    // What is left of a link to a blob that is gone.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => std::os::unix::fs::symlink(target, path),
    }
}

#[cfg(not(unix))]
fn link(target: &Path, path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::copy(folder.join(target), path).map(|_| ())
}
