use std::ops::Range;
use std::path::Path;

use super::file::DictionaryFile;
use super::matrix::Matrix;
use super::{MecabError, Word};

/// Begins a file of words; the size of the file is mixed in.
const MAGIC: u32 = 0xef71_8f77;
const VERSION: u32 = 102;
const HEADER: usize = 40;
const CHARSET: usize = 32;
/// Of a unit of the double array: base and check.
const UNIT: usize = 8;
/// Of a token: left and right side, part of speech, cost, and where its features are.
const TOKEN: usize = 16;

/// sys.dic or unk.dic: words, found by a double array (a trie in two numbers a node) over their bytes.
pub(super) struct Lexicon {
    file: DictionaryFile,
    units: Range<usize>,
    tokens: Range<usize>,
}

impl Lexicon {
    /// Checks all that is read later, so that looking up cannot fail.
    pub(super) fn open(folder: &Path, name: &str, matrix: &Matrix) -> Result<Self, MecabError> {
        let file = DictionaryFile::open(folder, name)?;
        let number = |index: usize| file.u32_at(4 * index).ok_or_else(|| file.damaged("it is cut off"));
        if u64::from(number(0)? ^ MAGIC) != file.len() as u64 {
            return Err(file.damaged("it does not begin as one, or is cut off"));
        }
        if number(1)? != VERSION {
            return Err(file.damaged("it is of another version of MeCab's format"));
        }
        let [rights, lefts] = [number(4)? as usize, number(5)? as usize];
        let [units, tokens, features] = [number(6)? as usize, number(7)? as usize, number(8)? as usize];
        let start = HEADER + CHARSET;
        let charset = file.get(HEADER..start).ok_or_else(|| file.damaged("it is cut off"))?;
        let sizes = [units, tokens, features].into_iter().try_fold(start, usize::checked_add);
        if sizes != Some(file.len()) || units % UNIT != 0 || tokens % TOKEN != 0 || units == 0 {
            return Err(file.damaged("the sizes of its parts do not add up"));
        }
        if !is_utf8(charset) {
            return Err(MecabError::Charset { path: file.path.clone(), charset: charset_name(charset) });
        }
        if (rights, lefts) != (matrix.rights(), matrix.lefts()) {
            return Err(file.damaged("it is of another dictionary than matrix.bin"));
        }
        let lexicon = Self { units: start..start + units, tokens: start + units..start + units + tokens, file };
        if !lexicon.words(0..tokens / TOKEN).all(|word| matrix.has(&word)) {
            return Err(lexicon.file.damaged("a word has a side that matrix.bin lacks"));
        }
        let count = tokens / TOKEN;
        if lexicon.units().iter().filter_map(|unit| leaf(base(unit))).any(|words| words.end > count) {
            return Err(lexicon.file.damaged("an entry has words that are not there"));
        }
        Ok(lexicon)
    }

    /// The words that `key` is, if there are any.
    pub(super) fn exact(&self, key: &[u8]) -> Option<Vec<Word>> {
        let mut found = None;
        self.prefixes(key, |length, words| {
            if length == key.len() {
                found = Some(words);
            }
        });
        found.map(|words| self.words(words).collect())
    }

    /// Calls `found` with each beginning of `text` that is in the lexicon: its length in bytes and the numbers of its
    /// words; the shortest first.
    #[inline]
    pub(super) fn prefixes(&self, text: &[u8], mut found: impl FnMut(usize, Range<usize>)) {
        let units = self.units();
        let mut node = base(&units[0]);
        for length in 0..=text.len() {
            // The end of a word is a child too; its base is a value.
            if let Some(words) = child(units, node, 0).and_then(leaf) {
                found(length, words);
            }
            let next = text.get(length).and_then(|&byte| child(units, node, u32::from(byte) + 1));
            let Some(next) = next else { return };
            node = next;
        }
    }

    /// Words by their numbers.
    #[inline]
    pub(super) fn words(&self, numbers: Range<usize>) -> impl Iterator<Item = Word> {
        let (tokens, _) = self.file[self.tokens.clone()].as_chunks::<TOKEN>();
        tokens[numbers].iter().map(|token| Word {
            left: u16::from_le_bytes([token[0], token[1]]),
            right: u16::from_le_bytes([token[2], token[3]]),
            cost: i16::from_le_bytes([token[6], token[7]]),
        })
    }

    fn units(&self) -> &[[u8; UNIT]] {
        self.file[self.units.clone()].as_chunks().0
    }
}

/// Whether the field of a header that names the encoding names UTF-8.
pub(super) fn is_utf8(charset: &[u8]) -> bool {
    let name = charset_name(charset).to_ascii_lowercase();
    matches!(name.as_str(), "utf-8" | "utf8" | "utf_8")
}

fn charset_name(charset: &[u8]) -> String {
    let name = charset.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}

fn base(unit: &[u8; UNIT]) -> i32 {
    i32::from_le_bytes([unit[0], unit[1], unit[2], unit[3]])
}

/// The base of a node's child by its code, if there is such a child: it is marked as the node's.
#[inline]
fn child(units: &[[u8; UNIT]], node: i32, code: u32) -> Option<i32> {
    let unit = units.get((node as u32).wrapping_add(code) as usize)?;
    let parent = i32::from_le_bytes([unit[4], unit[5], unit[6], unit[7]]);
    (parent == node).then(|| base(unit))
}

/// The numbers of an entry's words, which a negative base stands for: the first, and how many.
#[inline]
fn leaf(base: i32) -> Option<Range<usize>> {
    let value = !base;
    (value >= 0).then(|| (value >> 8) as usize..(value >> 8) as usize + (value & 0xff) as usize)
}
