use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use crate::io::remote::ObjectFile;

/// Bytes in which to seek: of a file, or of an object elsewhere.
pub(crate) enum Blob {
    File(File),
    Object(ObjectFile),
}

impl Blob {
    pub(crate) fn size(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len()),
            Self::Object(object) => Ok(object.size()),
        }
    }

    /// The same bytes; where a clone stands may or may not change as it is read.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::File(file) => Self::File(file.try_clone()?),
            Self::Object(object) => Self::Object(object.clone()),
        })
    }
}

impl Read for Blob {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Object(object) => object.read(buffer),
        }
    }
}

impl Seek for Blob {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::File(file) => file.seek(to),
            Self::Object(object) => object.seek(to),
        }
    }
}
