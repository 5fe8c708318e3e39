//! The buffers of a message, unpacked.
//!
//! Arrow's own reader takes as many bytes as a buffer says that it unpacks to, and does not see whether there are more.

use std::io::{BufReader, Cursor, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;

use polars::prelude::PolarsResult;
use polars_arrow::io::ipc::format::ipc::{Buffer, CompressionType, RecordBatch};

use super::checks::{NOT_COMPRESSED, check_buffers};
use crate::io::read::columnar::decoder::damaged;
use crate::io::source::Blob;

/// Where buffers lie.
pub(super) trait Place: Read + Seek {}
impl<T: Read + Seek> Place for T {}

/// A batch whose buffers are not compressed.
pub(super) struct Unpacked<'a> {
    pub(super) batch: RecordBatch,
    pub(super) place: Box<dyn Place + 'a>,
    /// From where in the place the buffers count.
    pub(super) begin: u64,
}

impl<'a> Unpacked<'a> {
    /// The buffers of `batch`, which lie in `body`.
    ///
    /// # Errors
    /// Those that lie elsewhere, that take more memory than there is, or that are not as long as they say.
    pub(super) fn new(batch: RecordBatch, reader: &'a mut BufReader<Blob>, body: &Range<u64>) -> PolarsResult<Self> {
        check_buffers(&batch, reader, body)?;
        let Some(compression) = batch.compression.as_deref() else {
            return Ok(Self { batch, place: Box::new(reader), begin: body.start });
        };
        let (codec, mut bytes) = (compression.codec, Vec::new());
        let mut unpack = |buffer: &Buffer| -> PolarsResult<Buffer> {
            let offset = bytes.len();
            if buffer.length > 0 {
                // Both were found to lie in the body.
                reader.seek(SeekFrom::Start(body.start.saturating_add_signed(buffer.offset)))?;
                unpack(codec, &mut reader.take(buffer.length.unsigned_abs()), &mut bytes)?;
            }
            Ok(Buffer { offset: offset as i64, length: (bytes.len() - offset) as i64 })
        };
        let buffers = batch.buffers.iter().flatten().map(&mut unpack).collect::<PolarsResult<Vec<_>>>()?;
        let batch = RecordBatch { compression: None, buffers: Some(buffers), ..batch };
        Ok(Self { batch, place: Box::new(Cursor::new(bytes)), begin: 0 })
    }
}

/// Adds to `bytes` what a buffer unpacks to.
fn unpack(codec: CompressionType, packed: &mut impl Read, bytes: &mut Vec<u8>) -> PolarsResult<()> {
    let mut said = [0; 8];
    packed.read_exact(&mut said)?;
    let said = match i64::from_le_bytes(said) {
        NOT_COMPRESSED => {
            packed.read_to_end(bytes)?;
            return Ok(());
        }
        // Others were refused.
        said => said.unsigned_abs(),
    };
    let begin = bytes.len();
    // A byte more shows that there are more.
    let unpacked = match codec {
        CompressionType::Lz4Frame => {
            lz4::Decoder::new(packed).and_then(|decoder| decoder.take(said + 1).read_to_end(bytes))
        }
        CompressionType::Zstd => {
            zstd::Decoder::new(packed).and_then(|decoder| decoder.take(said + 1).read_to_end(bytes))
        }
    };
    let found = match unpacked {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => (bytes.len() - begin) as u64,
        unpacked => unpacked.map_err(|error| damaged(format!("a buffer cannot be unpacked: {error}")))? as u64,
    };
    match found {
        found if found == said => Ok(()),
        found if found > said => Err(damaged(format!("a buffer unpacks to more than the {said} bytes that it says"))),
        found => Err(damaged(format!("a buffer unpacks to {found} bytes, and says {said}"))),
    }
}
