//! Records out of a stream of bytes.

use std::io::{self, BufRead};

use super::parser::{Dialect, Fault, Parser, Progress};

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// What the next record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// In `fields()`.
    Whole,
    /// Longer than the limit.
    TooLong,
    /// Its quotes do not fit. In `fields()` are those before; what follows is read from the next line on.
    Fault {
        fault: Fault,
        /// In which the quote stands that began it, from 1.
        line: u64,
    },
}

/// Records up to a limit in size; of a larger one no more than that is held.
pub(crate) struct Records<R> {
    reader: R,
    parser: Parser,
    pub(crate) limit: usize,
    /// Of `buffer[at]`, from 1.
    pub(crate) line: u64,
    /// The line at which the last record began.
    pub(crate) start: u64,
    /// Bytes that are not given up yet, from `at` on: a record whose quote is not closed is left but for its first line.
    buffer: Vec<u8>,
    at: usize,
    /// Bytes of the last record, which the next call leaves behind.
    last: usize,
    /// The rest of the line is to be left out.
    skips_line: bool,
    is_mac: bool,
}

impl<R: BufRead> Records<R> {
    pub(crate) fn new(reader: R, limit: usize) -> Self {
        Self {
            reader,
            parser: Parser::new(),
            limit,
            line: 1,
            start: 1,
            buffer: Vec::new(),
            at: 0,
            last: 0,
            skips_line: false,
            is_mac: false,
        }
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = &[u8]> {
        self.parser.fields()
    }

    /// The bytes of the last record.
    pub(crate) fn raw(&self) -> &[u8] {
        &self.buffer[self.at..self.at + self.last]
    }

    /// Makes the next call read the last record again.
    pub(crate) fn again(&mut self) {
        (self.last, self.skips_line, self.line) = (0, false, self.start);
    }

    /// Whether the first line ends with a carriage return alone. Waits for the byte behind it, to know.
    pub(crate) fn ends_with_cr(&mut self) -> io::Result<bool> {
        // Before it there is no end of a line.
        let mut looked_at = 0;
        while self.buffer.len() <= self.limit {
            let line = memchr::memchr2(b'\n', b'\r', &self.buffer[looked_at..]).map(|end| looked_at + end);
            looked_at = line.unwrap_or(self.buffer.len());
            if let Some(end) = line
                && (self.buffer[end] == b'\n' || end + 1 < self.buffer.len())
            {
                return Ok(self.buffer[end] == b'\r' && self.buffer[end + 1] != b'\n');
            }
            if !self.fill()? {
                return Ok(line.is_some());
            }
        }
        Ok(false)
    }

    /// Reads a record that should have no more than `fields`.
    pub(crate) fn next(&mut self, dialect: &Dialect, fields: usize) -> io::Result<Option<Read>> {
        self.is_mac = dialect.ends_with_cr;
        self.leave(self.last);
        self.last = 0;
        if !self.skip_to_record()? {
            return Ok(None);
        }
        self.start = self.line;
        self.parser.begin();
        loop {
            let progress = self.parser.take(&self.buffer[self.at + self.parser.taken()..], dialect, fields);
            self.last = self.parser.taken();
            match progress {
                Progress::End => return Ok(Some(Read::Whole)),
                Progress::Fault(fault) => return Ok(Some(self.fault(fault))),
                Progress::More if self.last > self.limit => {
                    self.skips_line = true;
                    return Ok(Some(match self.parser.open() {
                        Some(fault) => self.fault(fault),
                        None => Read::TooLong,
                    }));
                }
                Progress::More => {}
            }
            if !self.fill()? {
                if let Some(fault) = self.parser.open() {
                    return Ok(Some(self.fault(fault)));
                }
                self.parser.finish();
                return Ok(Some(Read::Whole));
            }
        }
    }

    /// Leaves the record at the line in which the quote stands that began the fault.
    fn fault(&mut self, fault: Fault) -> Read {
        let (Fault::Open(quote) | Fault::Behind(quote)) = fault;
        self.last = quote;
        self.skips_line = true;
        Read::Fault { fault, line: self.start + self.line_ends(&self.raw()[..quote]) }
    }

    fn line_ends(&self, bytes: &[u8]) -> u64 {
        let ends = memchr::memchr_iter(b'\n', bytes).count();
        let macs = if self.is_mac { memchr::memchr_iter(b'\r', bytes).count() } else { 0 };
        (ends + macs) as u64
    }

    /// Blank lines are no records, but count as lines.
    fn skip_to_record(&mut self) -> io::Result<bool> {
        loop {
            if self.at == self.buffer.len() && !self.fill()? {
                return Ok(false);
            }
            let rest = &self.buffer[self.at..];
            if self.skips_line {
                let end = rest.iter().position(|byte| *byte == b'\n' || (*byte == b'\r' && self.is_mac));
                self.skips_line = end.is_none();
                let left = end.map_or(rest.len(), |end| end + 1);
                self.leave(left);
            } else if matches!(rest[0], b'\n' | b'\r') {
                self.leave(1);
            } else if rest.starts_with(BYTE_ORDER_MARK) {
                // Where files were put together.
                self.at += BYTE_ORDER_MARK.len();
            } else if BYTE_ORDER_MARK.starts_with(rest) && self.fill()? {
                // There is more to tell it by.
            } else {
                return Ok(true);
            }
        }
    }

    fn leave(&mut self, bytes: usize) {
        self.line += self.line_ends(&self.buffer[self.at..self.at + bytes]);
        self.at += bytes;
    }

    /// Takes what is there, or waits for more; whether there was any.
    fn fill(&mut self) -> io::Result<bool> {
        // What is left is moved only when it is little beside what is given up.
        if 2 * self.at > self.buffer.len() {
            self.buffer.drain(..self.at);
            self.at = 0;
        }
        let bytes = loop {
            match self.reader.fill_buf() {
                Ok(bytes) => break bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        self.buffer.extend_from_slice(bytes);
        let count = bytes.len();
        self.reader.consume(count);
        Ok(count > 0)
    }
}
