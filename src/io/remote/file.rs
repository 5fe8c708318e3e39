use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Object;

/// The least that is asked for.
const BLOCK: u64 = 256 << 10;
/// The most: what is read on and on is asked for in ever larger parts.
const MOST_BLOCKS: u64 = 64;

/// An object in which to seek. What is read of it is kept in a temporary file, which has holes where nothing was read,
/// so that nothing is asked for twice.
pub(crate) struct ObjectFile {
    object: Object,
    copy: Arc<Mutex<Copy>>,
    position: u64,
}

struct Copy {
    file: File,
    /// Which blocks are there.
    has: Vec<bool>,
    /// Where the last request ended, and how many blocks it was for.
    last: (u64, u64),
}

impl ObjectFile {
    /// # Errors
    /// No temporary file can be made.
    pub(crate) fn new(object: Object) -> io::Result<Self> {
        let has = vec![false; usize::try_from(object.end().div_ceil(BLOCK)).unwrap_or(usize::MAX)];
        let copy = Copy { file: tempfile::tempfile()?, has, last: (u64::MAX, 1) };
        Ok(Self { object, copy: Arc::new(Mutex::new(copy)), position: 0 })
    }

    pub(crate) fn size(&self) -> u64 {
        self.object.end()
    }

    fn copy(&self) -> MutexGuard<'_, Copy> {
        self.copy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Another position in the same object.
impl Clone for ObjectFile {
    fn clone(&self) -> Self {
        Self { object: self.object.clone(), copy: self.copy.clone(), position: self.position }
    }
}

impl Copy {
    /// Fetches what is missing of these bytes.
    fn fetch(&mut self, object: &Object, wanted: Range<u64>) -> io::Result<()> {
        let (mut block, end) = (wanted.start / BLOCK, wanted.end.div_ceil(BLOCK));
        while block < end {
            if self.has[block as usize] {
                block += 1;
                continue;
            }
            let ahead = if self.last.0 == block { (self.last.1 * 2).min(MOST_BLOCKS) } else { 1 };
            let missing = self.has[block as usize..].iter().take_while(|has| !**has).count() as u64;
            let count = missing.min(ahead.max((end - block).min(MOST_BLOCKS)));
            let bytes = object.read(block * BLOCK..((block + count) * BLOCK).min(object.end()))?;
            self.file.seek(SeekFrom::Start(block * BLOCK))?;
            self.file.write_all(&bytes)?;
            self.has[block as usize..(block + count) as usize].fill(true);
            block += count;
            self.last = (block, count);
        }
        Ok(())
    }
}

impl Read for ObjectFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = self.object.end().min(self.position.saturating_add(buffer.len() as u64));
        if self.position >= end {
            return Ok(0);
        }
        let mut copy = self.copy();
        copy.fetch(&self.object, self.position..end)?;
        copy.file.seek(SeekFrom::Start(self.position))?;
        let count = copy.file.read(&mut buffer[..(end - self.position) as usize])?;
        drop(copy);
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for ObjectFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.object.end().checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
