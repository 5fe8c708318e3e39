//! The format of safetensors: a header in JSON, then the numbers.

use ::safetensors::{Dtype, SafeTensors};

use super::{Named, WeightsError, is_lfs_pointer};
use crate::engine::native::{Element, Float, StoredTensor, Strides, WeightFile};

/// Larger than that of any model, and small beside what reading it takes: many times its length.
const LONGEST_HEADER: u64 = 8 << 20;

pub(super) fn tensors(file: &WeightFile) -> Result<Named, WeightsError> {
    if is_lfs_pointer(file.bytes()) {
        return Err(WeightsError::LfsPointer);
    }
    if let Some(length) = file.bytes().first_chunk().map(|length| u64::from_le_bytes(*length))
        && length > LONGEST_HEADER
    {
        return Err(WeightsError::Header { length });
    }
    let views = SafeTensors::deserialize(file.bytes())?.tensors();
    let stored = views.into_iter().map(|(name, view)| {
        let start = view.data().as_ptr().addr() - file.bytes().as_ptr().addr();
        let stored = StoredTensor {
            file: file.clone(),
            element: element(view.dtype()),
            bytes: start..start + view.data().len(),
            offset: 0,
            shape: view.shape().to_vec(),
            strides: Strides::Dense,
        };
        (name, stored)
    });
    Ok(stored.collect())
}

fn element(dtype: Dtype) -> Element {
    Element::Float(match dtype {
        Dtype::F64 => Float::F64,
        Dtype::F32 => Float::F32,
        Dtype::F16 => Float::F16,
        Dtype::BF16 => Float::BF16,
        other => return Element::Other(other.to_string()),
    })
}
