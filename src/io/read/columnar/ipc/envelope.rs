//! What stands around the messages of Arrow IPC, and the messages themselves.

use std::io::{self, BufReader, ErrorKind, Read, Seek};
use std::ops::Range;

use polars::prelude::PolarsResult;
use polars_arrow::io::ipc::format::ipc::planus::{self, ReadAsRoot};
use polars_arrow::io::ipc::format::ipc::{Message, MessageHeaderRef, MessageRef};

use super::checks;
use crate::io::read::columnar::decoder::damaged;
use crate::io::source::Blob;

/// Stands before the length of a message, since version 0.15 of the format.
pub(super) const CONTINUATION: [u8; 4] = [0xff; 4];
/// Begins and ends a file.
pub(super) const MAGIC: &[u8; 6] = b"ARROW1";

/// Where a block begins.
pub(super) fn begin(offset: i64) -> PolarsResult<u64> {
    u64::try_from(offset).map_err(|_| damaged("a block lies before the file"))
}

/// The message that begins here, and where its body lies; `None` as of [`read`].
pub(super) fn with_body(reader: &mut BufReader<Blob>) -> PolarsResult<Option<(Message, Range<u64>)>> {
    let Some(message) = read(reader)? else { return Ok(None) };
    let body = reader.stream_position()?;
    let length = u64::try_from(message.body_length).ok();
    let end = length.and_then(|length| body.checked_add(length));
    let end = end.ok_or_else(|| damaged("a message has a length that cannot be"))?;
    // What is cut off need not be what is wanted of this message, and takes all that would follow.
    if end > reader.get_ref().size()? {
        return Err(io::Error::from(ErrorKind::UnexpectedEof).into());
    }
    Ok(Some((message, body..end)))
}

/// The message that begins here; `None` at an end mark and at the end of the file.
pub(super) fn read(reader: &mut impl Read) -> PolarsResult<Option<Message>> {
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
