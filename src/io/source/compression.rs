//! Decompression of text, which is recognised by its first bytes.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use bzip2::bufread::BzDecoder;
use flate2::bufread::GzDecoder;
use lzma_rust2::XzReader;

use crate::io::encoding::Encoding;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// Begins a frame that pzstd and others put before those with data, after one byte of sixteen.
const ZSTD_SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];
const ZSTD_SKIPPABLE_FIRST: std::ops::RangeInclusive<u8> = 0x50..=0x5f;
const XZ_MAGIC: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];
/// Stand behind `BZh` and a digit, of which text may consist: the digits of pi before data, those of its root at an end.
const BZIP2_MAGICS: [[u8; 6]; 2] = [[0x31, 0x41, 0x59, 0x26, 0x53, 0x59], [0x17, 0x72, 0x45, 0x38, 0x50, 0x90]];
/// As zstd and other programs have it.
pub(crate) const DEFAULT_WINDOW_LOG_MAX: u32 = 27;
/// 8 MiB, as RFC 9659 has it for bodies of HTTP. A small body can ask for a window of any size.
const BODY_WINDOW_LOG_MAX: u32 = 23;
const UTF_8_MARK: &[u8] = "\u{feff}".as_bytes();
const UTF_16LE_MARK: &[u8] = &[0xff, 0xfe];
const UTF_16BE_MARK: &[u8] = &[0xfe, 0xff];
const BUFFER: usize = 64 << 10;
/// What a decoder of xz takes beside its dictionary, in KiB.
const XZ_OVERHEAD: u32 = 1 << 10;

/// No more of a text tells whether it [`is_plain`].
pub(crate) const MAGIC_BYTES: u64 = 10;

/// Whether a text that begins so is neither compressed nor in UTF-16: a line feed in it is the end of a line.
pub(crate) fn is_plain(start: &[u8]) -> bool {
    let is_compressed = start.starts_with(GZIP_MAGIC)
        || start.starts_with(ZSTD_MAGIC)
        || start.starts_with(XZ_MAGIC)
        || (start.first().is_some_and(|first| ZSTD_SKIPPABLE_FIRST.contains(first))
            && start[1..].starts_with(&ZSTD_SKIPPABLE))
        || (start.starts_with(b"BZh") && BZIP2_MAGICS.iter().any(|magic| start.get(4..) == Some(magic)));
    !is_compressed && !start.starts_with(UTF_16LE_MARK) && !start.starts_with(UTF_16BE_MARK) && !start.contains(&0)
}

/// Which compressed texts are read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Accepted {
    /// gzip and Zstandard, with the windows that bodies of HTTP have.
    Bodies,
    /// bzip2 and xz too, with windows of 2 to the power of this.
    Files { window_log_max: u32 },
}

/// A compressed text that asks for more memory than is allowed.
#[derive(Debug, thiserror::Error)]
#[error("it is compressed with a window of more than 2^{0} bytes")]
pub(crate) struct WindowTooLarge(u32);

/// Whether an error is that a compressed text asks for more memory than is allowed.
pub fn is_window_too_large(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|error| error.is::<WindowTooLarge>())
}

/// The text of `reader`: decompressed if it begins as a compressed one that is `accepted` (several members or frames
/// are read as one), as UTF-8 and without a byte order mark, which says more surely than `encoding` what the text is.
pub(crate) fn decode(
    reader: impl Read + Send + 'static,
    encoding: Option<Encoding>,
    accepted: Accepted,
) -> io::Result<Box<dyn BufRead + Send>> {
    let text = decompressed(BufReader::with_capacity(BUFFER, reader), accepted)?;
    transcoded(text, encoding)
}

fn decompressed(mut reader: impl BufRead + Send + 'static, accepted: Accepted) -> io::Result<Box<dyn BufRead + Send>> {
    let skippable: Vec<Vec<u8>> = ZSTD_SKIPPABLE_FIRST.map(|first| [&[first][..], &ZSTD_SKIPPABLE].concat()).collect();
    let bzip2: Vec<Vec<u8>> = (b'1'..=b'9')
        .flat_map(|level| BZIP2_MAGICS.map(|magic| [&[b'B', b'Z', b'h', level][..], &magic].concat()))
        .collect();
    let mut magics = vec![GZIP_MAGIC, ZSTD_MAGIC];
    magics.extend(skippable.iter().map(Vec::as_slice));
    if let Accepted::Files { .. } = accepted {
        magics.push(XZ_MAGIC);
        magics.extend(bzip2.iter().map(Vec::as_slice));
    }
    let start = read_while_prefix(&mut reader, &magics)?;
    let is_gzip = start == GZIP_MAGIC;
    let is_zstd = start == ZSTD_MAGIC || skippable.contains(&start);
    let is_bzip2 = bzip2.contains(&start);
    let is_xz = start == XZ_MAGIC;
    let whole = Cursor::new(start).chain(reader);
    Ok(if is_gzip {
        buffered(Members { member: Some(GzDecoder::new(whole)) })
    } else if is_zstd {
        let mut decoder = zstd::Decoder::with_buffer(whole)?;
        decoder.window_log_max(accepted.window_log_max())?;
        buffered(Windowed { decoder, accepted })
    } else if is_bzip2 {
        buffered(Members { member: Some(BzDecoder::new(whole)) })
    } else if is_xz {
        let dictionary = 1u64 << (accepted.window_log_max().max(10) - 10);
        let limit = u32::try_from(dictionary).unwrap_or(u32::MAX).saturating_add(XZ_OVERHEAD);
        buffered(Windowed { decoder: XzReader::new_mem_limit(whole, true, limit), accepted })
    } else {
        Box::new(whole)
    })
}

fn buffered(reader: impl Read + Send + 'static) -> Box<dyn BufRead + Send> {
    Box::new(BufReader::with_capacity(BUFFER, reader))
}

/// A text in UTF-8 without a byte order mark.
fn transcoded(mut text: Box<dyn BufRead + Send>, encoding: Option<Encoding>) -> io::Result<Box<dyn BufRead + Send>> {
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

impl Accepted {
    fn window_log_max(self) -> u32 {
        match self {
            Self::Bodies => BODY_WINDOW_LOG_MAX,
            Self::Files { window_log_max } => window_log_max,
        }
    }
}

/// A decoder with a window, whose error is known if that is too large.
struct Windowed<D> {
    decoder: D,
    accepted: Accepted,
}

impl<D: Read> Read for Windowed<D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.decoder.read(buffer).map_err(|error| {
            // As zstd and lzma-rust2 put it.
            let is_too_large = error.kind() == io::ErrorKind::OutOfMemory
                || error.to_string() == "Frame requires too much memory for decoding";
            if is_too_large { io::Error::other(WindowTooLarge(self.accepted.window_log_max())) } else { error }
        })
    }
}

/// A decoder of one member of a compressed file.
trait Member: Read {
    type Reader: BufRead;

    fn begin(reader: Self::Reader) -> Self;
    fn into_inner(self) -> Self::Reader;
}

impl<R: BufRead> Member for GzDecoder<R> {
    type Reader = R;

    fn begin(reader: R) -> Self {
        Self::new(reader)
    }

    fn into_inner(self) -> R {
        self.into_inner()
    }
}

impl<R: BufRead> Member for BzDecoder<R> {
    type Reader = R;

    fn begin(reader: R) -> Self {
        Self::new(reader)
    }

    fn into_inner(self) -> R {
        self.into_inner()
    }
}

/// The members of a gzip or bzip2 file, and zeros after the last, which tapes and block devices leave there.
struct Members<M> {
    member: Option<M>,
}

impl<M: Member> Read for Members<M> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let count = member.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let Some(mut reader) = self.member.take().map(M::into_inner) else { break };
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
                    self.member = Some(M::begin(reader));
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
