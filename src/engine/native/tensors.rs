//! Tensors of a safetensors file.

use std::ops::Range;
use std::sync::Arc;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};

use super::LoadError;

/// The bytes of a safetensors file; clones share them.
#[derive(Debug, Clone)]
pub enum WeightBytes {
    /// A file mapped into memory.
    Mapped(Arc<memmap2::Mmap>),
    /// Bytes of the program itself.
    Static(&'static [u8]),
}

impl AsRef<[u8]> for WeightBytes {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Static(bytes) => bytes,
        }
    }
}

/// How the numbers of a tensor are stored, little-endian and not aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Float {
    F32,
    F16,
    BF16,
}

impl Float {
    fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
        }
    }

    fn read(self, bytes: &[u8], values: &mut [f32]) {
        match self {
            Self::F32 => {
                for (value, bytes) in values.iter_mut().zip(bytes.as_chunks().0) {
                    *value = f32::from_le_bytes(*bytes);
                }
            }
            Self::F16 => {
                // By blocks, since one at a time does not use the processor's conversion.
                let mut halves = [f16::ZERO; 128];
                for (values, bytes) in values.chunks_mut(128).zip(bytes.chunks(256)) {
                    let halves = &mut halves[..values.len()];
                    for (half, bytes) in halves.iter_mut().zip(bytes.as_chunks().0) {
                        *half = f16::from_le_bytes(*bytes);
                    }
                    halves.convert_to_f32_slice(values);
                }
            }
            Self::BF16 => {
                for (value, bytes) in values.iter_mut().zip(bytes.as_chunks().0) {
                    *value = bf16::from_le_bytes(*bytes).to_f32();
                }
            }
        }
    }
}

/// A matrix whose rows are read where they lie in the file. A vector is a matrix of one row.
#[derive(Debug, Clone)]
pub(super) struct Tensor {
    file: WeightBytes,
    float: Float,
    cols: usize,
    range: Range<usize>,
}

impl Tensor {
    /// Values in a row.
    pub(super) fn cols(&self) -> usize {
        self.cols
    }

    /// Reads row `row` as f32.
    ///
    /// # Panics
    /// If the tensor has no such row, or `values` is not one row long.
    pub(super) fn read_row(&self, row: usize, values: &mut [f32]) {
        assert_eq!(values.len(), self.cols);
        let size = self.cols * self.float.size();
        self.float.read(&self.file.as_ref()[self.range.clone()][row * size..][..size], values);
    }

    /// Reads all rows as f32.
    pub(super) fn read(&self) -> Vec<f32> {
        let bytes = &self.file.as_ref()[self.range.clone()];
        let mut values = vec![0.0; bytes.len() / self.float.size()];
        self.float.read(bytes, &mut values);
        values
    }
}

/// The tensors of a file by name.
pub(super) struct Tensors<'a> {
    file: &'a WeightBytes,
    index: SafeTensors<'a>,
}

impl<'a> Tensors<'a> {
    pub(super) fn parse(file: &'a WeightBytes) -> Result<Self, LoadError> {
        Ok(Self { file, index: SafeTensors::deserialize(file.as_ref())? })
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.index.tensor(name).is_ok()
    }

    /// The tensor `name`, which must have the shape `expected`.
    pub(super) fn get(&self, name: &str, expected: &[usize]) -> Result<Tensor, LoadError> {
        let view = self.index.tensor(name).map_err(|_| LoadError::MissingTensor(name.into()))?;
        if view.shape() != expected {
            return Err(LoadError::Shape {
                name: name.into(),
                expected: expected.to_vec(),
                found: view.shape().to_vec(),
            });
        }
        let float = match view.dtype() {
            Dtype::F32 => Float::F32,
            Dtype::F16 => Float::F16,
            Dtype::BF16 => Float::BF16,
            other => return Err(LoadError::Dtype { name: name.into(), found: other.to_string() }),
        };
        let start = view.data().as_ptr().addr() - self.file.as_ref().as_ptr().addr();
        let cols = expected.last().copied().unwrap_or(1);
        let range = start..start + view.data().len();
        Ok(Tensor { file: self.file.clone(), float, cols, range })
    }
}
