use std::io::{self, BufRead, Cursor, Read, Write};

use crate::io::format::Compression;
use crate::io::source::compression::decode;
use crate::io::write::sink::Compressed;

fn compress(text: &str, compression: Compression) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = Compressed::new(&mut out, compression).unwrap();
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap();
    out
}

fn text(bytes: Vec<u8>) -> String {
    let mut text = String::new();
    decode(Cursor::new(bytes), None).unwrap().read_to_string(&mut text).unwrap();
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
    let error = decode(Cursor::new([one.as_slice(), b"\0garbage"].concat()), None).unwrap().read_to_end(&mut bytes);
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
    decode(Cursor::new(vec![0xef, 0xbb, b'x']), None).unwrap().read_to_end(&mut bytes).unwrap();
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
    decode(Pipe(Cursor::new(b"{\n")), None).unwrap().read_line(&mut line).unwrap();
    assert_eq!(line, "{\n");
}
