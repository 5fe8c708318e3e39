use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

/// How the numbers of a tensor are stored: little-endian, and not aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Float {
    /// Double precision.
    F64,
    /// Single precision.
    F32,
    /// Half precision.
    F16,
    /// The upper half of single precision.
    BF16,
}

impl Float {
    /// Bytes of a number.
    pub fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
        }
    }

    pub(super) fn read(self, bytes: &[u8], values: &mut [f32]) {
        match self {
            Self::F64 => {
                for (value, bytes) in values.iter_mut().zip(bytes.as_chunks().0) {
                    *value = f64::from_le_bytes(*bytes) as f32;
                }
            }
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
