use std::ops::Range;

use super::Heads;
use crate::engine::native::windows::Windows;

/// Rotation of neighbouring pairs of columns by angles that grow with the position (RoFormer).
#[derive(Debug)]
pub(crate) struct RotaryPairs {
    heads: Heads,
    /// Of each position, the sines of a head's pairs, then their cosines: `[positions, head_size]`.
    table: Vec<f32>,
    /// Whether values are rotated too, not only queries and keys.
    values: bool,
}

impl RotaryPairs {
    pub(crate) fn new(heads: Heads, table: Vec<f32>, values: bool) -> Self {
        Self { heads, table, values }
    }

    /// The table of transformers for so many positions.
    pub(crate) fn sinusoids(head_size: usize, positions: usize) -> Vec<f32> {
        let half = head_size / 2;
        let angle = |position, pair| position as f64 / libm::pow(10_000.0, 2.0 * pair as f64 / head_size as f64);
        let column = |position, column| match column < half {
            true => libm::sin(angle(position, column)),
            false => libm::cos(angle(position, column - half)),
        };
        let row = |position| (0..2 * half).map(move |index| column(position, index) as f32);
        (0..positions).flat_map(row).collect()
    }

    /// Rotates the tokens `rows` of `projected`, `[rows, 3 * hidden_size]`.
    pub(crate) fn rotate(&self, windows: &Windows, rows: Range<usize>, projected: &mut [f32]) {
        let Heads { count, size } = self.heads;
        let width = 3 * count * size;
        let rotated = if self.values { width } else { 2 * count * size };
        for window in windows.bounds() {
            for token in window.start.max(rows.start)..window.end.min(rows.end) {
                let (sines, cosines) = self.table[(token - window.start) * size..][..size].split_at(size / 2);
                let row = &mut projected[(token - rows.start) * width..][..rotated];
                for head in row.chunks_exact_mut(size) {
                    for ((pair, sine), cosine) in head.as_chunks_mut::<2>().0.iter_mut().zip(sines).zip(cosines) {
                        let [a, b] = *pair;
                        *pair = [a * cosine - b * sine, b * cosine + a * sine];
                    }
                }
            }
        }
    }
}
