use std::io::{self, Read};

use super::Object;

/// What is asked for at a time. A request takes about as long as some hundred kilobytes more.
const BLOCK: u64 = 8 << 20;

/// Reads an object from beginning to end, a block at a time.
pub(crate) struct ObjectReader {
    object: Object,
    block: io::Cursor<Vec<u8>>,
    /// Where the next block begins.
    next: u64,
}

impl ObjectReader {
    pub(super) fn new(object: Object, begin: u64) -> Self {
        Self { object, block: io::Cursor::default(), next: begin }
    }
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.block.read(buffer)?;
        if count > 0 || buffer.is_empty() || self.next >= self.object.end() {
            return Ok(count);
        }
        let end = self.object.end().min(self.next + BLOCK);
        self.block = io::Cursor::new(self.object.read(self.next..end)?);
        self.next = end;
        self.block.read(buffer)
    }
}
