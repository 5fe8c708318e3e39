//! Buckets of Amazon S3 and what is like it, Google Cloud Storage, Azure Blob Storage.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{
    BackoffConfig, Error, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload,
    RetryConfig, WriteMultipart,
};
use tokio::runtime::{Builder, Runtime};
use tokio_stream::StreamExt;

use super::{Existing, Metadata, Store, profile};

/// Parts of an upload: stores take 10,000 of them, so an output may have 160 GB.
const PART: usize = 16 << 20;
/// Parts that are under way at a time.
const PARTS: usize = 4;

/// The clients are asynchronous; what waits for them here is not.
static RUNTIME: LazyLock<io::Result<Runtime>> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).thread_name("stores").enable_all().build());

/// A bucket.
pub(super) struct Bucket(Arc<dyn ObjectStore>);

impl Bucket {
    /// With credentials from where each store's own tools have them: variables, files, the machine's role.
    pub(super) fn new(scheme: &str, url: &str) -> object_store::Result<Self> {
        // At random, but longer each time: about a minute in all.
        let backoff = BackoffConfig { init_backoff: Duration::from_millis(300), base: 3.0, ..BackoffConfig::default() };
        let retry = RetryConfig { backoff, ..RetryConfig::default() };
        Ok(Self(match scheme {
            "gs" => Arc::new(GoogleCloudStorageBuilder::from_env().with_retry(retry).with_url(url).build()?),
            "s3" | "s3a" => {
                let builder = profile::apply(AmazonS3Builder::from_env());
                let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint);
                // Who names such an endpoint has one.
                let is_plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
                let builder = if is_plain { builder.with_allow_http(true) } else { builder };
                Arc::new(builder.with_retry(retry).with_url(url).build()?)
            }
            _ => Arc::new(MicrosoftAzureBuilder::from_env().with_retry(retry).with_url(url).build()?),
        }))
    }
}

fn runtime() -> io::Result<&'static Runtime> {
    RUNTIME.as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string()))
}

fn wait<T>(work: impl Future<Output = object_store::Result<T>>) -> io::Result<T> {
    runtime()?.block_on(work).map_err(failed)
}

fn failed(error: Error) -> io::Error {
    let kind = match &error {
        Error::NotFound { .. } => io::ErrorKind::NotFound,
        Error::AlreadyExists { .. } => io::ErrorKind::AlreadyExists,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => io::ErrorKind::PermissionDenied,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, said(&error))
}

/// What an error says, and what its causes say that it does not.
fn said(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

fn path(key: &str) -> io::Result<Path> {
    Path::parse(key).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

impl From<ObjectMeta> for Metadata {
    fn from(ObjectMeta { size, last_modified, e_tag, .. }: ObjectMeta) -> Self {
        Self { size: Some(size), modified: Some(SystemTime::from(last_modified)), etag: e_tag, has_ranges: true }
    }
}

impl Store for Bucket {
    fn find(&self, key: &str) -> io::Result<Option<Metadata>> {
        match wait(self.0.head(&path(key)?)) {
            Ok(found) => Ok(Some(found.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<(String, Metadata)>> {
        let folder = path(prefix.trim_end_matches('/'))?;
        let folder = Some(&folder).filter(|folder| !folder.as_ref().is_empty());
        let found: Vec<ObjectMeta> = wait(self.0.list(folder).collect::<object_store::Result<_>>())?;
        Ok(found.into_iter().map(|object| (object.location.to_string(), object.into())).collect())
    }

    fn read(&self, key: &str, found: &Metadata, range: Range<u64>) -> io::Result<Vec<u8>> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let options =
            GetOptions { if_match: found.etag.clone(), range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        let path = path(key)?;
        Ok(wait(async { self.0.get_opts(&path, options).await?.bytes().await })?.to_vec())
    }

    fn stream(&self, key: &str) -> io::Result<Box<dyn Read + Send>> {
        let path = path(key)?;
        let bytes = wait(async { self.0.get(&path).await?.bytes().await })?;
        Ok(Box::new(io::Cursor::new(bytes)))
    }

    fn is_writable(&self) -> bool {
        true
    }

    /// What fits into a part is put at once, and under [`Existing::Keep`] only where nothing is. Of a larger one, the
    /// store has parts until the last is there, and gives it its name then.
    fn write(&self, key: &str, content: &mut dyn Read, existing: Existing) -> io::Result<()> {
        let path = path(key)?;
        let mut part = read_part(content)?;
        if part.len() < PART {
            let mode = if existing == Existing::Keep { PutMode::Create } else { PutMode::Overwrite };
            return wait(self.0.put_opts(&path, PutPayload::from(part), mode.into())).map(drop);
        }
        // In which parts are sent while the next is read.
        let _context = runtime()?.enter();
        let mut upload = WriteMultipart::new_with_chunk_size(wait(self.0.put_multipart(&path))?, PART);
        let mut fill = || {
            while !part.is_empty() {
                upload.put(std::mem::take(&mut part).into());
                wait(upload.wait_for_capacity(PARTS))?;
                part = read_part(content)?;
            }
            // It may have come meanwhile.
            let is_there = existing == Existing::Keep && self.find(key)?.is_some();
            if is_there { Err(io::ErrorKind::AlreadyExists.into()) } else { Ok(()) }
        };
        match fill() {
            Ok(()) => wait(upload.finish()).map(drop),
            Err(error) => {
                // The store forgets parts that nothing came of, soon or later.
                let _ = wait(upload.abort());
                Err(error)
            }
        }
    }
}

/// The next part; a shorter one is the last.
fn read_part(content: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut part = Vec::new();
    content.take(PART as u64).read_to_end(&mut part)?;
    Ok(part)
}
