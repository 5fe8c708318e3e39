//! Data sets of the Hugging Face hub.

use std::io::{self, Read};
use std::ops::Range;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use ureq::http::StatusCode;
use ureq::http::header::LINK;

use super::web::{self, Web, text};
use super::{Existing, Metadata, Store};
use crate::huggingface;

/// A data set, in one of its revisions.
pub(super) struct DataSet {
    files: Web,
    /// Its description, from which files are listed.
    api: Web,
}

/// A name of `hf://`, such as `datasets/ORG/NAME@REVISION`.
pub(super) struct Name<'a> {
    id: &'a str,
    revision: &'a str,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    size: u64,
}

/// What stands behind `hf://`, as the name of a data set and the rest.
pub(super) fn split(rest: &str) -> Option<(Name<'_>, &str)> {
    let below = rest.strip_prefix("datasets/")?;
    let slash = below.find('/')?;
    let end = below[slash + 1..].find('/').map_or(below.len(), |end| slash + 1 + end);
    let (id, key) = (&below[..end], below[end..].trim_start_matches('/'));
    let (id, revision) = id.split_once('@').unwrap_or((id, "main"));
    let is_plain = |part: &str| {
        !part.is_empty()
            && part != ".."
            && part.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.'))
    };
    let is_revision = revision.split("%2F").all(is_plain);
    (id.split('/').all(is_plain) && is_revision).then_some((Name { id, revision }, key))
}

impl DataSet {
    pub(super) fn new(Name { id, revision }: Name) -> Self {
        let endpoint = huggingface::endpoint();
        let files = format!("{endpoint}/datasets/{id}/resolve/{revision}/");
        let api = format!("{endpoint}/api/datasets/{id}/tree/{revision}/");
        let token = huggingface::token();
        Self { files: Web::new(files, token.clone()), api: Web::new(api, token) }
    }
}

/// What stands for itself in a part of a URL.
const PLAIN: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

fn escaped(key: &str) -> String {
    utf8_percent_encode(key, &PLAIN).to_string()
}

impl Store for DataSet {
    fn find(&self, key: &str) -> io::Result<Option<Metadata>> {
        self.files.find(&escaped(key))
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<(String, Metadata)>> {
        let folder = escaped(prefix.trim_end_matches('/'));
        let mut next = Some(format!("{folder}?recursive=true"));
        let mut found = Vec::new();
        while let Some(query) = next {
            let (entries, rest) = web::retry(|| {
                let response = self.api.get(&query, None)?;
                match response.status() {
                    StatusCode::OK => {}
                    StatusCode::NOT_FOUND => return Ok((Vec::new(), None)),
                    status => return Err(io::Error::other(format!("the hub answers {status}"))),
                }
                let rest = text(response.headers(), LINK).and_then(cursor);
                let entries: Vec<Entry> = serde_json::from_reader(response.into_body().into_reader())?;
                Ok((entries, rest))
            })?;
            found.extend(entries.into_iter().filter(|entry| entry.kind == "file"));
            next = rest.map(|cursor| format!("{folder}?recursive=true&cursor={cursor}"));
        }
        let metadata = |size| Metadata { size: Some(size), modified: None, etag: None, has_ranges: true };
        Ok(found.into_iter().map(|entry| (entry.path, metadata(entry.size))).collect())
    }

    fn read(&self, key: &str, found: &Metadata, range: Range<u64>) -> io::Result<Vec<u8>> {
        self.files.read(&escaped(key), found, range)
    }

    fn stream(&self, key: &str) -> io::Result<Box<dyn Read + Send>> {
        self.files.stream(&escaped(key))
    }

    fn is_writable(&self) -> bool {
        self.files.is_writable()
    }

    fn write(&self, key: &str, content: &mut dyn Read, existing: Existing) -> io::Result<()> {
        self.files.write(key, content, existing)
    }
}

/// Where the next page of a list begins.
fn cursor(link: &str) -> Option<String> {
    let next = link.split(',').find(|link| link.contains("rel=\"next\""))?;
    let query = next.split('<').nth(1)?.split('>').next()?.split_once('?')?.1;
    query.split('&').find_map(|pair| pair.strip_prefix("cursor=")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_data_sets() {
        let split = |rest| split(rest).map(|(Name { id, revision }, key)| (id, revision, key));
        assert_eq!(split("datasets/o/n/data/*.parquet"), Some(("o/n", "main", "data/*.parquet")));
        assert_eq!(split("datasets/o/n@v1/a.csv"), Some(("o/n", "v1", "a.csv")));
        assert_eq!(split("datasets/o/n@refs%2Fconvert%2Fparquet/"), Some(("o/n", "refs%2Fconvert%2Fparquet", "")));
        assert_eq!(split("datasets/o/n"), Some(("o/n", "main", "")));
        for wrong in ["o/n/a", "datasets/n", "datasets/o/../a", "datasets/o/n@../a"] {
            assert_eq!(split(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn pages_of_a_list() {
        let link = "<https://hub/api/datasets/o/n/tree/main?recursive=true&cursor=a%3D%3D>; rel=\"next\"";
        assert_eq!(cursor(link).as_deref(), Some("a%3D%3D"));
        assert_eq!(cursor("<https://hub/x>; rel=\"prev\""), None);
    }
}
