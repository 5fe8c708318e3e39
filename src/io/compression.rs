//! Compression of the text formats: told by its first bytes when read, by the file's name when written.

use std::io::{self, BufRead, BufReader, Cursor, Read, Write};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
const BUFFER: usize = 64 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    pub(super) fn from_path(path: &Path) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some(extension) if extension.eq_ignore_ascii_case("gz") => Self::Gzip,
            Some(extension) if extension.eq_ignore_ascii_case("zst") => Self::Zstd,
            _ => Self::None,
        }
    }
}

/// The text of `reader`: decompressed if it begins as gzip or Zstandard does (several members or frames are read as
/// one), and without a byte order mark.
pub(super) fn decode(reader: impl Read + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
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
/// No byte more than it takes to tell, since in a pipe the next may come much later.
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

/// Compresses what is written to it.
pub(super) enum Encoder<W: Write> {
    None(W),
    Gzip(GzEncoder<W>),
    Zstd(zstd::Encoder<'static, W>),
}

impl<W: Write> Encoder<W> {
    pub(super) fn new(sink: W, compression: Compression) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Self::None(sink),
            Compression::Gzip => Self::Gzip(GzEncoder::new(sink, flate2::Compression::default())),
            Compression::Zstd => Self::Zstd(zstd::Encoder::new(sink, zstd::DEFAULT_COMPRESSION_LEVEL)?),
        })
    }

    /// Writes what compression held back.
    pub(super) fn finish(self) -> io::Result<()> {
        match self {
            Self::None(sink) => Ok(sink),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }?
        .flush()
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::None(sink) => sink.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::None(sink) => sink.flush(),
            Self::Gzip(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compress(text: &str, compression: Compression) -> Vec<u8> {
        let mut out = Vec::new();
        let mut encoder = Encoder::new(&mut out, compression).unwrap();
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap();
        out
    }

    fn text(bytes: Vec<u8>) -> String {
        let mut text = String::new();
        decode(Cursor::new(bytes)).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn concatenated_members_and_frames_are_one_text() {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let bytes = [compress("one ", compression), compress("two", compression)].concat();
            assert_eq!(text(bytes), "one two");
        }
    }

    #[test]
    fn byte_order_marks_are_dropped_and_near_misses_kept() {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            assert_eq!(text(compress("\u{feff}a", compression)), "a");
            assert_eq!(text(compress("", compression)), "");
        }
        let mut bytes = Vec::new();
        decode(Cursor::new(vec![0xef, 0xbb, b'x'])).unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, [0xef, 0xbb, b'x']);
        assert_eq!(text(b"(\x1f".to_vec()), "(\x1f");
    }

    /// Gives its bytes, and then must not be asked for more.
    struct Pipe(Cursor<&'static [u8]>);

    impl Read for Pipe {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.read(buffer)?;
            assert!(count > 0, "would wait for more");
            Ok(count)
        }
    }

    #[test]
    fn a_short_line_is_there_before_more_input_is() {
        let mut line = String::new();
        decode(Pipe(Cursor::new(b"{\n"))).unwrap().read_line(&mut line).unwrap();
        assert_eq!(line, "{\n");
    }
}
