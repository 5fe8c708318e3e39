use std::ops::Range;

use super::{Float, WeightFile};

/// A tensor as a file has it. Whether it lies within its bytes is looked at when it is asked for.
#[derive(Debug, Clone)]
pub struct StoredTensor {
    /// The file that it is in.
    pub file: WeightFile,
    /// What its numbers are.
    pub element: Element,
    /// The bytes of the file that it is in, alone or with others.
    pub bytes: Range<usize>,
    /// How many numbers there are before its first.
    pub offset: usize,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// How many numbers lie between neighbours in each dimension.
    pub strides: Strides,
}

/// What the numbers of a tensor are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Element {
    /// What a network computes with.
    Float(Float),
    /// Something else, by its name.
    Other(String),
}

/// How many numbers lie between neighbours in each dimension of a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Strides {
    /// Row after row, without gaps.
    Dense,
    /// So many in each dimension: a matrix that is stored transposed, or part of a larger one.
    Each(Vec<usize>),
}

impl StoredTensor {
    /// How many numbers lie between neighbours in each dimension; `None` if the tensor is larger than its bytes, or
    /// reaches beyond their end. `size` is that of a number.
    pub(super) fn strides_within_bytes(&self, size: usize) -> Option<Vec<usize>> {
        let bytes = self.file.bytes().get(self.bytes.clone())?;
        let available = (bytes.len() / size).checked_sub(self.offset)?;
        let mut count = 1usize;
        let mut dense = vec![0; self.shape.len()];
        for (stride, &dimension) in dense.iter_mut().zip(&self.shape).rev() {
            *stride = count;
            count = count.checked_mul(dimension)?;
        }
        // Numbers may be used more than once, but a tensor is read into memory that the file must be worth.
        if count > available {
            return None;
        }
        let strides = match &self.strides {
            Strides::Dense => dense,
            Strides::Each(strides) if strides.len() == self.shape.len() => strides.clone(),
            Strides::Each(_) => return None,
        };
        if count > 0 {
            let mut last = 0usize;
            for (&stride, &dimension) in strides.iter().zip(&self.shape) {
                last = last.checked_add(stride.checked_mul(dimension - 1)?)?;
            }
            if last >= available {
                return None;
            }
        }
        Some(strides)
    }
}
