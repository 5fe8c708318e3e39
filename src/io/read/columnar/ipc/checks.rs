//! Whether what a message says of its size can be, before memory is asked for.

use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

use polars::prelude::PolarsResult;
use polars_arrow::io::ipc::format::ipc::planus::{self, Vector};
use polars_arrow::io::ipc::format::ipc::{CompressionType, FieldRef, RecordBatch, SchemaRef};

use crate::io::read::columnar::decoder::damaged;
use crate::io::read::columnar::memory;
use crate::io::source::Blob;

/// Stands before a buffer that is not compressed, among those that are.
pub(super) const NOT_COMPRESSED: i64 = -1;
/// As in Arrow's own reader; the next level of a type is read by recursion.
const DEEPEST: usize = 64;
/// A field takes more bytes than that in a schema, unless several are one.
const SMALLEST_FIELD: usize = 8;

/// Refuses a schema of `bytes` whose fields are more than there are: a table of a flatbuffer may be part of several
/// others, so that a few could stand for any number.
pub(super) fn check_schema(schema: SchemaRef, bytes: usize) -> PolarsResult<()> {
    let mut left = bytes / SMALLEST_FIELD;
    match schema.fields() {
        Ok(fields) => check_fields(fields, DEEPEST, &mut left),
        Err(error) => Err(damaged(error.to_string())),
    }
}

fn check_fields(fields: Option<Vector<planus::Result<FieldRef>>>, levels: usize, left: &mut usize) -> PolarsResult<()> {
    for field in fields.into_iter().flatten() {
        let levels = levels.checked_sub(1).ok_or_else(|| damaged("its types are nested too deeply"))?;
        *left = left.checked_sub(1).ok_or_else(|| damaged("it has more fields than its schema has room for"))?;
        let children = field.and_then(|field| field.children()).map_err(|error| damaged(error.to_string()))?;
        check_fields(children, levels, left)?;
    }
    Ok(())
}

/// Refuses buffers that do not lie in `body`, and those that cannot be unpacked to what they say, or take more memory
/// than there is.
pub(super) fn check_buffers(batch: &RecordBatch, reader: &mut BufReader<Blob>, body: &Range<u64>) -> PolarsResult<()> {
    let mut total = 0u64;
    for buffer in batch.buffers.iter().flatten() {
        let begin = u64::try_from(buffer.offset).ok().and_then(|offset| body.start.checked_add(offset));
        let length = u64::try_from(buffer.length).ok();
        let end = begin.zip(length).and_then(|(begin, length)| begin.checked_add(length));
        let (Some(begin), Some(length), true) = (begin, length, end.is_some_and(|end| end <= body.end)) else {
            return Err(damaged("a buffer lies outside of its message"));
        };
        let unpacked = match &batch.compression {
            Some(compression) if length > 0 => unpacked(compression.codec, begin, length, reader)?,
            _ => length,
        };
        total = total.saturating_add(unpacked);
    }
    memory::check(total)
}

/// The length to which a buffer says that it unpacks.
fn unpacked(codec: CompressionType, begin: u64, length: u64, reader: &mut BufReader<Blob>) -> PolarsResult<u64> {
    let mut said = [0; 8];
    let Some(stored) = length.checked_sub(said.len() as u64) else {
        return Err(damaged("a compressed buffer is too short to say how long it is"));
    };
    reader.seek(SeekFrom::Start(begin))?;
    reader.read_exact(&mut said)?;
    let most = match codec {
        // A byte more of a length is at most 255 bytes more.
        CompressionType::Lz4Frame => stored.saturating_mul(255),
        // A block of 128 KiB that is one byte repeated takes four.
        CompressionType::Zstd => stored.saturating_mul(1 << 15).saturating_add(1 << 17),
    };
    match i64::from_le_bytes(said) {
        NOT_COMPRESSED => Ok(stored),
        said => match u64::try_from(said) {
            Ok(said) if said <= most => Ok(said),
            _ => Err(damaged(format!("a buffer of {stored} bytes cannot come to {said}, as it says"))),
        },
    }
}
