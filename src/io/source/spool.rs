//! Pipes in formats that have to be read from their end.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use crate::io::error::{Error, Result};

/// Copies a pipe to a file without a name.
pub(crate) fn copy(mut pipe: impl Read, name: &Arc<str>) -> Result<File> {
    let mut copy = tempfile::tempfile().map_err(Error::Temporary)?;
    io::copy(&mut pipe, &mut copy).map_err(|source| Error::Read { name: name.clone(), source })?;
    Ok(copy)
}
