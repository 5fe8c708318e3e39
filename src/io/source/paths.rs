//! From INPUT arguments to sources: files, globs, folders, `-`.

use std::fs::Metadata;
use std::path::Path;

use walkdir::{DirEntry, WalkDir};

use super::{DESCRIPTIONS, Extent, Place, Source, Stamp, objects, partitions, shard};
use crate::io::error::{Error, Result};
use crate::io::format::InputFormat;
use crate::io::options::ReadOptions;
use crate::io::output_path::{belongs_to, destination, is_stream};
use crate::io::remote;

/// # Errors
/// A missing file, an unknown extension, a glob or folder without a file to read, a second `-`.
/// The output is none of the files of a folder or a pattern, nor is what stands beside it while it is not complete.
pub(crate) fn resolve(inputs: &[impl AsRef<Path>], options: &ReadOptions) -> Result<Vec<Source>> {
    let output_url = options.output.as_deref().filter(|output| remote::is_url(output));
    let output = options.output.as_deref().filter(|output| !is_stream(output) && output_url.is_none());
    let output = output.map(destination);
    let is_output = |path: &Path| {
        // Through links, it may be called otherwise.
        output.as_ref().is_some_and(|output| belongs_to(output, path) || destination(path) == *output)
    };
    let mut sources = found(inputs, options.format, &is_output, output_url)?;
    partitions::infer_types(&mut sources);
    match options.shard {
        Some(shard) => shard::take(sources, shard, options.encoding),
        None => Ok(sources),
    }
}

fn found(
    inputs: &[impl AsRef<Path>],
    format: Option<InputFormat>,
    is_output: &impl Fn(&Path) -> bool,
    output_url: Option<&Path>,
) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in inputs {
        let path = path.as_ref();
        if path.as_os_str() == "-" {
            if sources.iter().any(|source: &Source| source.place == Place::Stdin) {
                return Err(Error::StdinTwice);
            }
            let format = format.unwrap_or(InputFormat::Jsonl);
            sources.push(Source {
                name: "<stdin>".into(),
                place: Place::Stdin,
                format,
                partitions: Vec::new(),
                stamp: None,
                extent: Extent::Whole,
            });
        } else if remote::is_url(path) {
            sources.extend(objects::find(path, format, output_url)?);
        // A file whose name looks like a pattern is that file.
        } else if path.is_dir() {
            sources.extend(folder(path, format, is_output)?);
        } else if path.exists() {
            sources.push(file(path, format)?);
        } else if let Some(pattern) = path.as_os_str().to_str().filter(|text| text.contains(['*', '?', '['])) {
            sources.extend(matches(pattern, format, is_output)?);
        } else {
            return Err(Error::NotFound(path.to_owned()));
        }
    }
    if sources.is_empty() { Err(Error::NoInput) } else { Ok(sources) }
}

fn file(path: &Path, format: Option<InputFormat>) -> Result<Source> {
    let format = format.or_else(|| InputFormat::from_path(path));
    let format = format.ok_or_else(|| Error::UnknownInputFormat(path.to_owned()))?;
    Ok(Source {
        name: path.display().to_string().into(),
        place: Place::File(path.to_owned()),
        format,
        partitions: Vec::new(),
        stamp: path.metadata().ok().filter(Metadata::is_file).as_ref().map(Stamp::of),
        extent: Extent::Whole,
    })
}

fn matches(pattern: &str, format: Option<InputFormat>, is_output: &impl Fn(&Path) -> bool) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in glob::glob(pattern).map_err(|source| Error::Glob { pattern: pattern.to_owned(), source })? {
        let path = path.map_err(|error| Error::List { path: error.path().to_owned(), source: error.into() })?;
        if path.is_dir() {
            sources.extend(folder(&path, format, is_output)?);
        } else if !is_output(&path) {
            sources.push(Source { partitions: partitions::of(&path), ..file(&path, format)? });
        }
    }
    if sources.is_empty() { Err(Error::NoMatch(pattern.to_owned())) } else { Ok(sources) }
}

/// The files of known formats below a folder, sorted by path.
fn folder(path: &Path, format: Option<InputFormat>, is_output: &impl Fn(&Path) -> bool) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    let walk = WalkDir::new(path).follow_links(true).sort_by_file_name();
    for entry in walk.into_iter().filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry)) {
        let entry = entry.map_err(|error| Error::List { path: path.to_owned(), source: error.into() })?;
        if !entry.file_type().is_file() || is_output(entry.path()) || is_description(&entry) {
            continue;
        }
        let below = entry.path().strip_prefix(path).unwrap_or(entry.path());
        match file(entry.path(), format) {
            Ok(source) => sources.push(Source { partitions: partitions::of(below), ..source }),
            Err(error) => tracing::warn!("left out: {error}"),
        }
    }
    if sources.is_empty() { Err(Error::EmptyFolder(path.to_owned())) } else { Ok(sources) }
}

/// What other tools write beside data: `.crc` files, `_SUCCESS`, editors' backups.
fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().first().is_some_and(|first| matches!(first, b'.' | b'_'))
}

fn is_description(entry: &DirEntry) -> bool {
    DESCRIPTIONS.iter().any(|name| entry.file_name() == *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(inputs: &[String], format: Option<InputFormat>) -> Result<Vec<String>> {
        let sources = resolve(inputs, &ReadOptions { format, ..ReadOptions::default() })?;
        let name = |source: &Source| source.name.rsplit('/').next().unwrap_or_default().to_owned();
        Ok(sources.iter().map(name).collect())
    }

    #[test]
    fn folders_globs_and_files() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        std::fs::create_dir(folder.path().join("_old")).unwrap();
        for name in ["b.jsonl", "a.csv", ".hidden.csv", "_SUCCESS", "note.txt", "sub/c.parquet", "_old/d.csv"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let at = |name: &str| folder.path().join(name).display().to_string();

        assert_eq!(names(&[at("")], None).unwrap(), ["a.csv", "b.jsonl", "c.parquet"]);
        assert_eq!(names(&[at("")], Some(InputFormat::Csv)).unwrap(), ["a.csv", "b.jsonl", "note.txt", "c.parquet"]);
        assert_eq!(names(&[at("*.jsonl"), at("a.csv")], None).unwrap(), ["b.jsonl", "a.csv"]);
        assert_eq!(names(&["-".into()], None).unwrap(), ["<stdin>"]);

        for (inputs, message) in [
            (vec![at("*.arrow")], "no file matches"),
            (vec![at("absent.csv")], "no such file"),
            (vec![at("note.txt")], "cannot infer the format"),
            (vec!["-".into(), "-".into()], "only once"),
            (vec![], "no input"),
        ] {
            let error = names(&inputs, None).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        let empty = tempfile::tempdir().unwrap();
        let error = names(&[empty.path().display().to_string()], None).unwrap_err().to_string();
        assert!(error.contains("no file to read"), "{error}");
    }
}
