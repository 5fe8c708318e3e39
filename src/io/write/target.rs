//! Where the output goes: a file that gets its name only when it is complete, or standard output.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::sink::Sink;
use crate::io::error::{Error, Result};

/// An output that is open.
pub(crate) enum Target {
    /// Standard output, or a stream of the caller: there is no file to give a name.
    Stream,
    /// What is no regular file (a device, a named pipe) is written to as it is.
    Special(File),
    File {
        partial: NamedTempFile,
        path: PathBuf,
        force: bool,
    },
}

impl Target {
    /// # Errors
    /// A target that exists, unless `force`; that is a folder or one of `inputs`; whose folder does not exist.
    pub(crate) fn open<'a>(output: &Path, force: bool, mut inputs: impl Iterator<Item = &'a Path>) -> Result<Self> {
        if output.as_os_str() == "-" {
            return Ok(Self::Stream);
        }
        let existing = std::fs::metadata(output);
        if existing.as_ref().is_ok_and(|metadata| metadata.is_dir()) {
            return Err(Error::OutputIsFolder(output.to_owned()));
        }
        if existing.as_ref().is_ok_and(|metadata| !metadata.is_file()) {
            let file = File::options().write(true).open(output);
            return file.map(Self::Special).map_err(|source| Error::Create { path: output.to_owned(), source });
        }
        // Through a symbolic link, the file that it leads to is replaced and the link stays.
        let path = std::fs::canonicalize(output).unwrap_or_else(|_| output.to_owned());
        if existing.is_ok() {
            if inputs.any(|input| std::fs::canonicalize(input).is_ok_and(|input| input == path)) {
                return Err(Error::OutputIsInput(output.to_owned()));
            }
            if !force {
                return Err(Error::OutputExists(output.to_owned()));
            }
        }
        let name = path.file_name().ok_or_else(|| Error::NoFileName(output.to_owned()))?;
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        if !folder.is_dir() {
            return Err(Error::NoFolder { path: output.to_owned(), folder: folder.to_owned() });
        }
        let mut prefix = OsString::from(".");
        prefix.push(name);
        prefix.push(".");
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).suffix(".partial");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // As any new file: what the umask leaves of this.
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let partial =
            builder.tempfile_in(folder).map_err(|source| Error::CreateIn { path: folder.to_owned(), source })?;
        Ok(Self::File { partial, path, force })
    }

    pub(crate) fn sink(&self) -> io::Result<Sink> {
        Ok(Sink::new(match self {
            Self::Stream => Box::new(io::stdout()),
            Self::Special(file) => Box::new(file.try_clone()?),
            Self::File { partial, .. } => Box::new(partial.as_file().try_clone()?),
        }))
    }

    /// Gives the completed file its name.
    pub(crate) fn commit(self) -> Result<()> {
        let Self::File { partial, path, force } = self else { return Ok(()) };
        let result = if force { partial.persist(&path) } else { partial.persist_noclobber(&path) };
        match result {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::Create { path, source: error.error }),
        }
    }

    /// Keeps the file as `OUT.partial` and gives its path; replaces what an earlier broken run left there.
    pub(crate) fn commit_partial(self) -> Result<Option<PathBuf>> {
        let Self::File { partial, path, .. } = self else { return Ok(None) };
        let mut name = path.into_os_string();
        name.push(".partial");
        let path = PathBuf::from(name);
        match partial.persist(&path) {
            Ok(_) => Ok(Some(path)),
            Err(error) => Err(Error::Create { path, source: error.error }),
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
        let open = |force| Target::open(&path, force, std::iter::empty());

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
        let target = Target::open(&path, false, std::iter::empty()).unwrap();
        std::fs::write(&path, "mine").unwrap();
        target.commit().unwrap_err();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    }

    #[test]
    fn impossible_targets_are_refused_up_front() {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("in.jsonl");
        std::fs::write(&input, "").unwrap();
        let error = |path: PathBuf| {
            let inputs = [input.as_path()].into_iter();
            Target::open(&path, true, inputs).err().unwrap().to_string()
        };
        assert!(error(folder.path().to_owned()).contains("is a folder"));
        assert!(error(folder.path().join("absent/out.jsonl")).contains("there is no folder"));
        assert!(error(folder.path().join("./in.jsonl")).contains("also an input"));
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
        let target = Target::open(&link, true, std::iter::empty()).unwrap();
        write(&target, "text");
        target.commit().unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "text");
        let mode = |path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&plain));
    }
}
