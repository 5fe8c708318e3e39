use std::ops::Range;

use super::Heads;
use crate::engine::Precision;
use bertqa_kernels::{Int8Panels, PANEL, Panels, QuantizedRows, Rows, RowsMut, Spread, gemm, gemm_int8, grow};

/// An embedding for every distance between two tokens, head by head: products with it are what a token's content sees
/// in the distances.
///
/// Distances that share an embedding are columns of their own: so the products of neighbouring keys or queries lie side
/// by side, and need not be looked up one by one.
#[derive(Debug)]
pub(super) struct DistanceTable {
    /// One of each head, or one that all share.
    heads: Vec<Blocks>,
}

/// The transposes of rows of embeddings, `[head_size, PANEL]` each, so that a product takes no more than it needs.
#[derive(Debug)]
enum Blocks {
    F32(Vec<Panels>),
    Int8(Vec<Int8Panels>),
}

/// Products with the columns from `first` on, `[rows, width]`.
#[derive(Debug, Default)]
pub(super) struct Products {
    values: Vec<f32>,
    pub first: usize,
    width: usize,
    quantized: QuantizedRows,
}

impl Products {
    pub(super) fn rows(&self, count: usize) -> Rows<'_> {
        Rows::dense(&self.values[..count * self.width], self.width)
    }
}

impl DistanceTable {
    /// `embeddings` are `[_, hidden_size]`, or `[_, head_size]` where all heads share them; `columns` gives the row for
    /// each distance.
    pub(super) fn new(
        embeddings: Rows,
        heads: Heads,
        columns: impl Iterator<Item = usize> + Clone,
        precision: Precision,
    ) -> Self {
        let count = embeddings.cols() / heads.size;
        let of_head = |head: usize| {
            let embeddings = embeddings.slice_cols(head * heads.size..(head + 1) * heads.size);
            let rows: Vec<f32> = columns.clone().flat_map(|row| embeddings.row(row)).copied().collect();
            let blocks = rows.chunks(PANEL * heads.size).map(|rows| Rows::dense(rows, heads.size));
            match precision {
                Precision::Int8 => Blocks::Int8(blocks.map(|rows| packed(rows, Int8Panels::pack_transposed)).collect()),
                _ => Blocks::F32(blocks.map(|rows| packed(rows, Panels::pack_transposed)).collect()),
            }
        };
        Self { heads: (0..count).map(of_head).collect() }
    }

    /// Multiplies rows of a head, `[rows, head_size]`, with the columns `wanted` and some around them.
    pub(super) fn multiply(&self, head: usize, rows: Rows, wanted: Range<usize>, products: &mut Products) {
        let Products { values, first, width, quantized } = products;
        let blocks = wanted.start / PANEL..wanted.end.div_ceil(PANEL);
        (*first, *width) = (blocks.start * PANEL, blocks.len() * PANEL);
        grow(values, rows.rows() * *width, 0.0);
        let table = &self.heads[head % self.heads.len()];
        if let Blocks::Int8(_) = table {
            quantized.quantize(rows, Spread::Symmetric, 1.0);
        }
        for (index, block) in blocks.enumerate() {
            let values = &mut values[index * PANEL..];
            match table {
                Blocks::F32(table) => {
                    let out = RowsMut::new(values, rows.rows(), table[block].cols(), *width);
                    gemm(out, rows, &table[block], None, None);
                }
                Blocks::Int8(table) => {
                    let out = RowsMut::new(values, rows.rows(), PANEL, *width);
                    gemm_int8(out, quantized.rows(), &table[block], None, None);
                }
            }
        }
    }
}

fn packed<P: Default>(rows: Rows, pack: impl Fn(&mut P, Rows)) -> P {
    let mut panels = P::default();
    pack(&mut panels, rows);
    panels
}
