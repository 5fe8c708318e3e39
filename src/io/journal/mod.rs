//! The journal of a run: what was answered so far, in a file beside the output, `OUT.journal`.
//!
//! The output itself is of no use after a run that was killed: a Parquet file has no end, a compressed text breaks off,
//! and what the disk has of it is anybody's guess. So the answers are kept a second time, in the simplest form, a line
//! of JSON each; every now and then they are forced to the disk. A run that goes on reads its input again from the
//! first row, takes the answers from the journal as far as that goes, and writes the output from its beginning. What
//! comes out depends on rows and answers only, never on where a run broke off, in any format.
//!
//! ```text
//! {"crc32":…,"entry":{"begin":{"identity":{"bertqa":…,"inputs":…,"options":…,"model":…},"overwrites":false,"partials":[]}}}
//! {"crc32":…,"entry":{"attempt":{"inode":17}}}
//! {"crc32":…,"entry":{"row":{"input":…,"outcome":{"answers":[["Bell",1063256064,3,7]]}}}}
//! ```

mod entry;
mod found;
mod identity;
mod replay;
#[cfg(test)]
mod tests;

use std::fs::{File, TryLockError};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::error::{Error, Result};
use super::output_path::{self, sync_folder};
use super::write::target;
use crate::qa::{Answer, Example, RowError};
use entry::{Attempt, Begin, Entry, RowEntry};
use found::Found;
pub(crate) use identity::Identity;
pub(crate) use replay::{Recorded, Replay};

/// When what was answered is forced to the disk: after so many rows or so much time, whichever comes first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CheckpointInterval {
    pub(crate) rows: NonZeroU64,
    pub(crate) time: Duration,
}

/// What to do about the journal of an earlier run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leftover {
    /// It is an error.
    Refuse,
    /// Go on where it stands.
    Resume,
    /// Begin anew.
    Discard,
}

/// The right to write an output and its journal. Dropped without [`begin`](Self::begin), it leaves things as they were.
pub(crate) struct Claim {
    output: PathBuf,
    path: PathBuf,
    journal: Claimed,
    resumes: bool,
}

enum Claimed {
    /// There was none.
    New(File),
    /// That of an earlier run.
    Found(Found),
    /// It goes to the run.
    Taken,
}

/// The journal of a run that goes on. Dropped without [`finish`](Self::finish), it stays, unless it has no row.
pub(crate) struct Journal {
    output: PathBuf,
    path: PathBuf,
    file: BufWriter<File>,
    interval: CheckpointInterval,
    rows: u64,
    /// Rows since the last checkpoint, and when that was.
    unsynced: u64,
    synced: Instant,
    /// Whether the file's name is on the disk.
    named: bool,
    /// Names of what other runs have kept of the output.
    foreign: Vec<String>,
}

impl Claim {
    /// Claims `output`; `None` where that is no file.
    ///
    /// # Errors
    /// Another run is at it; an earlier one has left answers, unless `leftover` says what to do with them; another file
    /// has the journal's name.
    pub(crate) fn new(output: &Path, leftover: Leftover) -> Result<Option<Self>> {
        let Some(output) = target::file_path(output) else { return Ok(None) };
        let path = output_path::journal(&output);
        let journal = match Found::open(&path)? {
            Some(found) => {
                let is_wanted = found.rows > 0 || !found.is_locked;
                if leftover == Leftover::Refuse && is_wanted {
                    return Err(Error::Leftover { journal: path, rows: found.rows });
                }
                Claimed::Found(found)
            }
            // It is for whoever opens the output to say that.
            None if !output_path::folder_of(&path).is_dir() => return Ok(None),
            None => Claimed::New(create(&path)?),
        };
        Ok(Some(Self { output, path, journal, resumes: leftover == Leftover::Resume }))
    }

    /// Where the output is to be written until it is complete. What an earlier run had there is removed.
    ///
    /// # Errors
    /// It cannot be removed.
    pub(crate) fn work_file(&self) -> Result<PathBuf> {
        let path = output_path::work_file(&self.output);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(Error::Create { path, source }),
            _ => Ok(path),
        }
    }

    /// Whether the earlier run, if there is one to go on with, may overwrite an output.
    pub(crate) fn overwrites(&self) -> bool {
        self.earlier().is_some_and(|(_, begin)| begin.overwrites)
    }

    /// How many rows failed, if the earlier run had written all and only its journal is left; which is then removed.
    pub(crate) fn take_complete(&self) -> Result<Option<u64>> {
        let Some((found, begin)) = self.earlier() else { return Ok(None) };
        let Some(failed) = found.complete(&self.output) else { return Ok(None) };
        remove_kept(&self.output, &begin.partials, None);
        std::fs::remove_file(&self.path).map_err(|source| journal_error(&self.path, source))?;
        Ok(Some(failed))
    }

    fn earlier(&self) -> Option<(&Found, &Begin)> {
        match &self.journal {
            Claimed::Found(found) if self.resumes => Some((found, found.begin.as_ref()?)),
            Claimed::Found(_) | Claimed::New(_) | Claimed::Taken => None,
        }
    }

    /// Starts to write the journal of a run that `identity` tells from others and that writes to `work_file`. Where
    /// there is an earlier run to go on with, its answers come along.
    ///
    /// # Errors
    /// The earlier run was another.
    pub(crate) fn begin(
        mut self,
        identity: Identity,
        work_file: &Path,
        overwrites: bool,
        interval: CheckpointInterval,
    ) -> Result<(Journal, Option<Replay>)> {
        let identity = identity.into_json();
        let (rows, end, foreign) = match self.earlier() {
            Some((found, begin)) => {
                let changes = identity::changes(&begin.identity, &identity);
                if !changes.is_empty() {
                    return Err(Error::RunChanged { journal: self.path.clone(), changes });
                }
                (found.rows, found.end, Some(begin.partials.clone()))
            }
            None => (0, 0, None),
        };
        let replay = foreign.is_some().then(|| Replay::open(&self.path, rows)).transpose()?;
        let mut file = match std::mem::replace(&mut self.journal, Claimed::Taken) {
            Claimed::New(file) => file,
            Claimed::Found(found) => found.file,
            Claimed::Taken => return Err(Error::JournalInUse(self.path.clone())),
        };
        // What stands behind is torn, or of the run that is not gone on with.
        let cut = file.set_len(end).and_then(|()| file.seek(SeekFrom::Start(end)));
        cut.map_err(|source| journal_error(&self.path, source))?;
        let begins = foreign.is_none();
        let names = || output_path::partials(&self.output).iter().map(|path| name(path)).collect();
        let mut journal = Journal {
            output: self.output.clone(),
            path: self.path.clone(),
            file: BufWriter::with_capacity(64 << 10, file),
            interval,
            rows,
            unsynced: 0,
            synced: Instant::now(),
            named: false,
            foreign: foreign.unwrap_or_else(names),
        };
        if begins {
            let partials = journal.foreign.clone();
            journal.write(&Entry::Begin(Begin { identity, overwrites, partials }))?;
        }
        journal.write(&Entry::Attempt(Attempt::of(work_file)))?;
        journal.flush()?;
        Ok((journal, replay))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Claimed::New(_) = &self.journal {
            // It is empty.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Journal {
    /// Records the answers of the next row. `input` is the [`digest`] of what was asked.
    pub(crate) fn append(&mut self, input: u32, answers: &Result<Vec<Answer>, RowError>) -> Result<()> {
        self.write(&Entry::Row(RowEntry::new(input, answers)))?;
        self.rows += 1;
        self.unsynced += 1;
        if self.unsynced >= self.interval.rows.get() || self.synced.elapsed() >= self.interval.time {
            self.checkpoint()?;
        }
        Ok(())
    }

    /// When there is nothing else to do: hands what was recorded to the system, which keeps it when the program is
    /// killed.
    pub(crate) fn idle(&mut self) -> Result<()> {
        if self.unsynced > 0 && self.synced.elapsed() >= self.interval.time {
            return self.checkpoint();
        }
        self.flush()
    }

    /// Forces what was recorded to the disk, which keeps it when the power goes.
    pub(crate) fn checkpoint(&mut self) -> Result<()> {
        self.flush()?;
        let mut synced = self.file.get_ref().sync_data();
        if !self.named {
            synced = synced.and_then(|()| sync_folder(&self.path));
            self.named = true;
        }
        synced.map_err(|source| journal_error(&self.path, source))?;
        (self.unsynced, self.synced) = (0, Instant::now());
        Ok(())
    }

    /// Notes that all rows are in, before the output gets its name.
    pub(crate) fn complete(&mut self, failed: u64) -> Result<()> {
        self.write(&Entry::Complete { failed })?;
        // A run that was too short for a checkpoint has lost little.
        if self.named { self.checkpoint() } else { self.flush() }
    }

    /// Removes what earlier attempts of the run have kept of the output, other than `newest`, which has more.
    pub(crate) fn remove_kept(&self, newest: Option<&Path>) {
        remove_kept(&self.output, &self.foreign, newest);
    }

    /// Removes the journal of a run whose output is complete, or is not wanted.
    pub(crate) fn finish(self) -> Result<()> {
        match std::fs::remove_file(&self.path) {
            // The folder is gone, and the output was kept elsewhere.
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(journal_error(&self.path, source)),
            _ => Ok(()),
        }
    }

    fn write(&mut self, entry: &Entry) -> Result<()> {
        let line = entry.to_line()?;
        self.file.write_all(&line).map_err(|source| journal_error(&self.path, source))
    }

    fn flush(&mut self) -> Result<()> {
        self.file.flush().map_err(|source| journal_error(&self.path, source))
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if self.rows == 0 {
            // Whether it goes or not, there is nothing in it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Tells what is asked from what else might be.
pub(crate) fn digest(example: &Result<Example, RowError>) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    match example {
        Ok(example) => {
            hash.update(example.question().as_bytes());
            hash.update(&[0]);
            hash.update(example.context().as_bytes());
        }
        Err(error) => hash.update(error.to_string().as_bytes()),
    }
    hash.finalize()
}

fn create(path: &Path) -> Result<File> {
    let file = match File::options().read(true).write(true).create_new(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(Error::JournalInUse(path.to_owned())),
        Err(source) => return Err(journal_error(path, source)),
    };
    lock(&file, path)?;
    Ok(file)
}

/// Keeps other runs away for as long as the file is open. Where the file system has no locks, its name has to do.
/// Whether there are locks.
fn lock(file: &File, path: &Path) -> Result<bool> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(Error::JournalInUse(path.to_owned())),
        Ok(()) => Ok(true),
        Err(TryLockError::Error(_)) => Ok(false),
    }
}

fn remove_kept(output: &Path, foreign: &[String], newest: Option<&Path>) {
    for path in output_path::partials(output) {
        if newest.is_none_or(|newest| newest.file_name() != path.file_name()) && !foreign.contains(&name(&path)) {
            // What cannot be removed is left.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A file's name, for comparison.
fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn journal_error(path: &Path, source: io::Error) -> Error {
    Error::Journal { path: path.to_owned(), source }
}
