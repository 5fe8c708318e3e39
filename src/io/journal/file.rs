//! The journal's file.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use crate::io::error::{Error, Result};

pub(super) fn create(path: &Path) -> Result<File> {
    let file = match File::options().read(true).write(true).create_new(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(Error::JournalInUse(path.to_owned())),
        Err(source) => return Err(failed(path, source)),
    };
    lock(&file, path)?;
    Ok(file)
}

/// Keeps other runs away for as long as the file is open. Where the file system has no locks, its name has to do.
/// Whether there are locks.
pub(super) fn lock(file: &File, path: &Path) -> Result<bool> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(Error::JournalInUse(path.to_owned())),
        Ok(()) => Ok(true),
        Err(TryLockError::Error(_)) => Ok(false),
    }
}

pub(super) fn failed(path: &Path, source: io::Error) -> Error {
    Error::Journal { path: path.to_owned(), source }
}
