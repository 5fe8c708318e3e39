use std::ops::Range;
use std::sync::OnceLock;

use super::Heads;
use crate::engine::Precision;
use bertqa_kernels::{Int8Panels, PANEL, Panels, QuantizedRows, Rows, RowsMut, Spread, gemm, gemm_int8, grow};

/// Embeddings of distances, and tables of them for windows of several lengths, which are made when the first such window
/// comes: a network may take far longer ones than it is ever given.
#[derive(Debug)]
pub(super) struct DistanceTables {
    /// `[rows, hidden_size]`, or `[rows, head_size]` where all heads share them.
    embeddings: Vec<f32>,
    rows: usize,
    heads: Heads,
    precision: Precision,
    /// For windows of up to [`SHORTEST`] tokens, twice as many, four times, and so on.
    tables: Vec<OnceLock<DistanceTable>>,
}

/// The tokens of the windows for which the first table is.
const SHORTEST: usize = 128;

impl DistanceTables {
    pub(super) fn new(embeddings: Vec<f32>, rows: usize, heads: Heads, precision: Precision) -> Self {
        // As many as there are doublings up to any number of tokens.
        let tables = (0..=usize::BITS - SHORTEST.ilog2()).map(|_| OnceLock::new()).collect();
        Self { embeddings, rows, heads, precision, tables }
    }

    /// That for windows of so many tokens; `row` gives the embedding's row for each distance, by which the columns
    /// ascend.
    pub(super) fn for_tokens(&self, tokens: usize, row: impl Fn(isize) -> usize) -> &DistanceTable {
        let doublings = tokens.div_ceil(SHORTEST).next_power_of_two().ilog2() as usize;
        self.tables[doublings].get_or_init(|| {
            let last = (SHORTEST << doublings).cast_signed() - 1;
            let columns = (-last..=last).map(row).collect::<Vec<_>>();
            let embeddings = Rows::dense(&self.embeddings, self.embeddings.len() / self.rows);
            DistanceTable::new(embeddings, self.heads, &columns, self.precision)
        })
    }
}

/// An embedding for every distance between two tokens, head by head: products with it are what a token's content sees
/// in the distances.
///
/// Distances that share an embedding are columns of their own: so the products of neighbouring keys or queries lie side
/// by side, and need not be looked up one by one.
#[derive(Debug)]
pub(super) struct DistanceTable {
    /// Of the longest window: there are columns for distances below it, to both sides.
    pub tokens: usize,
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
    /// `columns` are rows of `embeddings`.
    fn new(embeddings: Rows, heads: Heads, columns: &[usize], precision: Precision) -> Self {
        let count = embeddings.cols() / heads.size;
        let of_head = |head: usize| {
            let embeddings = embeddings.slice_cols(head * heads.size..(head + 1) * heads.size);
            let rows: Vec<f32> = columns.iter().flat_map(|row| embeddings.row(*row)).copied().collect();
            let blocks = rows.chunks(PANEL * heads.size).map(|rows| Rows::dense(rows, heads.size));
            match precision {
                Precision::Int8 => Blocks::Int8(blocks.map(|rows| packed(rows, Int8Panels::pack_transposed)).collect()),
                _ => Blocks::F32(blocks.map(|rows| packed(rows, Panels::pack_transposed)).collect()),
            }
        };
        Self { tokens: columns.len().div_ceil(2), heads: (0..count).map(of_head).collect() }
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
