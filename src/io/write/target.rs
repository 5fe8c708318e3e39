//! Where the output goes: a file that gets its name only when it is complete, an object that is made then, or standard
//! output.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Seek};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, PersistError};

use super::sink::Sink;
use crate::io::error::{Error, Result};
use crate::io::output_path::{PARTIAL, destination, folder_of, is_stream, stand_in, sync_folder, with_suffix};
use crate::io::remote::{self, Existing, Location};

/// An output that is open.
pub(crate) enum Target {
    /// Standard output: there is no file to give a name.
    Stdout,
    /// A stream of the caller, likewise.
    Stream,
    /// What is no regular file (a device, a named pipe) is written to as it is.
    Special {
        file: File,
        path: PathBuf,
    },
    File {
        partial: NamedTempFile,
        path: PathBuf,
        force: bool,
    },
    /// An object elsewhere, which is made of a file when that is complete.
    Object {
        partial: NamedTempFile,
        location: Location,
        existing: Existing,
    },
}

impl Target {
    /// # Errors
    /// A target that exists, unless `force`; that is a folder, one of `inputs`, or a link to itself; whose folder does
    /// not exist.
    /// `work_file` is where it is written until then, or a new name if there is none.
    pub(crate) fn open<'a>(
        output: &Path,
        force: bool,
        work_file: Option<&Path>,
        mut inputs: impl Iterator<Item = &'a Path>,
    ) -> Result<Self> {
        if is_stream(output) {
            return Ok(Self::Stdout);
        }
        if remote::is_url(output) {
            return Self::open_object(output, force, work_file);
        }
        let existing = std::fs::metadata(output);
        if existing.as_ref().is_ok_and(|metadata| metadata.is_dir()) {
            return Err(Error::OutputIsFolder(output.to_owned()));
        }
        if existing.as_ref().is_ok_and(|metadata| !metadata.is_file()) {
            let file = File::options().write(true).open(output);
            let path = output.to_owned();
            return match file {
                Ok(file) => Ok(Self::Special { file, path }),
                Err(source) => Err(Error::Create { path, source }),
            };
        }
        let path = destination(output);
        if path.is_symlink() {
            return Err(Error::OutputLoops(output.to_owned()));
        }
        if existing.is_ok() {
            if inputs.any(|input| std::fs::canonicalize(input).is_ok_and(|input| input == path)) {
                return Err(Error::OutputIsInput(output.to_owned()));
            }
            if !force {
                return Err(Error::OutputExists(output.to_owned()));
            }
        }
        let name = path.file_name().ok_or_else(|| Error::NoFileName(output.to_owned()))?;
        let folder = folder_of(&path);
        if !folder.is_dir() {
            return Err(Error::NoFolder { path: output.to_owned(), folder: folder.to_owned() });
        }
        let mut prefix = OsString::from(".");
        prefix.push(name);
        prefix.push(".");
        name_leftovers(folder, &prefix);
        let partial = partial(work_file, &prefix, folder)?;
        Ok(Self::File { partial, path, force })
    }

    fn open_object(output: &Path, force: bool, work_file: Option<&Path>) -> Result<Self> {
        let location = Location::parse(output)?;
        location.refuse_read_only()?;
        if location.name().is_empty() {
            return Err(Error::NoFileName(output.to_owned()));
        }
        if !force && location.find()?.is_some() {
            return Err(Error::OutputExists(output.to_owned()));
        }
        let folder = work_file.map_or_else(std::env::temp_dir, |path| folder_of(path).to_owned());
        let partial = partial(work_file, OsStr::new(".bertqa-"), &folder)?;
        let existing = if force { Existing::Replace } else { Existing::Keep };
        Ok(Self::Object { partial, location, existing })
    }

    pub(crate) fn sink(&self) -> io::Result<Sink> {
        Ok(Sink::new(match self {
            Self::Stdout => Box::new(io::stdout()),
            Self::Stream => Box::new(io::sink()),
            Self::Special { file, .. } => Box::new(file.try_clone()?),
            Self::File { partial, .. } | Self::Object { partial, .. } => Box::new(partial.as_file().try_clone()?),
        }))
    }

    /// The file that is written, which is not the output yet.
    pub(crate) fn work_file(&self) -> Option<&Path> {
        match self {
            Self::Stdout | Self::Stream | Self::Special { .. } => None,
            Self::File { partial, .. } | Self::Object { partial, .. } => Some(partial.path()),
        }
    }

    /// An error of writing, with the name of the file, where it has one.
    pub(crate) fn named(&self, error: Error) -> Error {
        match (self, error) {
            (Self::Special { path, .. } | Self::File { path, .. }, Error::Write(source)) => {
                Error::WriteTo { path: path.clone(), source }
            }
            (Self::Object { partial, .. }, Error::Write(source)) => {
                Error::WriteTo { path: partial.path().to_owned(), source }
            }
            (Self::Stdout, Error::Write(source)) => Error::WriteStdout(source),
            (_, error) => error,
        }
    }

    /// Gives the completed file its name, when the disk has all of it. If it cannot have it, since another file has it by
    /// now or its folder is gone, the file is kept under another.
    pub(crate) fn commit(self) -> Result<()> {
        let (partial, path, force) = match self {
            Self::File { partial, path, force } => (partial, path, force),
            Self::Object { partial, location, existing } => return commit_object(partial, &location, existing),
            Self::Stdout | Self::Stream | Self::Special { .. } => return Ok(()),
        };
        if let Err(source) = partial.as_file().sync_all() {
            return Err(Error::WriteTo { path, source });
        }
        let result = if force { partial.persist(&path) } else { partial.persist_noclobber(&path) };
        let Err(PersistError { file, error }) = result else {
            return sync_folder(&path).map_err(|source| Error::WriteTo { path, source });
        };
        match keep(file, &path) {
            Ok(kept) => Err(Error::NotNamed { path, kept, source: error }),
            Err(_) => Err(Error::Create { path, source: error }),
        }
    }

    /// Keeps the file as `OUT.partial` and gives its path.
    pub(crate) fn commit_partial(self) -> Result<Option<PathBuf>> {
        let (partial, path) = match self {
            Self::File { partial, path, .. } => (partial, path),
            Self::Object { partial, location, .. } => (partial, stand_in(Path::new(&location.to_string()))),
            Self::Stdout | Self::Stream | Self::Special { .. } => return Ok(None),
        };
        let synced = partial.as_file().sync_all();
        match synced.and_then(|()| keep(partial, &path)) {
            Ok(kept) => {
                // It is there; whether it will be after a power failure is all that is open.
                let _ = sync_folder(&kept);
                Ok(Some(kept))
            }
            Err(source) => Err(Error::Create { path: with_suffix(&path, PARTIAL), source }),
        }
    }
}

/// The file that is written until the output is complete: `work_file`, or one with a new name.
fn partial(work_file: Option<&Path>, prefix: &OsStr, folder: &Path) -> Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    match work_file.and_then(Path::file_name) {
        Some(name) => builder.prefix(name).rand_bytes(0),
        None => builder.prefix(prefix).suffix(PARTIAL),
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any new file: what the umask leaves of this.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder).map_err(|source| Error::CreateIn { path: folder.to_owned(), source })
}

/// Makes an object of a complete file. If that cannot be, the file is kept.
fn commit_object(mut partial: NamedTempFile, location: &Location, existing: Existing) -> Result<()> {
    let file = partial.as_file_mut();
    let written = file.rewind().map_err(Error::Write).and_then(|()| location.write(file, existing));
    let Err(error) = written else { return Ok(()) };
    let path = PathBuf::from(location.to_string());
    match keep(partial, &stand_in(&path)) {
        Ok(kept) => Err(Error::NotNamed { path, kept, source: io::Error::other(error) }),
        Err(_) => Err(error),
    }
}

/// Keeps a file as `OUT.partial`, or with a number behind that if an earlier run has left one. If there is no folder for
/// it any more, it is copied to where the program runs.
fn keep(mut file: NamedTempFile, path: &Path) -> io::Result<PathBuf> {
    for number in 1.. {
        let suffix = if number == 1 { PARTIAL.to_owned() } else { format!("{PARTIAL}.{number}") };
        let kept = with_suffix(path, &suffix);
        match file.persist_noclobber(&kept) {
            Ok(_) => return Ok(kept),
            Err(PersistError { file: same, error }) if error.kind() == io::ErrorKind::AlreadyExists => file = same,
            Err(PersistError { file: same, .. }) => {
                file = same;
                break;
            }
        }
    }
    let name = path.file_name().map_or_else(|| OsString::from("answers"), OsString::from);
    let kept = std::env::current_dir()?.join(with_suffix(Path::new(&name), PARTIAL));
    let mut copy = File::options().write(true).create_new(true).open(&kept)?;
    let file = file.as_file_mut();
    file.rewind()?;
    io::copy(file, &mut copy)?;
    Ok(kept)
}

/// The path of the file that `output` names, or that stands for it while it is not complete; `None` if it names something else than a regular file or one to be.
#[cfg(feature = "cli")]
pub(crate) fn file_path(output: &Path) -> Option<PathBuf> {
    if remote::is_url(output) {
        return Some(stand_in(output));
    }
    if is_stream(output) || std::fs::metadata(output).is_ok_and(|metadata| !metadata.is_file()) {
        return None;
    }
    Some(destination(output))
}

/// Says what earlier runs have left that were killed.
fn name_leftovers(folder: &Path, prefix: &OsStr) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let (bytes, prefix) = (name.as_encoded_bytes(), prefix.as_encoded_bytes());
        if bytes.starts_with(prefix) && bytes.ends_with(PARTIAL.as_bytes()) {
            let path = entry.path();
            tracing::warn!("{} is left from a run that was killed, or belongs to one that goes on", path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn write(target: &Target, text: &str) {
        let mut sink = target.sink().unwrap();
        sink.write_all(text.as_bytes()).unwrap();
        sink.flush().unwrap();
    }

    fn entries(folder: &Path) -> Vec<String> {
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    #[test]
    fn a_file_gets_its_name_when_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        let open = |force| Target::open(&path, force, None, std::iter::empty());

        let target = open(false).unwrap();
        write(&target, "one");
        assert!(!path.exists());
        let [partial] = entries(folder.path()).try_into().unwrap();
        assert!(partial.starts_with(".out.jsonl.") && partial.ends_with(".partial"), "{partial}");
        drop(target);
        assert!(entries(folder.path()).is_empty());

        let target = open(false).unwrap();
        write(&target, "two");
        target.commit().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(entries(folder.path()), ["out.jsonl"]);

        assert!(open(false).err().unwrap().to_string().contains("exists already"));
        let target = open(true).unwrap();
        write(&target, "three");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
        target.commit().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three");

        let target = open(true).unwrap();
        write(&target, "four");
        let partial = target.commit_partial().unwrap().unwrap();
        assert_eq!(partial, folder.path().canonicalize().unwrap().join("out.jsonl.partial"));
        assert_eq!(std::fs::read_to_string(partial).unwrap(), "four");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three");
    }

    #[test]
    fn a_file_that_appears_meanwhile_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        let target = Target::open(&path, false, None, std::iter::empty()).unwrap();
        std::fs::write(&path, "mine").unwrap();
        write(&target, "answers");
        let error = target.commit().unwrap_err();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        let kept = folder.path().canonicalize().unwrap().join("out.jsonl.partial");
        assert!(matches!(&error, Error::NotNamed { .. }), "{error}");
        assert_eq!(std::fs::read_to_string(kept).unwrap(), "answers");

        // What an earlier run has left stays.
        let other = folder.path().join("out.jsonl");
        let target = Target::open(&other, true, None, std::iter::empty()).unwrap();
        write(&target, "later");
        let kept = target.commit_partial().unwrap().unwrap();
        assert_eq!(kept.file_name().unwrap(), "out.jsonl.partial.2");
        assert_eq!(std::fs::read_to_string(kept).unwrap(), "later");
    }

    #[test]
    fn impossible_targets_are_refused_up_front() {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("in.jsonl");
        std::fs::write(&input, "").unwrap();
        let error = |path: PathBuf| {
            let inputs = [input.as_path()].into_iter();
            Target::open(&path, true, None, inputs).err().unwrap().to_string()
        };
        assert!(error(folder.path().to_owned()).contains("is a folder"));
        assert!(error(folder.path().join("absent/out.jsonl")).contains("there is no folder"));
        assert!(error(folder.path().join("./in.jsonl")).contains("also an input"));
    }

    #[cfg(unix)]
    #[test]
    fn links_that_lead_to_themselves_are_refused_up_front() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        symlink("own.jsonl", at("own.jsonl")).unwrap();
        symlink("second.jsonl", at("first.jsonl")).unwrap();
        symlink("first.jsonl", at("second.jsonl")).unwrap();
        for (name, force) in [("own.jsonl", false), ("own.jsonl", true), ("first.jsonl", false)] {
            let error = Target::open(&at(name), force, None, std::iter::empty()).err().unwrap().to_string();
            assert!(error.contains(name) && error.contains("leads to itself"), "{error}");
        }
        assert_eq!(entries(folder.path()).len(), 3);
    }

    #[cfg(unix)]
    #[test]
    fn mode_follows_the_umask_and_links_stay() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (plain, path, link) = (folder.path().join("plain"), folder.path().join("out"), folder.path().join("link"));
        std::fs::write(&plain, "").unwrap();
        std::fs::write(&path, "").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let target = Target::open(&link, true, None, std::iter::empty()).unwrap();
        write(&target, "text");
        target.commit().unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "text");
        let mode = |path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&plain));
    }
}
