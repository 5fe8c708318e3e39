//! Rotary positions: queries and keys are turned by angles that grow with their position.

use std::ops::Range;

use super::Heads;
use crate::engine::native::windows::Windows;

/// Cosines and sines of each position.
#[derive(Debug)]
pub(crate) struct Rotary {
    heads: Heads,
    /// `[positions, head_size / 2]`
    cosines: Vec<f32>,
    sines: Vec<f32>,
}

impl Rotary {
    /// The angle of pair `i` at position `p` is `p / theta^(2i / head_size)`.
    pub(crate) fn new(heads: Heads, positions: usize, theta: f32) -> Self {
        let half = heads.size / 2;
        let frequencies: Vec<f32> =
            (0..half).map(|pair| 1.0 / libm::powf(theta, (2 * pair) as f32 / heads.size as f32)).collect();
        let angles = |position: usize| frequencies.iter().map(move |frequency| position as f32 * frequency);
        let (sines, cosines) = (0..positions).flat_map(angles).map(libm::sincosf).unzip();
        Self { heads, cosines, sines }
    }

    /// Turns queries and keys of the tokens `rows`, `[rows, 3 * hidden_size]`: a value is paired with the one half a
    /// head further.
    pub(crate) fn apply(&self, windows: &Windows, rows: Range<usize>, projected: &mut [f32]) {
        let Heads { count, size } = self.heads;
        let (width, half) = (3 * count * size, size / 2);
        for window in windows.bounds() {
            for token in window.start.max(rows.start)..window.end.min(rows.end) {
                let position = token - window.start;
                let angles = position * half..(position + 1) * half;
                let (cosines, sines) = (&self.cosines[angles.clone()], &self.sines[angles]);
                let row = &mut projected[(token - rows.start) * width..][..2 * count * size];
                for head in row.chunks_exact_mut(size) {
                    let (first, second) = head.split_at_mut(half);
                    let pairs = first.iter_mut().zip(second).zip(cosines.iter().zip(sines));
                    for ((first, second), (cosine, sine)) in pairs {
                        (*first, *second) = (*first * cosine - *second * sine, *second * cosine + *first * sine);
                    }
                }
            }
        }
    }
}
