//! Where rows come from: files, folders, globs, standard input; compressed or not.

pub(crate) mod compression;
pub(crate) mod partitions;
mod paths;
mod spool;
mod stamp;

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use compression::Accepted;
use partitions::Partition;
pub(crate) use paths::resolve;
pub(crate) use stamp::Stamp;

use super::error::{Error, Result};
use super::format::{InputFormat, is_compressed};
use super::options::ReadOptions;

/// Where rows come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    File(PathBuf),
    Stdin,
}

/// An input, whose format is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// For messages: the path as the user gave it, or `<stdin>`.
    pub(crate) name: Arc<str>,
    pub(crate) place: Place,
    pub(crate) format: InputFormat,
    /// Columns that its folders name.
    pub(crate) partitions: Vec<Partition>,
    /// Of a regular file, when it was found.
    pub(crate) stamp: Option<Stamp>,
}

/// What the text begins with that Git LFS leaves in the place of a file.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// As gzip and its kin see it: of nothing at all, they make some bytes.
const CUT: &str = "it is empty, which no compressed file is: it was cut short";

impl Source {
    /// # Errors
    /// A file that Git LFS has not fetched.
    pub(crate) fn refuse_pointer(&self) -> Result<()> {
        let mut start = Vec::new();
        if self.regular_size()?.is_some() {
            let mut file = self.file()?.take(LFS_POINTER.len() as u64);
            file.read_to_end(&mut start).map_err(|source| self.unreadable(source))?;
        }
        if start == LFS_POINTER { Err(Error::LfsPointer(self.name.clone())) } else { Ok(()) }
    }

    /// # Errors
    /// A file that is not what it was when it was found.
    pub(crate) fn refuse_change(&self) -> Result<()> {
        let (Place::File(path), Some(before)) = (&self.place, self.stamp) else { return Ok(()) };
        let metadata = std::fs::metadata(path).map_err(|source| self.unreadable(source))?;
        let now = Stamp::of(&metadata);
        if now == before {
            return Ok(());
        }
        Err(Error::Changed { name: self.name.clone(), before: before.bytes, now: now.bytes })
    }

    /// The size of a regular file.
    pub(crate) fn regular_size(&self) -> Result<Option<u64>> {
        let Place::File(path) = &self.place else { return Ok(None) };
        let metadata = std::fs::metadata(path).map_err(|source| self.unreadable(source))?;
        Ok(metadata.is_file().then_some(metadata.len()))
    }

    /// A file in which to seek: a pipe is copied.
    pub(crate) fn file(&self) -> Result<File> {
        match &self.place {
            Place::File(path) => File::open(path).map_err(|source| Error::Open { name: self.name.clone(), source }),
            Place::Stdin => self.spool(),
        }
    }

    /// A copy, in a file without a name.
    pub(crate) fn spool(&self) -> Result<File> {
        spool::copy(self.raw()?, &self.name)
    }

    /// The decompressed text; `bytes_read` counts those that are stored.
    pub(crate) fn text(&self, bytes_read: Arc<AtomicU64>, options: &ReadOptions) -> Result<Box<dyn BufRead + Send>> {
        let mut reader = BufReader::new(Counted { reader: self.raw()?, bytes_read });
        if self.is_compressed() && reader.fill_buf().map_err(|source| self.unreadable(source))?.is_empty() {
            return Err(self.unreadable(io::Error::new(ErrorKind::UnexpectedEof, CUT)));
        }
        let accepted = Accepted::Files { window_log_max: options.window_log_max };
        compression::decode(reader, options.encoding, accepted).map_err(|source| self.unreadable(source))
    }

    /// Whether its name says so; how, its first bytes say.
    fn is_compressed(&self) -> bool {
        matches!(&self.place, Place::File(path) if is_compressed(path))
    }

    fn raw(&self) -> Result<Box<dyn Read + Send>> {
        Ok(match &self.place {
            Place::File(_) => Box::new(self.file()?),
            Place::Stdin => Box::new(io::stdin()),
        })
    }

    fn unreadable(&self, source: io::Error) -> Error {
        Error::Read { name: self.name.clone(), source }
    }
}

struct Counted<R> {
    reader: R,
    bytes_read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.bytes_read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
