//! Files that are elsewhere: in object stores, on web servers, in data sets of the Hugging Face hub.

#[cfg(feature = "stores")]
mod bucket;
mod file;
mod hub;
#[cfg(feature = "stores")]
mod profile;
mod reader;
mod web;

use std::fmt;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

pub(crate) use file::ObjectFile;
pub(crate) use reader::ObjectReader;

use super::error::{Error, Result};
use super::source::Stamp;

/// A place that has files, such as a bucket.
trait Store: Send + Sync {
    /// What is known of a file; `None` if there is none of that name.
    fn find(&self, key: &str) -> io::Result<Option<Metadata>>;

    /// The files whose names begin so.
    fn list(&self, prefix: &str) -> io::Result<Vec<(String, Metadata)>>;

    /// These bytes of a file, all of them, if it is still the one that was found.
    fn read(&self, key: &str, found: &Metadata, range: Range<u64>) -> io::Result<Vec<u8>>;

    /// All of a file, for a server that gives no parts.
    fn stream(&self, key: &str) -> io::Result<Box<dyn Read + Send>>;

    /// Whether files can be made there.
    fn is_writable(&self) -> bool;

    /// Makes a file of all that `content` has, or none.
    fn write(&self, key: &str, content: &mut dyn Read, existing: Existing) -> io::Result<()>;
}

/// What becomes of a file that has the name of one that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    /// It stays, and it is an error.
    Keep,
    Replace,
}

/// What is known of a file before it is read.
#[derive(Debug, Clone)]
struct Metadata {
    /// `None` where a server does not say it; then it gives no parts either.
    size: Option<u64>,
    modified: Option<SystemTime>,
    /// Of this content.
    etag: Option<String>,
    /// Whether parts of it can be asked for.
    has_ranges: bool,
}

/// A name of a file, or of what lies before the names of several.
#[derive(Clone)]
pub(crate) struct Location {
    store: Arc<dyn Store>,
    /// Of the store.
    base: Arc<str>,
    key: String,
    has_patterns: bool,
}

/// A file that was found.
#[derive(Clone)]
pub(crate) struct Object {
    location: Location,
    metadata: Metadata,
}

/// Whether an argument is no path but the name of what is elsewhere.
pub(crate) fn is_url(path: &Path) -> bool {
    scheme(path).is_some()
}

/// The scheme of a URL and the rest, if it is one that is known.
fn scheme(path: &Path) -> Option<(&str, &str)> {
    const KNOWN: [&str; 11] = ["s3", "s3a", "gs", "az", "azure", "adl", "abfs", "abfss", "hf", "http", "https"];
    path.to_str()?.split_once("://").filter(|(scheme, _)| KNOWN.contains(scheme))
}

impl Location {
    /// # Errors
    /// A name that is malformed, or of a kind of store that this program was built without.
    pub(crate) fn parse(url: &Path) -> Result<Self> {
        let name = url.display().to_string();
        let malformed = |reason: &str| Error::Url { url: name.clone(), reason: reason.to_owned() };
        let (scheme, rest) = scheme(url).ok_or_else(|| malformed("it has no known scheme"))?;
        match scheme {
            "http" | "https" => {
                let (host, key) = rest.split_once('/').ok_or_else(|| malformed("it names no file"))?;
                let base = format!("{scheme}://{host}/");
                let store = Arc::new(web::Web::new(base.clone(), None));
                Ok(Self { store, base: base.into(), key: key.to_owned(), has_patterns: false })
            }
            "hf" => {
                let (data_set, key) =
                    hub::split(rest).ok_or_else(|| malformed("it is not hf://datasets/ORG/NAME/…"))?;
                let base = format!("hf://{}/", rest[..rest.len() - key.len()].trim_end_matches('/'));
                let store = Arc::new(hub::DataSet::new(data_set));
                Ok(Self { store, base: base.into(), key: key.to_owned(), has_patterns: true })
            }
            #[cfg(feature = "stores")]
            _ => {
                let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
                let base = format!("{scheme}://{bucket}/");
                let store = bucket::Bucket::new(scheme, &base).map_err(|error| malformed(&error.to_string()))?;
                Ok(Self { store: Arc::new(store), base: base.into(), key: key.to_owned(), has_patterns: true })
            }
            #[cfg(not(feature = "stores"))]
            _ => Err(Error::NoStores { url: name }),
        }
    }

    fn with_key(&self, key: String) -> Self {
        Self { key, ..self.clone() }
    }

    /// Another file beside it.
    #[cfg(feature = "cli")]
    pub(crate) fn beside(&self, name: &str) -> Self {
        let folder = self.key.rsplit_once('/').map_or("", |(folder, _)| folder);
        self.with_key(if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") })
    }

    /// Its last part, without a query.
    pub(crate) fn name(&self) -> &str {
        self.path().rsplit('/').next().unwrap_or_default()
    }

    /// Its key as a path, for what its extension says.
    pub(crate) fn path(&self) -> &str {
        if self.has_patterns { &self.key } else { self.key.split(['?', '#']).next().unwrap_or_default() }
    }

    /// The glob that it is.
    pub(crate) fn pattern(&self) -> Option<&str> {
        (self.has_patterns && self.key.contains(['*', '?', '['])).then_some(&self.key)
    }

    /// # Errors
    /// The store cannot be reached, or refuses.
    pub(crate) fn find(&self) -> Result<Option<Object>> {
        if self.key.is_empty() || self.key.ends_with('/') {
            return Ok(None);
        }
        let metadata = self.store.find(&self.key).map_err(|source| self.unreachable(source))?;
        Ok(metadata.map(|metadata| Object { location: self.clone(), metadata }))
    }

    /// The files below `folder`, in the order of their names, part by part.
    ///
    /// # Errors
    /// The store cannot be reached, or refuses.
    pub(crate) fn list(&self, folder: &str) -> Result<Vec<Object>> {
        let found = self.store.list(folder).map_err(|source| self.unreachable(source))?;
        let object = |(key, metadata)| Object { location: self.with_key(key), metadata };
        let mut objects: Vec<_> = found.into_iter().map(object).collect();
        objects.sort_by(|a, b| a.key().split('/').cmp(b.key().split('/')));
        Ok(objects)
    }

    /// All that is in it; `None` if there is no such file.
    #[cfg(feature = "cli")]
    pub(crate) fn read_all(&self) -> Result<Option<Vec<u8>>> {
        let Some(object) = self.find()? else { return Ok(None) };
        let mut content = Vec::new();
        let read = object.reader(0).and_then(|mut reader| reader.read_to_end(&mut content));
        read.map_err(|source| self.unreachable(source))?;
        Ok(Some(content))
    }

    /// # Errors
    /// A place from which files can only be read.
    pub(crate) fn refuse_read_only(&self) -> Result<()> {
        let reason = || "files can only be read from there".to_owned();
        if self.store.is_writable() { Ok(()) } else { Err(Error::Url { url: self.to_string(), reason: reason() }) }
    }

    /// Makes a file of all that `content` has. It is there when it is whole, or not at all.
    pub(crate) fn write(&self, mut content: impl Read, existing: Existing) -> Result<()> {
        self.store.write(&self.key, &mut content, existing).map_err(|source| self.unreachable(source))
    }

    fn unreachable(&self, source: io::Error) -> Error {
        Error::Remote { url: self.to_string(), source }
    }
}

/// Its URL.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.base, self.key)
    }
}

impl Object {
    pub(crate) fn key(&self) -> &str {
        &self.location.key
    }

    pub(crate) fn location(&self) -> &Location {
        &self.location
    }

    pub(crate) fn size(&self) -> Option<u64> {
        self.metadata.size
    }

    pub(crate) fn has_ranges(&self) -> bool {
        self.metadata.has_ranges
    }

    /// `None` where its size is not known.
    pub(crate) fn stamp(&self) -> Option<Stamp> {
        Some(Stamp { bytes: self.metadata.size?, modified: self.metadata.modified })
    }

    /// Where parts end, of those that are asked for.
    fn end(&self) -> u64 {
        self.metadata.size.unwrap_or_default()
    }

    /// What it holds, from this byte on.
    pub(crate) fn reader(&self, begin: u64) -> io::Result<Box<dyn Read + Send>> {
        if self.metadata.has_ranges {
            return Ok(Box::new(ObjectReader::new(self.clone(), begin)));
        }
        let mut stream = self.location.store.stream(self.key())?;
        io::copy(&mut stream.by_ref().take(begin), &mut io::sink())?;
        Ok(stream)
    }

    fn read(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let length = range.end - range.start;
        let bytes = self.location.store.read(self.key(), &self.metadata, range)?;
        if bytes.len() as u64 == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

/// By its URL: what is found under one name is one file.
impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        (&self.location.base, self.key()) == (&other.location.base, other.key())
    }
}

impl Eq for Object {}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.location)
    }
}
