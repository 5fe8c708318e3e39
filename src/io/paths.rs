//! From INPUT arguments to sources: files, globs, folders, `-`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use walkdir::{DirEntry, WalkDir};

use super::format::InputFormat;

/// Where rows come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    File(PathBuf),
    Stdin,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// For messages: the path as the user gave it, or `<stdin>`.
    pub(super) name: Arc<str>,
    pub(super) place: Place,
    pub(super) format: InputFormat,
}

/// # Errors
/// A missing file, an unknown extension, a glob or folder without a file to read, a second `-`.
pub(super) fn resolve(inputs: &[String], format: Option<InputFormat>) -> anyhow::Result<Vec<Source>> {
    let mut sources = Vec::new();
    for input in inputs {
        if input == "-" {
            if sources.iter().any(|source: &Source| source.place == Place::Stdin) {
                bail!("standard input (`-`) can be read only once");
            }
            let format = format.unwrap_or(InputFormat::Jsonl);
            sources.push(Source { name: "<stdin>".into(), place: Place::Stdin, format });
            continue;
        }
        let path = Path::new(input);
        // A file whose name looks like a pattern is that file.
        if path.is_dir() {
            sources.extend(folder(path, format)?);
        } else if path.exists() {
            sources.push(file(path, format)?);
        } else if input.contains(['*', '?', '[']) {
            sources.extend(matches(input, format)?);
        } else {
            bail!("{input}: no such file or folder");
        }
    }
    if sources.is_empty() {
        bail!("no input: name files, globs, folders, or `-` for standard input");
    }
    Ok(sources)
}

fn file(path: &Path, format: Option<InputFormat>) -> anyhow::Result<Source> {
    let format = format.or_else(|| InputFormat::from_path(path)).with_context(|| {
        let known = InputFormat::EXTENSIONS;
        format!("{}: the extension tells no format ({known}); name it with --input-format", path.display())
    })?;
    Ok(Source { name: path.display().to_string().into(), place: Place::File(path.to_owned()), format })
}

fn matches(pattern: &str, format: Option<InputFormat>) -> anyhow::Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in glob::glob(pattern).with_context(|| format!("{pattern}: not a glob"))? {
        let path = path?;
        if path.is_dir() {
            sources.extend(folder(&path, format)?);
        } else {
            sources.push(file(&path, format)?);
        }
    }
    if sources.is_empty() {
        bail!("{pattern}: no file matches");
    }
    Ok(sources)
}

/// The files of known formats below a folder, sorted by path.
fn folder(path: &Path, format: Option<InputFormat>) -> anyhow::Result<Vec<Source>> {
    let mut sources = Vec::new();
    let walk = WalkDir::new(path).follow_links(true).sort_by_file_name();
    for entry in walk.into_iter().filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry)) {
        let entry = entry.with_context(|| format!("cannot list the folder {}", path.display()))?;
        if !entry.file_type().is_file() {
            continue;
        }
        match file(entry.path(), format) {
            Ok(source) => sources.push(source),
            Err(_) => tracing::warn!("{}: left out, the extension tells no format", entry.path().display()),
        }
    }
    if sources.is_empty() {
        bail!("{}: the folder has no file to read ({})", path.display(), InputFormat::EXTENSIONS);
    }
    Ok(sources)
}

/// What other tools write beside data: `.crc` files, `_SUCCESS`, editors' backups.
fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().first().is_some_and(|first| matches!(first, b'.' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(inputs: &[String], format: Option<InputFormat>) -> anyhow::Result<Vec<String>> {
        let sources = resolve(inputs, format)?;
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
            (vec![at("note.txt")], "--input-format"),
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
