use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::entry::{Attempt, Begin, Entry, RowCounts};
use super::file;
use super::found::Found;
use super::identity::{self, Identity};
use super::kept;
use super::replay::Replay;
use super::writer::{CheckpointInterval, Journal};
use crate::io::error::{Error, Result};
use crate::io::output_path;
use crate::io::write::target;

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
            None => Claimed::New(file::create(&path)?),
        };
        Ok(Some(Self { output, path, journal, resumes: leftover == Leftover::Resume }))
    }

    /// Where the output is to be written until it is complete; `None` if somebody else has a file of that name. What an
    /// earlier run had there is removed.
    ///
    /// # Errors
    /// It cannot be removed.
    pub(crate) fn work_file(&self) -> Result<Option<PathBuf>> {
        let path = output_path::work_file(&self.output);
        match std::fs::symlink_metadata(&path) {
            // A run that was killed before it had its model has written nothing, and noted nothing.
            Ok(metadata) if !(metadata.is_file() && (metadata.len() == 0 || self.wrote(&path))) => return Ok(None),
            _ => {}
        }
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(Error::Create { path, source }),
            _ => Ok(Some(path)),
        }
    }

    fn wrote(&self, path: &Path) -> bool {
        match &self.journal {
            Claimed::Found(found) => found.attempts.iter().any(|attempt| attempt.wrote(path)),
            Claimed::New(_) | Claimed::Taken => false,
        }
    }

    /// Whether the earlier run, if there is one to go on with, may overwrite an output.
    pub(crate) fn overwrites(&self) -> bool {
        self.earlier().is_some_and(|(_, begin)| begin.overwrites)
    }

    /// The rows, if the earlier run had written all and only its journal is left; which is then removed.
    pub(crate) fn take_complete(&self) -> Result<Option<RowCounts>> {
        let Some((found, _)) = self.earlier() else { return Ok(None) };
        let Some(counts) = found.complete(&self.output) else { return Ok(None) };
        kept::remove(&self.output, &found.attempts);
        std::fs::remove_file(&self.path).map_err(|source| file::failed(&self.path, source))?;
        Ok(Some(counts))
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
        let (rows, end, attempts) = match self.earlier() {
            Some((found, begin)) => match identity::changes(&begin.identity, &identity) {
                changes if changes.is_empty() => (found.rows, found.end, Some(found.attempts.clone())),
                // It had answered nothing.
                _ if found.rows == 0 => (0, 0, None),
                changes => return Err(Error::RunChanged { journal: self.path.clone(), changes }),
            },
            None => (0, 0, None),
        };
        let replay = attempts.is_some().then(|| Replay::open(&self.path, rows)).transpose()?;
        let mut journal_file = match std::mem::replace(&mut self.journal, Claimed::Taken) {
            Claimed::New(file) => file,
            Claimed::Found(found) => found.file,
            Claimed::Taken => return Err(Error::JournalInUse(self.path.clone())),
        };
        // What stands behind is torn, or of the run that is not gone on with.
        let cut = journal_file.set_len(end).and_then(|()| journal_file.seek(SeekFrom::Start(end)));
        cut.map_err(|source| file::failed(&self.path, source))?;
        let begins = attempts.is_none();
        let attempts = attempts.unwrap_or_default();
        let mut journal = Journal::new(self.output.clone(), self.path.clone(), journal_file, rows, attempts, interval);
        if begins {
            journal.write(&Entry::Begin(Begin { identity, overwrites }))?;
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
