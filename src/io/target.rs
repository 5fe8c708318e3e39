//! Where the output goes: a file that gets its name only when it is complete, or standard output.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context, bail};
use polars::prelude::PolarsError;
use tempfile::NamedTempFile;

/// What encoders write to.
pub(crate) struct Sink {
    writer: BufWriter<Box<dyn Write + Send>>,
    failure: Failure,
}

/// The last I/O error of a [`Sink`], for encoders whose own errors do not pass it on.
#[derive(Clone, Default)]
pub(super) struct Failure(Arc<Mutex<Option<io::Error>>>);

impl Sink {
    pub(super) fn new(writer: Box<dyn Write + Send>) -> Self {
        Self { writer: BufWriter::with_capacity(64 << 10, writer), failure: Failure::default() }
    }

    pub(super) fn failure(&self) -> Failure {
        self.failure.clone()
    }

    fn note<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if let (Err(error), Ok(mut failure)) = (&result, self.failure.0.lock()) {
            *failure = Some(io::Error::new(error.kind(), error.to_string()));
        }
        result
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.writer.write(bytes);
        self.note(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.writer.flush();
        self.note(result)
    }
}

impl Failure {
    /// The I/O error that lies behind `error`, if one does.
    pub(super) fn explain(&self, error: PolarsError) -> anyhow::Error {
        match self.0.lock().ok().and_then(|mut failure| failure.take()) {
            Some(failure) => failure.into(),
            None => polars_error(error),
        }
    }
}

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
    pub(crate) fn open<'a>(
        output: &str,
        force: bool,
        mut inputs: impl Iterator<Item = &'a Path>,
    ) -> anyhow::Result<Self> {
        if output == "-" {
            return Ok(Self::Stream);
        }
        let existing = std::fs::metadata(output);
        if existing.as_ref().is_ok_and(|metadata| metadata.is_dir()) {
            bail!("{output}: is a folder; name a file in it");
        }
        if existing.as_ref().is_ok_and(|metadata| !metadata.is_file()) {
            let file = File::options().write(true).open(output).with_context(|| format!("cannot write {output}"))?;
            return Ok(Self::Special(file));
        }
        // Through a symbolic link, the file that it leads to is replaced and the link stays.
        let path = std::fs::canonicalize(output).unwrap_or_else(|_| PathBuf::from(output));
        if existing.is_ok() {
            if inputs.any(|input| std::fs::canonicalize(input).is_ok_and(|input| input == path)) {
                bail!("{output}: is also an input; write to another file");
            }
            if !force {
                bail!("{output}: exists; overwrite it with --force, or write to another file");
            }
        }
        let name = path.file_name().with_context(|| format!("{output}: names no file"))?;
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        if !folder.is_dir() {
            bail!("{output}: there is no folder {}; create it first", folder.display());
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
            builder.tempfile_in(folder).with_context(|| format!("cannot write in the folder {}", folder.display()))?;
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
    pub(crate) fn commit(self) -> anyhow::Result<()> {
        let Self::File { partial, path, force } = self else { return Ok(()) };
        let result = if force { partial.persist(&path) } else { partial.persist_noclobber(&path) };
        result.map_err(|error| error.error).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(())
    }

    /// Keeps the file as `OUT.partial` and tells its path; replaces what an earlier broken run left there.
    pub(super) fn commit_partial(self) -> anyhow::Result<Option<PathBuf>> {
        let Self::File { partial, path, .. } = self else { return Ok(None) };
        let mut name = path.into_os_string();
        name.push(".partial");
        let path = PathBuf::from(name);
        partial
            .persist(&path)
            .map_err(|error| error.error)
            .with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Some(path))
    }
}

/// Keeps an I/O error, a closed pipe among them, recognisable.
pub(super) fn polars_error(error: PolarsError) -> anyhow::Error {
    match error {
        PolarsError::IO { error, .. } => io::Error::new(error.kind(), error).into(),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
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
        let open = |force| Target::open(path.to_str().unwrap(), force, std::iter::empty());

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

        assert!(open(false).err().unwrap().to_string().contains("--force"));
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
        let target = Target::open(path.to_str().unwrap(), false, std::iter::empty()).unwrap();
        std::fs::write(&path, "mine").unwrap();
        target.commit().unwrap_err();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    }

    #[test]
    fn impossible_targets_are_told_up_front() {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("in.jsonl");
        std::fs::write(&input, "").unwrap();
        let error = |path: PathBuf| {
            let inputs = [input.as_path()].into_iter();
            Target::open(path.to_str().unwrap(), true, inputs).err().unwrap().to_string()
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
        let target = Target::open(link.to_str().unwrap(), true, std::iter::empty()).unwrap();
        write(&target, "text");
        target.commit().unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "text");
        let mode = |path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&plain));
    }
}
