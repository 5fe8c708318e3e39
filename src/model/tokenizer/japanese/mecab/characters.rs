use std::path::Path;

use super::file::DictionaryFile;
use super::lexicon::Lexicon;
use super::matrix::Matrix;
use super::{MecabError, Word};

/// Of the name of a category.
const NAME: usize = 32;
/// How many characters char.bin tells of; all others are as U+0000.
const CHARACTERS: usize = 0xffff;

/// The categories of a character, and when and how unknown words are made that begin with it. As in char.bin: 18 bits
/// of categories, 8 of the number of the main one, 4 of the longest unknown word, and the bits `group` and `invoke`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Character(u32);

impl Character {
    /// The longest unknown word that `length` can tell of.
    pub(super) const LONGEST: usize = 15;

    /// Whether the two have a category in common.
    pub(super) fn is_like(self, other: Self) -> bool {
        self.0 & other.0 & 0x3_ffff != 0
    }

    /// The number of the main category.
    pub(super) fn category(self) -> usize {
        (self.0 >> 18) as usize & 0xff
    }

    /// Up to how many characters an unknown word has.
    pub(super) fn length(self) -> usize {
        (self.0 >> 26) as usize & 0xf
    }

    /// Whether like characters that follow each other make an unknown word.
    pub(super) fn groups(self) -> bool {
        self.0 >> 30 & 1 == 1
    }

    /// Whether there are unknown words even where known ones are found.
    pub(super) fn invokes(self) -> bool {
        self.0 >> 31 == 1
    }
}

/// char.bin and unk.dic: categories of characters, and the unknown words of each.
pub(super) struct Characters {
    table: Vec<Character>,
    unknown: Vec<Vec<Word>>,
}

impl Characters {
    pub(super) fn open(folder: &Path, matrix: &Matrix) -> Result<Self, MecabError> {
        let file = DictionaryFile::open(folder, "char.bin")?;
        let damaged = |reason| file.damaged(reason);
        let categories = file.u32_at(0).ok_or_else(|| damaged("it is cut off"))? as usize;
        let size = |categories: usize| Some(4 + categories.checked_mul(NAME)? + 4 * CHARACTERS);
        if categories == 0 || size(categories) != Some(file.len()) {
            return Err(damaged("its size is not what its header says"));
        }
        let (names, table) = file[4..].split_at(NAME * categories);
        let mut table: Vec<_> = table.as_chunks().0.iter().map(|bytes| Character(u32::from_le_bytes(*bytes))).collect();
        if table.iter().any(|character| character.category() >= categories) {
            return Err(damaged("a character is of a category that it lacks"));
        }
        table.push(Character::default());

        let lexicon = Lexicon::open(folder, "unk.dic", matrix)?;
        let unknown = names.as_chunks::<NAME>().0.iter().map(|name| {
            let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
            lexicon
                .exact(name)
                .filter(|words| !words.is_empty())
                .ok_or_else(|| MecabError::damaged(&folder.join("unk.dic"), "it lacks a category of char.bin"))
        });
        let unknown = unknown.collect::<Result<_, _>>()?;
        Ok(Self { table, unknown })
    }

    pub(super) fn of(&self, character: char) -> Character {
        self.table.get(character as usize).copied().unwrap_or(self.table[0])
    }

    /// The unknown words of a category.
    pub(super) fn unknown(&self, category: usize) -> &[Word] {
        &self.unknown[category]
    }
}
