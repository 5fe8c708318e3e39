//! The messages of Arrow IPC: what each begins with, and where its body is.

use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

use polars::prelude::PolarsResult;
use polars_arrow::io::ipc::format::ipc::planus::{self, ReadAsRoot};
use polars_arrow::io::ipc::format::ipc::{
    Block, DictionaryBatch, Footer, FooterRef, MessageHeader, MetadataVersion, RecordBatch, Schema,
};

use super::blocks::Blocks;
use super::checks;
use super::envelope::{MAGIC, begin, read, with_body};
use crate::io::read::columnar::decoder::damaged;
use crate::io::source::Blob;

/// What a message says. The body, which its buffers lie in, begins where the file's reader stands.
pub(super) enum Content {
    Dictionary(DictionaryBatch),
    Rows(RecordBatch),
}

/// A message, without its body.
pub(super) struct Head {
    pub(super) version: MetadataVersion,
    pub(super) content: Content,
    /// Where its body lies in the file.
    pub(super) body: Range<u64>,
}

/// The messages of a file that come after the schema.
#[derive(Clone)]
pub(super) enum Messages {
    /// Where they are, as the footer says, the next one last.
    File(Vec<Block>),
    /// Where the next one begins.
    Stream(u64),
    Ended,
}

/// The schema of a file or a stream, and its messages.
pub(super) fn open(file: &mut Blob) -> PolarsResult<(Schema, Messages)> {
    let mut magic = [0; MAGIC.len()];
    let is_file = file.read_exact(&mut magic).is_ok() && &magic == MAGIC;
    file.rewind()?;
    if is_file {
        let (footer, begin) = footer(file)?;
        let schema = footer.schema.ok_or_else(|| damaged("the footer has no schema"))?;
        let dictionaries = footer.dictionaries.unwrap_or_default();
        let named = Blocks { dictionaries, batches: footer.record_batches.unwrap_or_default() };
        named.check(&mut BufReader::new(file.try_clone()?), begin, &schema)?;
        let mut blocks: Vec<Block> = named.dictionaries.into_iter().chain(named.batches).collect();
        blocks.reverse();
        return Ok((*schema, Messages::File(blocks)));
    }
    let mut reader = BufReader::new(file);
    let message = read(&mut reader)?.ok_or_else(|| damaged("it is empty"))?;
    match message.header {
        Some(MessageHeader::Schema(schema)) => Ok((*schema, Messages::Stream(reader.stream_position()?))),
        _ => Err(damaged("it does not begin with a schema")),
    }
}

/// The footer of a file, and where it begins.
fn footer(file: &mut Blob) -> PolarsResult<(Footer, u64)> {
    let mut end = [0; 4 + MAGIC.len()];
    let length = file.seek(SeekFrom::End(-(end.len() as i64)))?;
    file.read_exact(&mut end)?;
    let size = i64::from(i32::from_le_bytes([end[0], end[1], end[2], end[3]]));
    if &end[4..] != MAGIC || size < 0 || size as u64 > length {
        return Err(damaged("the footer is not there, as when a file is not written to its end"));
    }
    let begin = length - size as u64;
    file.seek(SeekFrom::Start(begin))?;
    let mut text = Vec::new();
    file.take(size as u64).read_to_end(&mut text)?;
    let malformed = |error: planus::Error| damaged(error.to_string());
    let footer = FooterRef::read_as_root(&text).map_err(malformed)?;
    if let Some(schema) = footer.schema().map_err(malformed)? {
        checks::check_schema(schema, text.len())?;
    }
    Ok((Footer::try_from(footer).map_err(malformed)?, begin))
}

impl Messages {
    /// The next message; its body is not read.
    pub(super) fn next(&mut self, reader: &mut BufReader<Blob>) -> PolarsResult<Option<Head>> {
        let begin = match self {
            Self::File(blocks) => match blocks.pop() {
                Some(block) => begin(block.offset)?,
                None => return Ok(None),
            },
            Self::Stream(next) => *next,
            Self::Ended => return Ok(None),
        };
        reader.seek(SeekFrom::Start(begin))?;
        let Some((message, body)) = with_body(reader)? else {
            *self = Self::Ended;
            return nothing_follows(reader);
        };
        if let Self::Stream(next) = self {
            *next = body.end;
        }
        let content = match message.header {
            Some(MessageHeader::DictionaryBatch(batch)) => Content::Dictionary(*batch),
            Some(MessageHeader::RecordBatch(batch)) => Content::Rows(*batch),
            _ => return Err(damaged("a message is neither rows nor a dictionary")),
        };
        Ok(Some(Head { version: message.version, content, body }))
    }
}

/// A stream ends where its end mark is, or the file.
fn nothing_follows(reader: &mut BufReader<Blob>) -> PolarsResult<Option<Head>> {
    for byte in reader.bytes() {
        if byte? != 0 {
            return Err(damaged("bytes follow the end of the stream"));
        }
    }
    Ok(None)
}
