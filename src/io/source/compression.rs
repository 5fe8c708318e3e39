//! Decompression of text, which is recognised by its first bytes.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

use crate::io::encoding::Encoding;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const UTF_8_MARK: &[u8] = "\u{feff}".as_bytes();
const UTF_16LE_MARK: &[u8] = &[0xff, 0xfe];
const UTF_16BE_MARK: &[u8] = &[0xfe, 0xff];
const BUFFER: usize = 64 << 10;

/// The text of `reader`: decompressed if it begins as gzip or Zstandard does (several members or frames are read as
/// one), as UTF-8 and without a byte order mark, which says more surely than `encoding` what the text is.
pub(crate) fn decode(
    reader: impl Read + Send + 'static,
    encoding: Option<Encoding>,
) -> io::Result<Box<dyn BufRead + Send>> {
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
    let start = read_while_prefix(&mut text, &[UTF_8_MARK, UTF_16LE_MARK, UTF_16BE_MARK])?;
    let marked = match start.as_slice() {
        UTF_8_MARK => return Ok(text),
        UTF_16LE_MARK => Some(Encoding::UTF_16LE),
        UTF_16BE_MARK => Some(Encoding::UTF_16BE),
        _ => None,
    };
    if let Some(marked) = marked {
        return Ok(marked.decode(text));
    }
    let mut start = start;
    if start.len() == 1 && start != b"\n" {
        // No row is as short as that: it does not keep one waiting.
        text.by_ref().take(1).read_to_end(&mut start)?;
    }
    // No text in UTF-8 that is read here has a zero byte in it.
    let encoding = encoding.or(match start.as_slice() {
        [0, 1..=0xff] => Some(Encoding::UTF_16BE),
        [1..=0xff, 0] => Some(Encoding::UTF_16LE),
        _ => None,
    });
    let text: Box<dyn BufRead + Send> = if start.is_empty() { text } else { Box::new(Cursor::new(start).chain(text)) };
    Ok(match encoding {
        Some(encoding) => encoding.decode(text),
        None => text,
    })
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
