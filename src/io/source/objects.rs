//! From URLs to sources: objects, what lies below the name of a folder, globs.

use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use super::{DESCRIPTIONS, Extent, Place, Source, partitions};
use crate::io::error::{Error, Result};
use crate::io::format::InputFormat;
use crate::io::remote::{Location, Object};

/// As a shell has it.
const MATCHES: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// # Errors
/// A store that cannot be reached, a name that nothing has.
/// `output` is none of the objects of a folder or a pattern.
pub(super) fn find(url: &Path, format: Option<InputFormat>, output: Option<&Path>) -> Result<Vec<Source>> {
    let location = Location::parse(url)?;
    if let Some(pattern) = location.pattern() {
        return matches(&location, pattern, url, format, output);
    }
    if let Some(object) = location.find()? {
        return Ok(vec![source(object, format, Path::new(""))?]);
    }
    let folder = match location.path().trim_end_matches('/') {
        "" => String::new(),
        path => format!("{path}/"),
    };
    let mut sources = Vec::new();
    for object in location.list(&folder)? {
        let Some(below) = object.key().strip_prefix(&folder).map(PathBuf::from) else { continue };
        if is_left_out(&below, &object, output) {
            continue;
        }
        match source(object, format, &below) {
            Ok(source) => sources.push(source),
            Err(error) => tracing::warn!("left out: {error}"),
        }
    }
    if sources.is_empty() { Err(Error::NotFound(url.to_owned())) } else { Ok(sources) }
}

fn matches(
    location: &Location,
    pattern: &str,
    url: &Path,
    format: Option<InputFormat>,
    output: Option<&Path>,
) -> Result<Vec<Source>> {
    let malformed = |source| Error::Glob { pattern: url.display().to_string(), source };
    let glob = Pattern::new(pattern).map_err(malformed)?;
    let fixed = pattern.find(['*', '?', '[']).map_or(pattern, |end| &pattern[..end]);
    let folder = fixed.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let mut sources = Vec::new();
    for object in location.list(&folder)? {
        if glob.matches_with(object.key(), MATCHES) && !is_output(&object, output) {
            let key = PathBuf::from(object.key());
            sources.push(source(object, format, &key)?);
        }
    }
    if sources.is_empty() { Err(Error::NoMatch(url.display().to_string())) } else { Ok(sources) }
}

/// `folders` is the part of its name in which folders may name columns.
fn source(object: Object, format: Option<InputFormat>, folders: &Path) -> Result<Source> {
    let format = format.or_else(|| InputFormat::from_path(Path::new(object.location().path())));
    let name = object.location().to_string();
    Ok(Source {
        format: format.ok_or_else(|| Error::UnknownInputFormat(PathBuf::from(&name)))?,
        name: name.into(),
        partitions: partitions::of(folders),
        stamp: object.stamp(),
        place: Place::Object(object),
        extent: Extent::Whole,
    })
}

/// As in folders: what other tools write beside data, and the output.
fn is_left_out(below: &Path, object: &Object, output: Option<&Path>) -> bool {
    let is_hidden = |part: &str| part.starts_with(['.', '_']);
    let mut parts = below.iter().filter_map(|part| part.to_str());
    let is_description = below.file_name().is_some_and(|name| DESCRIPTIONS.iter().any(|other| name == *other));
    parts.any(is_hidden) || is_description || is_output(object, output)
}

fn is_output(object: &Object, output: Option<&Path>) -> bool {
    output.is_some_and(|output| output.as_os_str() == object.location().to_string().as_str())
}
