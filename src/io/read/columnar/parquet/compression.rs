//! Pages unpacked.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use polars::prelude::PolarsResult;
use polars_parquet::parquet::compression::{Compression, DecompressionContext, decompress};

use crate::io::read::columnar::decoder::damaged;

/// The `length` bytes to which `stored` must unpack.
pub(super) fn unpacked(compression: Compression, stored: &[u8], length: usize) -> PolarsResult<Vec<u8>> {
    let wrong = |error: io::Error| damaged(format!("a page cannot be unpacked ({error})"));
    let bytes = match compression {
        Compression::Uncompressed => stored.to_vec(),
        // polars stops where the page is full, and does not come to the checksum behind it.
        Compression::Gzip => read(MultiGzDecoder::new(stored), length).map_err(wrong)?,
        Compression::Zstd => zstd::Decoder::new(stored).and_then(|page| read(page, length)).map_err(wrong)?,
        Compression::Snappy | Compression::Lzo | Compression::Brotli | Compression::Lz4 | Compression::Lz4Raw => {
            let mut bytes = vec![0; length];
            if !stored.is_empty() {
                decompress(compression, stored, &mut bytes, &mut DecompressionContext::Unset)?;
            }
            bytes
        }
    };
    if bytes.len() != length {
        return Err(damaged(format!("a page does not unpack to {length} bytes, as it says")));
    }
    Ok(bytes)
}

/// All that there is, or a byte more than there should be.
fn read(page: impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length);
    page.take(length as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
