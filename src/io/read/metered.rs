use std::io::{self, BufRead, Read};

/// Tells a meter of every byte that is read, once, and ends when the meter says so.
pub(super) struct Metered<R, M> {
    reader: R,
    meter: M,
    /// Bytes in the buffer that the meter knows.
    known: usize,
}

impl<R: BufRead, M: FnMut(usize) -> io::Result<()>> Metered<R, M> {
    pub(super) fn new(reader: R, meter: M) -> Self {
        Self { reader, meter, known: 0 }
    }
}

impl<R: BufRead, M: FnMut(usize) -> io::Result<()>> BufRead for Metered<R, M> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let bytes = self.reader.fill_buf()?;
        if bytes.len() > self.known {
            (self.meter)(bytes.len() - self.known)?;
            self.known = bytes.len();
        }
        Ok(bytes)
    }

    fn consume(&mut self, count: usize) {
        self.known = self.known.saturating_sub(count);
        self.reader.consume(count);
    }
}

impl<R: BufRead, M: FnMut(usize) -> io::Result<()>> Read for Metered<R, M> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut bytes = self.fill_buf()?;
        let count = bytes.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}
