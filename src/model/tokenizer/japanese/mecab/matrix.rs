use std::path::Path;

use super::file::DictionaryFile;
use super::{MecabError, Word};

/// matrix.bin: what it costs that a word follows another, by the right side of the first and the left side of the
/// second. Two sizes, then the costs that a left side has with each right side, one left side after the other.
pub(super) struct Matrix {
    file: DictionaryFile,
    rights: usize,
    lefts: usize,
}

const HEADER: usize = 4;

impl Matrix {
    pub(super) fn open(folder: &Path) -> Result<Self, MecabError> {
        let file = DictionaryFile::open(folder, "matrix.bin")?;
        let sizes = file.u32_at(0).ok_or_else(|| file.damaged("it is cut off"))?;
        let (rights, lefts) = (sizes as usize & 0xffff, sizes as usize >> 16);
        if rights == 0 || lefts == 0 || file.len() != HEADER + 2 * rights * lefts {
            return Err(file.damaged("its size is not what its header says"));
        }
        Ok(Self { file, rights, lefts })
    }

    /// Whether it has both sides of a word.
    pub(super) fn has(&self, word: &Word) -> bool {
        usize::from(word.left) < self.lefts && usize::from(word.right) < self.rights
    }

    /// How many right sides there are.
    pub(super) fn rights(&self) -> usize {
        self.rights
    }

    /// How many left sides there are.
    pub(super) fn lefts(&self) -> usize {
        self.lefts
    }

    /// The costs of a left side, by right side.
    pub(super) fn row(&self, left: u16) -> &[[u8; 2]] {
        let start = HEADER + 2 * self.rights * usize::from(left);
        self.file[start..start + 2 * self.rights].as_chunks().0
    }
}
