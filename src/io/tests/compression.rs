use std::io::{self, BufRead, Cursor, Read, Write};

use crate::io::format::Compression;
use crate::io::source::compression::{Accepted, is_window_too_large};
use crate::io::write::sink::Compressed;

fn decode(reader: impl Read + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    crate::io::source::compression::decode(reader, None, Accepted::Files { window_log_max: 27 })
}

fn compress(text: &str, compression: Compression) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = Compressed::new(&mut out, compression).unwrap();
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
fn zeros_behind_gzip_and_frames_to_skip_in_zstd() {
    let (one, two) = (compress("one ", Compression::Gzip), compress("two", Compression::Gzip));
    assert_eq!(text([one.as_slice(), &two, &[0; 70_000]].concat()), "one two");
    assert_eq!(text([one.as_slice(), &[0; 512], &two].concat()), "one two");
    let mut bytes = Vec::new();
    let error = decode(Cursor::new([one.as_slice(), b"\0garbage"].concat())).unwrap().read_to_end(&mut bytes);
    assert!(error.is_err());

    let (one, two) = (compress("one ", Compression::Zstd), compress("two", Compression::Zstd));
    for first in [0x50, 0x5f] {
        let skippable = [&[first, 0x2a, 0x4d, 0x18, 4, 0, 0, 0][..], b"size"].concat();
        assert_eq!(text([skippable.as_slice(), &one, &skippable, &two, &skippable].concat()), "one two");
    }
    // Nothing but a letter that such a frame begins with.
    assert_eq!(text(b"P,*".to_vec()), "P,*");
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

/// `one `, `two`, and `one ` with a dictionary of 2^28 bytes, as Python's lzma writes them.
const XZ_ONE: &[u8] = b"\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4F\x02\x00!\x01\x16\x00\x00\x00t/\xe5\xa3\x01\x00\x03one \x00Z\x8c\x83\xa315\xef~\x00\x01\x1c\x04o,\x9c\xc1\x1f\xb6\xf3}\x01\x00\x00\x00\x00\x04YZ";
const XZ_TWO: &[u8] = b"\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4F\x02\x00!\x01\x16\x00\x00\x00t/\xe5\xa3\x01\x00\x02two\x00\x00]\xd3y)u(R\x03\x00\x01\x1b\x03\x0b/\xb9\x10\x1f\xb6\xf3}\x01\x00\x00\x00\x00\x04YZ";
const XZ_LARGE: &[u8] = b"\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4F\x02\x00!\x01 \x00\x00\x00\x09\x88\xa5v\x01\x00\x03one \x00Z\x8c\x83\xa315\xef~\x00\x01\x1c\x04o,\x9c\xc1\x1f\xb6\xf3}\x01\x00\x00\x00\x00\x04YZ";

fn bzip2(text: &str) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn bzip2_and_xz_in_several_parts_with_padding() {
    assert_eq!(text(bzip2("one ")), "one ");
    assert_eq!(text(bzip2("")), "");
    assert_eq!(text([bzip2("one "), bzip2(""), bzip2("two"), vec![0; 70_000]].concat()), "one two");
    assert_eq!(text([XZ_ONE, XZ_TWO].concat()), "one two");
    assert_eq!(text([XZ_ONE, &[0; 8], XZ_TWO, &[0; 512]].concat()), "one two");
    for cut in [[XZ_ONE, &XZ_TWO[..XZ_TWO.len() - 5]].concat(), bzip2("one ")[..20].to_vec()] {
        assert!(decode(Cursor::new(cut)).and_then(|mut text| text.read_to_end(&mut Vec::new())).is_err());
    }
    // Text that begins as they do.
    for near in [&b"BZh9 and so on"[..], b"BZ,context", b"\xfd7zX"] {
        let mut bytes = Vec::new();
        decode(Cursor::new(near)).unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, near);
    }
}

#[test]
fn what_does_not_fit_its_checksum_is_an_error() {
    let text = "Ada built the lighthouse. ".repeat(9);
    let mut zstd = zstd::Encoder::new(Vec::new(), 1).unwrap();
    zstd.include_checksum(true).unwrap();
    zstd.write_all(text.as_bytes()).unwrap();
    // Where the checksum is, from the end; behind that of gzip is the length of the text.
    for (bytes, places) in [
        (compress(&text, Compression::Gzip), 1..=8),
        (zstd.finish().unwrap(), 1..=4),
        (bzip2(&text), 2..=5),
        (XZ_ONE.to_vec(), 1..=12),
    ] {
        for place in places {
            let mut damaged = bytes.clone();
            let at = damaged.len() - place;
            damaged[at] ^= 0x40;
            let mut read = Vec::new();
            assert!(decode(Cursor::new(damaged)).and_then(|mut text| text.read_to_end(&mut read)).is_err(), "{place}");
        }
    }
}

#[test]
fn bodies_of_requests_are_not_of_these_kinds() {
    for bytes in [bzip2("one "), XZ_ONE.to_vec()] {
        let mut read = Vec::new();
        let body = crate::io::source::compression::decode(Cursor::new(bytes.clone()), None, Accepted::Bodies);
        body.unwrap().read_to_end(&mut read).unwrap();
        assert_eq!(read, bytes);
    }
}

#[test]
fn windows_that_are_too_large() {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(28).unwrap();
    encoder.write_all(b"one ").unwrap();
    for bytes in [encoder.finish().unwrap(), XZ_LARGE.to_vec()] {
        let read = |window_log_max| {
            let accepted = Accepted::Files { window_log_max };
            let mut text = String::new();
            let decoder = crate::io::source::compression::decode(Cursor::new(bytes.clone()), None, accepted);
            decoder.and_then(|mut decoder| decoder.read_to_string(&mut text)).map(|_| text)
        };
        assert_eq!(read(28).unwrap(), "one ");
        let error = read(27).unwrap_err();
        assert!(is_window_too_large(&error) && error.to_string().contains("2^27"), "{error}");
    }
}
