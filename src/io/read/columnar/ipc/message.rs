//! The messages of Arrow IPC: what each begins with, and where its body is.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;

use polars::prelude::PolarsResult;
use polars_arrow::io::ipc::format::ipc::planus::{self, ReadAsRoot};
use polars_arrow::io::ipc::format::ipc::{
    Block, DictionaryBatch, Footer, FooterRef, Message, MessageHeader, MessageHeaderRef, MessageRef, MetadataVersion,
    RecordBatch, Schema,
};

use super::checks;
use crate::io::read::columnar::decoder::damaged;

/// Stands before the length of a message, since version 0.15 of the format.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// Begins and ends a file.
const MAGIC: &[u8; 6] = b"ARROW1";

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
pub(super) fn open(file: &mut File) -> PolarsResult<(Schema, Messages)> {
    let mut magic = [0; MAGIC.len()];
    let is_file = file.read_exact(&mut magic).is_ok() && &magic == MAGIC;
    file.rewind()?;
    if is_file {
        let footer = footer(file)?;
        let schema = footer.schema.ok_or_else(|| damaged("the footer has no schema"))?;
        let dictionaries = footer.dictionaries.unwrap_or_default();
        let mut blocks: Vec<Block> =
            dictionaries.into_iter().chain(footer.record_batches.unwrap_or_default()).collect();
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

fn footer(file: &mut File) -> PolarsResult<Footer> {
    let mut end = [0; 4 + MAGIC.len()];
    let length = file.seek(SeekFrom::End(-(end.len() as i64)))?;
    file.read_exact(&mut end)?;
    let size = i64::from(i32::from_le_bytes([end[0], end[1], end[2], end[3]]));
    if &end[4..] != MAGIC || size < 0 || size as u64 > length {
        return Err(damaged("the footer is not there, as when a file is not written to its end"));
    }
    file.seek(SeekFrom::Start(length - size as u64))?;
    let mut text = Vec::new();
    file.take(size as u64).read_to_end(&mut text)?;
    let malformed = |error: planus::Error| damaged(error.to_string());
    let footer = FooterRef::read_as_root(&text).map_err(malformed)?;
    if let Some(schema) = footer.schema().map_err(malformed)? {
        checks::check_schema(schema, text.len())?;
    }
    Footer::try_from(footer).map_err(malformed)
}

impl Messages {
    /// The next message; its body is not read.
    pub(super) fn next(&mut self, reader: &mut BufReader<File>) -> PolarsResult<Option<Head>> {
        let begin = match self {
            Self::File(blocks) => match blocks.pop() {
                Some(block) => u64::try_from(block.offset).map_err(|_| damaged("a block lies before the file"))?,
                None => return Ok(None),
            },
            Self::Stream(next) => *next,
            Self::Ended => return Ok(None),
        };
        reader.seek(SeekFrom::Start(begin))?;
        let Some(message) = read(reader)? else {
            *self = Self::Ended;
            return nothing_follows(reader);
        };
        let body = reader.stream_position()?;
        let length = u64::try_from(message.body_length).ok();
        let end = length.and_then(|length| body.checked_add(length));
        let end = end.ok_or_else(|| damaged("a message has a length that cannot be"))?;
        // What is cut off need not be what is wanted of this message, and takes all that would follow.
        if end > reader.get_ref().metadata()?.len() {
            return Err(io::Error::from(ErrorKind::UnexpectedEof).into());
        }
        if let Self::Stream(next) = self {
            *next = end;
        }
        let content = match message.header {
            Some(MessageHeader::DictionaryBatch(batch)) => Content::Dictionary(*batch),
            Some(MessageHeader::RecordBatch(batch)) => Content::Rows(*batch),
            _ => return Err(damaged("a message is neither rows nor a dictionary")),
        };
        Ok(Some(Head { version: message.version, content, body: body..end }))
    }
}

/// A stream ends where its end mark is, or the file.
fn nothing_follows(reader: &mut BufReader<File>) -> PolarsResult<Option<Head>> {
    for byte in reader.bytes() {
        if byte? != 0 {
            return Err(damaged("bytes follow the end of the stream"));
        }
    }
    Ok(None)
}

/// The message that begins here; `None` at an end mark and at the end of the file.
fn read(reader: &mut impl Read) -> PolarsResult<Option<Message>> {
    let mut length = [0; 4];
    match reader.read_exact(&mut length) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    if length == CONTINUATION {
        reader.read_exact(&mut length)?;
    }
    let length = u64::try_from(i32::from_le_bytes(length)).map_err(|_| damaged("a message has a negative length"))?;
    if length == 0 {
        return Ok(None);
    }
    let mut text = Vec::new();
    reader.take(length).read_to_end(&mut text)?;
    if (text.len() as u64) < length {
        return Err(io::Error::from(ErrorKind::UnexpectedEof).into());
    }
    let malformed = |error: planus::Error| damaged(error.to_string());
    let message = MessageRef::read_as_root(&text).map_err(malformed)?;
    if let Some(MessageHeaderRef::Schema(schema)) = message.header().map_err(malformed)? {
        checks::check_schema(schema, text.len())?;
    }
    Message::try_from(message).map(Some).map_err(malformed)
}
