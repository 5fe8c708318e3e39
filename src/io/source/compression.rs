//! Decompression of text, which is recognised by its first bytes.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use flate2::bufread::GzDecoder;

use crate::io::encoding::Encoding;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// Begins a frame that pzstd and others put before those with data, after one byte of sixteen.
const ZSTD_SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];
const ZSTD_SKIPPABLE_FIRST: std::ops::RangeInclusive<u8> = 0x50..=0x5f;
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
    let skippable = ZSTD_SKIPPABLE_FIRST.map(|first| [&[first][..], &ZSTD_SKIPPABLE].concat());
    let skippable: Vec<Vec<u8>> = skippable.collect();
    let magics: Vec<&[u8]> = [GZIP_MAGIC, ZSTD_MAGIC].into_iter().chain(skippable.iter().map(Vec::as_slice)).collect();
    let start = read_while_prefix(&mut reader, &magics)?;
    let is_gzip = start == GZIP_MAGIC;
    let is_zstd = start == ZSTD_MAGIC || skippable.contains(&start);
    let whole = Cursor::new(start).chain(reader);
    let mut text: Box<dyn BufRead + Send> = if is_gzip {
        Box::new(BufReader::with_capacity(BUFFER, GzipMembers::new(whole)))
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

/// The members of a gzip file, and zeros after the last, which tapes and block devices leave there.
struct GzipMembers<R> {
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> GzipMembers<R> {
    fn new(reader: R) -> Self {
        Self { member: Some(GzDecoder::new(reader)) }
    }
}

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let count = member.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let Some(mut reader) = self.member.take().map(GzDecoder::into_inner) else { break };
            loop {
                let rest = match reader.fill_buf() {
                    Ok(rest) => rest,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(error),
                };
                let zeros = rest.iter().take_while(|byte| **byte == 0).count();
                let is_end = rest.is_empty();
                let is_member = zeros < rest.len();
                reader.consume(zeros);
                if is_end {
                    break;
                }
                if is_member {
                    self.member = Some(GzDecoder::new(reader));
                    break;
                }
            }
        }
        Ok(0)
    }
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
