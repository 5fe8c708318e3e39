//! Whether the messages that a footer names are all that a file has.
//!
//! A file has its messages one after the other, as a stream has, and the footer says where each is. A footer that is
//! damaged may name fewer of them, or one twice; what lies between those that it names then shows that. It may also
//! name them in another order, or have another schema than the file begins with.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

use polars::prelude::PolarsResult;
use polars_arrow::io::ipc::format::ipc::{Block, Field, MessageHeader, Schema};

use super::envelope::{self, CONTINUATION, MAGIC};
use crate::io::read::columnar::decoder::damaged;

/// What a footer names.
pub(super) struct Blocks {
    pub(super) dictionaries: Vec<Block>,
    pub(super) batches: Vec<Block>,
}

impl Blocks {
    /// Refuses those that do not fill the file from its schema to the footer, which begins at `footer` and has the
    /// schema `said`.
    pub(super) fn check(&self, reader: &mut BufReader<File>, footer: u64, said: &Schema) -> PolarsResult<()> {
        // What the file begins with is padded to eight bytes.
        reader.seek(SeekFrom::Start(MAGIC.len().next_multiple_of(8) as u64))?;
        let Some(MessageHeader::Schema(schema)) = envelope::read(reader)?.and_then(|message| message.header) else {
            return Err(damaged("it does not begin with a schema"));
        };
        if schema.endianness != said.endianness || !are_same(&schema.fields, &said.fields) {
            return Err(damaged("the schema in the footer is not the one that it begins with"));
        }
        let dictionaries = self.dictionaries.iter().map(|block| (block.offset, true));
        let batches = self.batches.iter().map(|block| (block.offset, false));
        let mut blocks: Vec<_> = dictionaries.chain(batches).collect();
        blocks.sort_unstable();
        let mut end = reader.stream_position()?;
        for (offset, is_dictionary) in blocks {
            let begin = envelope::begin(offset)?;
            check_nothing(reader, end..begin)?;
            reader.seek(SeekFrom::Start(begin))?;
            let Some((message, body)) = envelope::with_body(reader)? else {
                return Err(damaged(format!("the footer names a message at byte {begin}, where none is")));
            };
            let fits = match message.header {
                Some(MessageHeader::DictionaryBatch(_)) => is_dictionary,
                Some(MessageHeader::RecordBatch(_)) => !is_dictionary,
                _ => false,
            };
            if !fits {
                return Err(damaged(format!("the message at byte {begin} is not what the footer says that it is")));
            }
            end = body.end;
        }
        check_nothing(reader, end..footer)?;
        for named in [&self.dictionaries, &self.batches] {
            if let Some(pair) = named.windows(2).find(|pair| pair[0].offset > pair[1].offset) {
                return Err(damaged(format!("the footer names the message at byte {} too late", pair[1].offset)));
            }
        }
        Ok(())
    }
}

/// Whether fields are read in the same way.
fn are_same(one: &Option<Vec<Field>>, other: &Option<Vec<Field>>) -> bool {
    let [one, other] = [one, other].map(|fields| fields.as_deref().unwrap_or_default());
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| {
            (&one.name, &one.type_, &one.dictionary) == (&other.name, &other.type_, &other.dictionary)
                && are_same(&one.children, &other.children)
        })
}

/// Refuses what is neither padding nor the mark that ends a stream.
fn check_nothing(reader: &mut BufReader<File>, range: Range<u64>) -> PolarsResult<()> {
    let Some(length) = range.end.checked_sub(range.start) else {
        return Err(damaged(format!("the footer names what is at byte {} more than once", range.end)));
    };
    reader.seek(SeekFrom::Start(range.start))?;
    let mut marks = CONTINUATION.iter();
    for byte in reader.take(length).bytes() {
        let byte = byte?;
        if byte != 0 && marks.next() != Some(&byte) {
            return Err(damaged(format!("the footer does not name the message at byte {}", range.start)));
        }
    }
    Ok(())
}
