//! Where rows come from: files, folders, globs, standard input; compressed or not.

mod blob;
pub(crate) mod compression;
mod objects;
pub(crate) mod partitions;
mod paths;
mod shard;
mod spool;
mod stamp;

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use blob::Blob;
use compression::Accepted;
use partitions::Partition;
pub(crate) use paths::resolve;
pub(crate) use shard::Extent;
pub use shard::Shard;
pub(crate) use stamp::Stamp;

use super::error::{Error, Result};
use super::format::{InputFormat, is_compressed};
use super::options::ReadOptions;
use super::remote::{Object, ObjectFile};

/// Where rows come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    File(PathBuf),
    /// Elsewhere.
    Object(Object),
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
    pub(crate) extent: Extent,
}

/// What `datasets` writes beside the data that it saves.
const DESCRIPTIONS: [&str; 3] = ["dataset_info.json", "dataset_dict.json", "state.json"];

/// What the text begins with that Git LFS leaves in the place of a file.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// As gzip and its kin see it: of nothing at all, they make some bytes.
const CUT: &str = "it is empty, which no compressed file is: it was cut short";

impl Source {
    /// # Errors
    /// A file that Git LFS has not fetched.
    pub(crate) fn refuse_pointer(&self) -> Result<()> {
        let mut start = Vec::new();
        if let Place::File(path) = &self.place
            && self.regular_size()?.is_some()
        {
            let mut file = self.open(path)?.take(LFS_POINTER.len() as u64);
            file.read_to_end(&mut start).map_err(|source| self.unreadable(source))?;
        }
        if start == LFS_POINTER { Err(Error::LfsPointer(self.name.clone())) } else { Ok(()) }
    }

    /// # Errors
    /// A file that is not what it was when it was found.
    pub(crate) fn refuse_change(&self) -> Result<()> {
        // Of a pipe, which may be gone by now, there is none.
        let Some(before) = self.stamp else { return Ok(()) };
        let now = match &self.place {
            Place::File(path) => std::fs::metadata(path).map(|metadata| Stamp::of(&metadata)),
            Place::Object(object) => {
                let found = object.location().find()?;
                found.and_then(|object| object.stamp()).ok_or_else(|| ErrorKind::NotFound.into())
            }
            Place::Stdin => return Ok(()),
        };
        let now = now.map_err(|source| self.unreadable(source))?;
        if now.is_as(before) {
            return Ok(());
        }
        Err(Error::Changed { name: self.name.clone(), before: before.bytes, now: now.bytes })
    }

    /// The size of a regular file, or of an object whose server says it.
    pub(crate) fn regular_size(&self) -> Result<Option<u64>> {
        match &self.place {
            Place::File(path) => {
                let metadata = std::fs::metadata(path).map_err(|source| self.unreadable(source))?;
                Ok(metadata.is_file().then_some(metadata.len()))
            }
            Place::Object(object) => Ok(object.size()),
            Place::Stdin => Ok(None),
        }
    }

    /// Bytes in which to seek: a pipe is copied, and what a server gives as a whole only.
    pub(crate) fn file(&self) -> Result<Blob> {
        match &self.place {
            Place::File(path) => self.open(path).map(Blob::File),
            Place::Object(object) if object.has_ranges() => {
                ObjectFile::new(object.clone()).map(Blob::Object).map_err(Error::Temporary)
            }
            Place::Object(_) | Place::Stdin => self.spool().map(Blob::File),
        }
    }

    /// A file: what is none is copied.
    pub(crate) fn local_file(&self) -> Result<File> {
        match &self.place {
            Place::File(path) => self.open(path),
            Place::Object(_) | Place::Stdin => self.spool(),
        }
    }

    fn open(&self, path: &Path) -> Result<File> {
        File::open(path).map_err(|source| Error::Open { name: self.name.clone(), source })
    }

    /// A copy, in a file without a name.
    pub(crate) fn spool(&self) -> Result<File> {
        spool::copy(self.raw(0).map_err(|source| self.unreadable(source))?, &self.name)
    }

    /// What messages about its rows call it. Where it begins in the middle, rows are counted from there.
    pub(crate) fn label(&self) -> Arc<str> {
        match &self.extent {
            Extent::Within(range) if range.start > 0 => format!("{} (from byte {})", self.name, range.start).into(),
            Extent::Whole | Extent::Within(_) | Extent::Nothing => self.name.clone(),
        }
    }

    /// Bytes that are read of a regular file.
    pub(crate) fn extent_size(&self) -> Result<Option<u64>> {
        Ok(self.regular_size()?.map(|size| match &self.extent {
            Extent::Whole => size,
            Extent::Within(range) => range.end - range.start,
            Extent::Nothing => 0,
        }))
    }

    /// The decompressed text that is read of it; `bytes_read` counts those that are stored.
    pub(crate) fn text(&self, bytes_read: Arc<AtomicU64>, options: &ReadOptions) -> Result<Box<dyn BufRead + Send>> {
        let raw = match &self.extent {
            Extent::Within(range) => self.lines(range).map_err(|source| self.unreadable(source))?,
            Extent::Whole | Extent::Nothing => self.raw(0).map_err(|source| self.unreadable(source))?,
        };
        let mut reader = BufReader::new(Counted { reader: raw, bytes_read });
        if self.is_compressed() && reader.fill_buf().map_err(|source| self.unreadable(source))?.is_empty() {
            return Err(self.unreadable(io::Error::new(ErrorKind::UnexpectedEof, CUT)));
        }
        let accepted = Accepted::Files { window_log_max: options.window_log_max };
        compression::decode(reader, options.encoding, accepted).map_err(|source| self.unreadable(source))
    }

    /// Whether its name says so; how, its first bytes say.
    fn is_compressed(&self) -> bool {
        match &self.place {
            Place::File(path) => is_compressed(path),
            Place::Object(object) => is_compressed(Path::new(object.location().path())),
            Place::Stdin => false,
        }
    }

    fn lines(&self, range: &Range<u64>) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(shard::Lines::new(BufReader::new(self.raw(shard::start(range))?), range)?))
    }

    /// What is stored, from this byte on.
    fn raw(&self, begin: u64) -> io::Result<Box<dyn Read + Send>> {
        match &self.place {
            Place::File(path) => {
                let mut file = File::open(path)?;
                if begin > 0 {
                    file.seek(SeekFrom::Start(begin))?;
                }
                Ok(Box::new(file))
            }
            Place::Object(object) => object.reader(begin),
            Place::Stdin => Ok(Box::new(io::stdin())),
        }
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
