//! Decompression of text, which is recognised by its first bytes.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
const BUFFER: usize = 64 << 10;

/// The text of `reader`: decompressed if it begins as gzip or Zstandard does (several members or frames are read as
/// one), and without a byte order mark.
pub(crate) fn decode(reader: impl Read + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    let mut reader = BufReader::with_capacity(BUFFER, reader);
    let start = read_while_prefix(&mut reader, &[GZIP_MAGIC, ZSTD_MAGIC])?;
    let (is_gzip, is_zstd) = (start == GZIP_MAGIC, start == ZSTD_MAGIC);
    let whole = Cursor::new(start).chain(reader);
    let mut text: Box<dyn BufRead + Send> = if is_gzip {
        Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(whole)))
    } else if is_zstd {
        Box::new(BufReader::with_capacity(BUFFER, zstd::Decoder::with_buffer(whole)?))
    } else {
        Box::new(whole)
    };
    let start = read_while_prefix(&mut text, &[BYTE_ORDER_MARK])?;
    if start.is_empty() || start == BYTE_ORDER_MARK { Ok(text) } else { Ok(Box::new(Cursor::new(start).chain(text))) }
}

/// Reads bytes for as long as they could be the start of one of `magics`.
///
/// No byte more than that needs, since in a pipe the next may come much later.
fn read_while_prefix(reader: &mut impl Read, magics: &[&[u8]]) -> io::Result<Vec<u8>> {
    let mut seen = Vec::new();
    while magics.iter().any(|magic| magic.len() > seen.len() && magic.starts_with(&seen)) {
        let mut byte = [0];
        match reader.read(&mut byte) {
            Ok(0) => break,
            Ok(_) => seen.extend(byte),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(seen)
}
