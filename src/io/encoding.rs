//! Encodings of text other than UTF-8.

use std::fmt;
use std::io::{self, BufRead, Read};
use std::str::FromStr;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Decoder, DecoderResult};
use serde::{Serialize, Serializer};

/// An encoding of text, by one of the names that the WHATWG's standard has for it, or that Python has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding(&'static encoding_rs::Encoding);

/// A name that no encoding has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no encoding is called {0}; known are such as utf-8, utf-16le, shift_jis, euc-jp, gbk, big5, euc-kr, windows-1252"
)]
pub struct UnknownEncoding(String);

/// Names that Python has and the standard has not.
const ALIASES: [(&str, &str); 8] = [
    ("cp932", "shift_jis"),
    ("cp936", "gbk"),
    ("cp949", "euc-kr"),
    ("cp950", "big5"),
    ("euc_jis_2004", "euc-jp"),
    ("utf-8-sig", "utf-8"),
    ("latin-1", "windows-1252"),
    ("utf-16-le", "utf-16le"),
];

impl FromStr for Encoding {
    type Err = UnknownEncoding;

    fn from_str(name: &str) -> Result<Self, UnknownEncoding> {
        let find = |name: &str| encoding_rs::Encoding::for_label(name.as_bytes());
        let lower = name.trim().to_ascii_lowercase();
        let hyphens = lower.replace('_', "-");
        let alias = ALIASES.iter().find(|(alias, _)| *alias == lower || *alias == hyphens).map(|(_, name)| *name);
        let found = find(&lower).or_else(|| find(&hyphens)).or_else(|| find(alias?));
        found.map(Self).ok_or_else(|| UnknownEncoding(name.to_owned()))
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

impl Serialize for Encoding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Encoding {
    /// Whether a line feed in such a text is the end of a line.
    pub(crate) fn has_ascii_lines(self) -> bool {
        self.0.is_ascii_compatible()
    }

    pub(crate) const UTF_16LE: Self = Self(encoding_rs::UTF_16LE);
    pub(crate) const UTF_16BE: Self = Self(encoding_rs::UTF_16BE);

    /// A text in this encoding as UTF-8. What stands for no character becomes a byte that UTF-8 does not have, so that
    /// the row with it fails, and no other.
    pub(crate) fn decode(self, reader: Box<dyn BufRead + Send>) -> Box<dyn BufRead + Send> {
        if self.0 == encoding_rs::UTF_8 {
            return reader;
        }
        let decoder = self.0.new_decoder_without_bom_handling();
        Box::new(Transcoded { reader, decoder, text: Vec::new(), at: 0, ended: false })
    }
}

/// In no text of UTF-8.
const INVALID: u8 = 0xff;

struct Transcoded {
    reader: Box<dyn BufRead + Send>,
    decoder: Decoder,
    text: Vec<u8>,
    at: usize,
    ended: bool,
}

impl BufRead for Transcoded {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at == self.text.len() && !self.ended {
            let input = self.reader.fill_buf()?;
            self.ended = input.is_empty();
            let most = self.decoder.max_utf8_buffer_length_without_replacement(input.len());
            self.text.resize(most.unwrap_or(4 * input.len() + 16) + 1, 0);
            let (result, read, written) =
                self.decoder.decode_to_utf8_without_replacement(input, &mut self.text, self.ended);
            self.text.truncate(written);
            self.at = 0;
            self.reader.consume(read);
            match result {
                DecoderResult::Malformed(..) => {
                    self.text.push(INVALID);
                    // There may be more than that at the end.
                    self.ended = false;
                }
                DecoderResult::InputEmpty => {}
                DecoderResult::OutputFull => self.ended = false,
            }
        }
        Ok(&self.text[self.at..])
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
    }
}

impl Read for Transcoded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

/// What the bytes of a text that is not valid are likely to be.
pub(crate) struct Doubt {
    given: Option<Encoding>,
    /// Has seen all that was not valid: the more, the surer.
    detector: Box<EncodingDetector>,
}

impl Doubt {
    /// `given` is the encoding that the text was read in, where somebody has said so.
    pub(crate) fn new(given: Option<Encoding>) -> Self {
        Self { given, detector: Box::new(EncodingDetector::new(Iso2022JpDetection::Allow)) }
    }

    /// To be put behind a message about bytes that are not UTF-8.
    pub(crate) fn note(&mut self, bytes: &[u8]) -> String {
        match self.given {
            Some(given) => format!(": it has bytes that are not {given}"),
            None => {
                self.detector.feed(bytes, false);
                let likely = self.detector.guess(None, Utf8Detection::Deny);
                format!("; it looks like {}", likely.name())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn decoded(bytes: Vec<u8>, encoding: &str) -> Vec<u8> {
        let mut text = Vec::new();
        let encoding: Encoding = encoding.parse().unwrap();
        encoding.decode(Box::new(io::BufReader::with_capacity(3, Cursor::new(bytes)))).read_to_end(&mut text).unwrap();
        text
    }

    #[test]
    fn names_of_the_standard_and_of_python() {
        for (name, canonical) in [
            ("Shift_JIS", "Shift_JIS"),
            ("cp932", "Shift_JIS"),
            ("sjis", "Shift_JIS"),
            ("EUC_JP", "EUC-JP"),
            ("utf_16_le", "UTF-16LE"),
            ("utf8", "UTF-8"),
            ("latin_1", "windows-1252"),
            ("cp1252", "windows-1252"),
        ] {
            assert_eq!(name.parse::<Encoding>().unwrap().to_string(), canonical);
        }
        assert!("no-such".parse::<Encoding>().unwrap_err().to_string().contains("no-such"));
    }

    #[test]
    fn what_is_no_character_makes_its_place_invalid() {
        assert_eq!(decoded(b"a\x82\xa0\xffb\n".to_vec(), "cp932"), b"a\xe3\x81\x82\xffb\n");
        assert_eq!(decoded(b"a\0\0\xd8".to_vec(), "utf-16le"), b"a\xff");
    }

    #[test]
    fn likely_encodings_are_named() {
        let mut doubt = Doubt::new(None);
        let (text, ..) = encoding_rs::SHIFT_JIS.encode(
            "\u{30ec}\u{30fc}\u{30b9}\u{306b}\u{52dd}\u{3063}\u{305f}\u{306e}\u{306f}\u{8ab0}\u{3067}\u{3059}\u{304b}",
        );
        assert!(doubt.note(&text).contains("Shift_JIS"), "{}", doubt.note(&text));
    }

    proptest! {
        #[test]
        fn text_comes_back(text in "[a-z\u{3042}-\u{3093}\u{4e00}-\u{4e10}\n]{0,40}") {
            for name in ["shift_jis", "euc-jp", "gb18030"] {
                let encoding: Encoding = name.parse().unwrap();
                let (bytes, _, unmappable) = encoding.0.encode(&text);
                prop_assume!(!unmappable);
                prop_assert_eq!(decoded(bytes.into_owned(), name), text.as_bytes());
            }
            let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            prop_assert_eq!(decoded(bytes, "utf-16be"), text.as_bytes());
        }
    }
}
