//! One of several parts of the inputs, for jobs on several machines.

use std::io::{self, BufRead, Read};
use std::ops::Range;

use serde::Serialize;

use super::{Source, compression};
use crate::io::encoding::Encoding;
use crate::io::error::{Error, Result};
use crate::io::format::{ColumnarFormat, Layout, TextFormat};

/// One of several parts of the inputs.
///
/// The inputs, one after the other, are a range of bytes, of which each part has as many. A line of JSON Lines and a row
/// group of Parquet belong to the part in which they begin, and so does a whole file of another format. So each is in
/// one part, whichever machine reads it, and the parts in order are the rows in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Shard {
    index: u32,
    count: u32,
}

impl Shard {
    /// The part `index`, from 0, of `count`; `None` if there is none of that index.
    pub fn new(index: u32, count: u32) -> Option<Self> {
        (index < count).then_some(Self { index, count })
    }

    /// Which part it is, from 0.
    pub fn index(self) -> u32 {
        self.index
    }

    /// How many parts there are.
    pub fn count(self) -> u32 {
        self.count
    }

    /// Its part of so many bytes.
    fn of(self, bytes: u64) -> Range<u64> {
        let begin = |index: u32| (u128::from(bytes) * u128::from(index) / u128::from(self.count)) as u64;
        begin(self.index)..begin(self.index + 1)
    }
}

/// What of a source is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) enum Extent {
    Whole,
    /// What begins in this range of its bytes.
    Within(Range<u64>),
    /// Its columns, and no row.
    Nothing,
}

/// The sources of which `shard` has a part: at least one, which has the columns.
///
/// # Errors
/// A source that is no regular file.
pub(super) fn take(sources: Vec<Source>, shard: Shard, encoding: Option<Encoding>) -> Result<Vec<Source>> {
    let size = |source: &Source| source.regular_size()?.ok_or_else(|| Error::NoShards(source.name.clone()));
    let sizes = sources.iter().map(size).collect::<Result<Vec<u64>>>()?;
    let wanted = shard.of(sizes.iter().sum());
    let mut kept: Vec<Source> = Vec::new();
    let mut begin = 0;
    for (mut source, size) in sources.into_iter().zip(sizes) {
        let end = begin + size;
        let part = wanted.start.clamp(begin, end) - begin..wanted.end.clamp(begin, end) - begin;
        source.extent = if part.is_empty() {
            Extent::Nothing
        } else if part == (0..size) {
            Extent::Whole
        } else if can_be_split(&source, encoding)? {
            Extent::Within(part)
        } else if part.start == 0 {
            Extent::Whole
        } else {
            Extent::Nothing
        };
        begin = end;
        if source.extent == Extent::Nothing && !kept.is_empty() {
            continue;
        }
        // One without rows is there for its columns only.
        if kept.last().is_some_and(|last| last.extent == Extent::Nothing) {
            kept.pop();
        }
        kept.push(source);
    }
    Ok(kept)
}

/// Whether rows can be found in it without what comes before them.
fn can_be_split(source: &Source, encoding: Option<Encoding>) -> Result<bool> {
    match source.format.layout() {
        Layout::Columnar(ColumnarFormat::Parquet) => Ok(true),
        Layout::Text(TextFormat::Jsonl) if encoding.is_none_or(|encoding| encoding.has_ascii_lines()) => {
            let mut start = Vec::new();
            let read = source.file()?.take(compression::MAGIC_BYTES).read_to_end(&mut start);
            read.map_err(|error| source.unreadable(error))?;
            Ok(compression::is_plain(&start))
        }
        _ => Ok(false),
    }
}

/// The lines of a text that begin in a range of its bytes.
pub(super) struct Lines<R> {
    reader: R,
    /// Bytes up to the end of the range.
    left: u64,
    /// Whether the last line goes on behind it.
    open: bool,
}

/// Where to begin to read for the lines that begin in a range: there, the line before has its end.
pub(super) fn start(range: &Range<u64>) -> u64 {
    range.start.saturating_sub(1)
}

impl<R: BufRead> Lines<R> {
    /// `reader` stands at the [`start`] of the range.
    pub(super) fn new(mut reader: R, range: &Range<u64>) -> io::Result<Self> {
        let mut begin = range.start;
        if begin > 0 {
            begin = start(range) + reader.skip_until(b'\n')? as u64;
        }
        Ok(Self { reader, left: range.end.saturating_sub(begin), open: false })
    }
}

impl<R: BufRead> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if (self.left == 0 && !self.open) || buffer.is_empty() {
            return Ok(0);
        }
        let there = self.reader.fill_buf()?;
        let most = there.len().min(buffer.len());
        let count = if self.left > 0 {
            most.min(usize::try_from(self.left).unwrap_or(usize::MAX))
        } else {
            memchr::memchr(b'\n', &there[..most]).map_or(most, |end| end + 1)
        };
        buffer[..count].copy_from_slice(&there[..count]);
        self.reader.consume(count);
        self.left = self.left.saturating_sub(count as u64);
        self.open = count > 0 && buffer[count - 1] != b'\n';
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(text: &str, range: Range<u64>) -> String {
        let from = &text.as_bytes()[start(&range) as usize..];
        let mut read = String::new();
        Lines::new(io::BufReader::with_capacity(3, from), &range).unwrap().read_to_string(&mut read).unwrap();
        read
    }

    #[test]
    fn a_line_belongs_to_where_it_begins() {
        assert_eq!(lines("ab\ncd\nef", 0..2), "ab\n");
        assert_eq!(lines("ab\ncd\nef", 2..4), "cd\n");
        assert_eq!(lines("ab\ncd\nef", 3..4), "cd\n");
        assert_eq!(lines("ab\ncd\nef", 4..6), "");
        assert_eq!(lines("ab\ncd\nef", 4..8), "ef");
        assert_eq!(lines("ab\ncd\nef", 7..8), "");
    }

    #[test]
    fn shards_are_of_one_size() {
        let shards = |bytes| (0..3).map(|index| Shard::new(index, 3).unwrap().of(bytes)).collect::<Vec<_>>();
        assert_eq!(shards(10), [0..3, 3..6, 6..10]);
        assert_eq!(shards(1), [0..0, 0..0, 0..1]);
        assert_eq!(shards(u64::MAX)[2].end, u64::MAX);
        assert_eq!(Shard::new(3, 3), None);
        assert_eq!(Shard::new(0, 0), None);
    }

    proptest! {
        #[test]
        fn every_line_is_in_one_part(text in "[ab\n]{0,40}", count in 1_u32..12) {
            let parts: String = (0..count)
                .map(|index| Shard::new(index, count).unwrap().of(text.len() as u64))
                .filter(|part| !part.is_empty())
                .map(|part| lines(&text, part))
                .collect();
            prop_assert_eq!(parts, text);
        }
    }
}
