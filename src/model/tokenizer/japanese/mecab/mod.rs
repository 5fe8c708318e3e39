//! MeCab: the words of a Japanese text, by a dictionary that MeCab compiled.

mod characters;
mod error;
mod file;
mod find;
mod kind;
mod lattice;
mod lexicon;
mod matrix;

use std::fs;
use std::ops::Range;
use std::path::Path;

use characters::{Character, Characters};
pub use error::MecabError;
use file::DictionaryFile;
pub(crate) use find::MecabPlaces;
pub(super) use find::{find, open_named};
pub use kind::Kind;
use lattice::Lattice;
use lexicon::Lexicon;
use matrix::Matrix;

use crate::model::{ModelFile, ModelPart};

/// A word as it is found: what may stand beside it, and what it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Word {
    left: u16,
    right: u16,
    cost: i16,
}

/// A compiled dictionary.
pub(super) struct Dictionary {
    words: Lexicon,
    characters: Characters,
    matrix: Matrix,
    space: Character,
    /// Of how many characters, after its first, a group of like characters may be an unknown word.
    longest_group: usize,
    files: Vec<ModelFile>,
}

/// The files of a dictionary.
const FILES: [&str; 5] = ["sys.dic", "unk.dic", "matrix.bin", "char.bin", DICRC];
const DICRC: &str = "dicrc";

/// How many left sides words of ipadic have, and of dictionaries made from it.
const IPADIC_SIDES: usize = 1316;

/// Where dicrc says nothing.
const LONGEST_GROUP: usize = 24;

impl Dictionary {
    /// The dictionary in a folder.
    pub(super) fn open(folder: &Path) -> Result<Self, MecabError> {
        let matrix = Matrix::open(folder)?;
        let words = Lexicon::open(folder, "sys.dic", &matrix)?;
        let characters = Characters::open(folder, &matrix)?;
        let space = characters.of(' ');
        let dicrc = folder.join(DICRC);
        // In whatever encoding: only a number is read.
        let settings = fs::read(&dicrc).map_err(MecabError::read(&dicrc))?;
        let longest_group = longest_group(&String::from_utf8_lossy(&settings)).unwrap_or(LONGEST_GROUP);
        let files = FILES.iter().map(|name| {
            let file = DictionaryFile::open(folder, name)?;
            Ok(ModelFile::new(name, ModelPart::Dictionary, &file))
        });
        let files = files.collect::<Result<_, _>>()?;
        Ok(Self { words, characters, matrix, space, longest_group, files })
    }

    /// The files that it is made of.
    pub(super) fn files(&self) -> &[ModelFile] {
        &self.files
    }

    /// Whether it can be that dictionary, going by its size.
    fn is_like(&self, kind: Kind) -> bool {
        (self.matrix.lefts() == IPADIC_SIDES) == (kind == Kind::Ipadic)
    }

    /// The words of a text as places in it, in bytes. White space between them belongs to none.
    pub(super) fn words(&self, text: &str) -> Vec<Range<usize>> {
        Lattice::new(self, text).words()
    }
}

fn longest_group(settings: &str) -> Option<usize> {
    let mut values = settings.lines().rev().filter_map(|line| line.split_once('='));
    let (_, value) = values.find(|(name, _)| name.trim() == "max-grouping-size")?;
    value.trim().parse().ok().filter(|size| *size > 0)
}
