//! The path of an output, and of the files that stand beside it while it is not complete, or was not completed.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Ends the names of files that are a part of an output.
pub(crate) const PARTIAL: &str = ".partial";
/// Ends the name of an output's journal.
const JOURNAL: &str = ".journal";

/// Whether an output is standard output.
pub(crate) fn is_stream(output: &Path) -> bool {
    output.as_os_str() == "-"
}

/// The file that `output` names: through a symbolic link, the one that it leads to is written and the link stays, also
/// where there is none yet.
pub(crate) fn destination(output: &Path) -> PathBuf {
    /// As many as systems follow.
    const LINKS: usize = 40;
    let mut path = output.to_owned();
    for _ in 0..LINKS {
        if let Ok(path) = std::fs::canonicalize(&path) {
            return path;
        }
        let Ok(next) = std::fs::read_link(&path) else { break };
        path = folder_of(&path).join(next);
    }
    match (std::fs::canonicalize(folder_of(&path)), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path,
    }
}

/// The file that stands for an output elsewhere, for its journal and what is kept of it: of its name, where the program
/// runs.
pub(crate) fn stand_in(url: &Path) -> PathBuf {
    let name = url.file_name().unwrap_or_default();
    std::env::current_dir().unwrap_or_default().join(name)
}

/// The folder in which a file is.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."))
}

/// Where the journal of the file `output` is.
#[cfg(feature = "cli")]
pub(crate) fn journal(output: &Path) -> PathBuf {
    with_suffix(output, JOURNAL)
}

/// Where the file `output` is written until it is complete, by the run that has its journal.
#[cfg(feature = "cli")]
pub(crate) fn work_file(output: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(output.file_name().unwrap_or_default());
    name.push(PARTIAL);
    output.with_file_name(name)
}

/// What was kept of `output` by runs that broke off: `OUT.partial`, `OUT.partial.2` and so on.
#[cfg(feature = "cli")]
pub(crate) fn partials(output: &Path) -> Vec<PathBuf> {
    let first = with_suffix(output, PARTIAL);
    let first = first.file_name().unwrap_or_default().as_encoded_bytes();
    let is_partial = |path: &PathBuf| {
        let rest = path.file_name().and_then(|name| name.as_encoded_bytes().strip_prefix(first));
        rest.is_some_and(|rest| match rest {
            [] => true,
            [b'.', number @ ..] => !number.is_empty() && number.iter().all(u8::is_ascii_digit),
            _ => false,
        })
    };
    let entries = std::fs::read_dir(folder_of(output)).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(is_partial).collect()
}

/// Whether `path` is the file `output`, its journal, or what was kept of it.
pub(crate) fn belongs_to(output: &Path, path: &Path) -> bool {
    let name = |path: &Path| path.file_name().map(|name| name.as_encoded_bytes().to_vec());
    let (Some(output_name), Some(name)) = (name(output), name(path)) else { return false };
    let Some(rest) = name.strip_prefix(&*output_name) else { return false };
    (rest.is_empty() || rest == JOURNAL.as_bytes() || rest.starts_with(PARTIAL.as_bytes()))
        && destination(path).parent() == output.parent()
}

pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Forces the names of the folder in which `path` is to the disk, where systems have that.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder_of(path))?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_an_output() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let output = destination(&at("out.csv"));
        for name in ["out.csv", "out.csv.journal", "out.csv.partial", "out.csv.partial.2"] {
            assert!(belongs_to(&output, &at(name)), "{name}");
        }
        std::fs::create_dir(at("other")).unwrap();
        for name in ["in.csv", "out.csv.gz", "other/out.csv"] {
            assert!(!belongs_to(&output, &at(name)), "{name}");
        }
    }

    #[cfg(feature = "cli")]
    #[test]
    fn parts_that_were_kept() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["out.csv", "out.csv.partial", "out.csv.partial.12", "out.csv.partial.bak", "out.csv.partial."] {
            std::fs::write(at(name), "").unwrap();
        }
        let mut found = partials(&at("out.csv"));
        found.sort();
        assert_eq!(found, [at("out.csv.partial"), at("out.csv.partial.12")]);
        assert_eq!(work_file(&at("out.csv")), at(".out.csv.partial"));
    }

    #[cfg(unix)]
    #[test]
    fn links_lead_to_what_is_written() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let place = folder.path().canonicalize().unwrap();
        symlink("second", at("first")).unwrap();
        symlink(at("third"), at("second")).unwrap();
        assert_eq!(destination(&at("first")), place.join("third"));
        symlink("circle", at("circle")).unwrap();
        assert_eq!(destination(&at("circle")), place.join("circle"));
        assert_eq!(destination(&at("absent/out")), at("absent/out"));
    }
}
