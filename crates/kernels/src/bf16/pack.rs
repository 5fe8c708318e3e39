//! From `f32` to panels of pairs of bfloat16.

#[cfg(target_arch = "x86_64")]
use super::Avx512Bf16;
use super::Bf16;
use crate::{PANEL, Panels, RowBuffer, Rows};

impl Panels<[Bf16; 2]> {
    /// Packs the transpose of `source`, rounded; `buffer` is kept from use to use.
    pub fn pack_rounded_transposed(&mut self, source: Rows<[f32; 2]>, buffer: &mut RowBuffer<[Bf16; 2]>) {
        #[cfg(target_arch = "x86_64")]
        if let Some(isa) = Avx512Bf16::fast() {
            return self.pack_transposed(isa.round(source, buffer));
        }
        buffer.resize(source.rows(), source.cols());
        let stride = buffer.stride();
        for (row, out) in buffer.as_mut_slice().chunks_exact_mut(stride).take(source.rows()).enumerate() {
            for (out, values) in out.iter_mut().zip(source.row(row)) {
                *out = values.map(Bf16::from_f32);
            }
        }
        self.pack_transposed(buffer.rows());
    }

    /// Packs `source`, rounded, in pairs of rows; the last row may be without another, and gets zeros.
    pub fn pack_rounded(&mut self, source: Rows) {
        self.resize(source.rows().div_ceil(2), source.cols());
        for panel in 0..self.panels() {
            let columns = panel * PANEL..source.cols().min((panel + 1) * PANEL);
            for (pair, out) in self.panel_mut(panel).iter_mut().enumerate() {
                let row = |row: usize| (row < source.rows()).then(|| &source.row(row)[columns.clone()]);
                let (first, second) = (row(2 * pair).unwrap_or_default(), row(2 * pair + 1).unwrap_or_default());
                #[cfg(target_arch = "x86_64")]
                if let Some(isa) = Avx512Bf16::fast() {
                    isa.pair(first, second, &mut out.0);
                    continue;
                }
                let value = |row: &[f32], column: usize| row.get(column).copied().unwrap_or(0.0);
                for (column, out) in out.0.iter_mut().enumerate() {
                    *out = [value(first, column), value(second, column)].map(Bf16::from_f32);
                }
            }
        }
    }
}
