//! Attention of DeBERTa: scores of contents, of content to relative position, and of relative position to content.

use std::ops::Range;

use super::distance_table::{DistanceTables, Products};
use super::float_head::{FloatHead, QUERIES};
use super::head::{Head, Int8Head, add};
use super::{Gathered, Heads, Workspace};
use crate::engine::Precision;
use crate::engine::native::profile::Operator;
use crate::engine::native::windows::Windows;
use bertqa_kernels::{Panels, Rows, RowsMut, ScoreBias, add_diagonals, gemm, grow, softmax_unscaled};

/// Keys whose products with relative embeddings are computed at a time: the fewer, the fewer of them are for distances
/// that no query has.
const KEYS: usize = 64;

/// Which of the rows of the relative embeddings stands for a distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RelativePositions {
    /// Rows for distances to one side; there are twice as many.
    pub span: usize,
    /// Where distances beyond half the span share rows, the largest distance of all.
    pub log_buckets: Option<usize>,
}

impl RelativePositions {
    /// The row for a query that stands `distance` tokens behind a key.
    pub(crate) fn row(self, distance: isize) -> usize {
        let bucket = match self.log_buckets {
            Some(max) => log_bucket(distance, self.span, max),
            None => distance,
        };
        let row = bucket + self.span as isize;
        row.clamp(0, 2 * self.span as isize - 1) as usize
    }
}

/// transformers' `make_log_bucket_position`, in `f32` as there.
fn log_bucket(distance: isize, buckets: usize, max: usize) -> isize {
    let middle = (buckets / 2) as isize;
    if distance.abs() <= middle || distance.abs() < 1 {
        return distance;
    }
    let (middle, max) = (middle as f32, max as f32);
    let share = libm::logf(distance.unsigned_abs() as f32 / middle) / libm::logf((max - 1.0) / middle);
    let bucket = (share * (middle - 1.0)).ceil() + middle;
    distance.signum() * bucket as isize
}

/// Attention with relative positions in the scores.
#[derive(Debug)]
pub(crate) struct DisentangledAttention {
    heads: Heads,
    positions: RelativePositions,
    precision: Precision,
    /// The relative embeddings as keys: what a query's content sees in a distance. A column for each, from the key
    /// farthest before its query on.
    keys: Option<DistanceTables>,
    /// The relative embeddings as queries, with the scale of the scores: what a key's content sees in a distance. A
    /// column for each, from the query farthest before its key on.
    queries: Option<DistanceTables>,
    /// The relative embeddings as values, `[2 * span, head_size]`, the same of all heads: what a probability adds for
    /// its distance.
    values: Option<Panels>,
}

impl DisentangledAttention {
    /// Of the relative embeddings as keys and as queries, projected: `[2 * span, hidden_size]`, or
    /// `[2 * span, head_size]` where all heads share them.
    pub(crate) fn new(
        heads: Heads,
        positions: RelativePositions,
        precision: Precision,
        [keys, queries]: [Option<Vec<f32>>; 2],
    ) -> Self {
        let tables = |rows: Vec<f32>| DistanceTables::new(rows, 2 * positions.span, heads, precision);
        Self { heads, positions, precision, keys: keys.map(tables), queries: queries.map(tables), values: None }
    }

    /// With relative embeddings as values too, `[2 * span, head_size]`. Probabilities are then needed in `f32`.
    pub(crate) fn with_values(self, embeddings: Rows) -> Self {
        let mut values = Panels::default();
        values.pack(embeddings);
        Self { values: Some(values), ..self }
    }

    /// As [`SelfAttention::forward`](super::SelfAttention::forward); queries come divided by the scale of the scores.
    pub(crate) fn forward(&self, windows: &Windows, projected: &[f32], rows: Range<usize>, workspace: &mut Workspace) {
        let size = self.heads.count * self.heads.size;
        let Workspace { disentangled: buffers, linear, gathered: Gathered { context, .. }, .. } = workspace;
        context.resize(rows.len() * size, 0.0);
        for window in windows.bounds() {
            let queries = window.start.max(rows.start)..window.end.min(rows.end);
            if queries.is_empty() {
                continue;
            }
            let context = &mut context[(queries.start - rows.start) * size..(queries.end - rows.start) * size];
            let queries = queries.start - window.start..queries.end - window.start;
            let tokens = window.len();
            let kinds = usize::from(self.keys.is_some()) + usize::from(self.queries.is_some());
            let values = self.values.as_ref().map_or(0, Panels::depth);
            let operations = 2 * queries.len() * size * ((2 + kinds) * tokens + values);
            let window = Rows::dense(&projected[window.start * 3 * size..window.end * 3 * size], 3 * size);
            linear.times.measure(Operator::Attention, operations, || {
                for head in 0..self.heads.count {
                    self.attend(head, window, queries.clone(), buffers, context);
                }
            });
        }
    }

    fn attend(&self, head: usize, window: Rows, queries: Range<usize>, buffers: &mut Buffers, context: &mut [f32]) {
        let Heads { count, size } = self.heads;
        let hidden = count * size;
        let columns = |part: usize| window.slice_cols(part * hidden + head * size..part * hidden + (head + 1) * size);
        let (keys, values) = (columns(1), columns(2));
        let Buffers { float, int8, content, position, bias, sums } = buffers;
        match (&self.values, self.precision) {
            (None, Precision::Int8) => int8.take(keys, values),
            _ => float.take(keys, values),
        }
        if let Some(tables) = &self.queries {
            let table = tables.for_tokens(keys.rows(), |distance| self.positions.row(distance));
            position.resize_with(keys.rows().div_ceil(KEYS), Products::default);
            for (block, position) in position.iter_mut().enumerate() {
                let block = block * KEYS..keys.rows().min((block + 1) * KEYS);
                let wanted = table.tokens + queries.start - block.end..table.tokens - 1 + queries.end - block.start;
                table.multiply(head, keys.slice_rows(block), wanted, position);
            }
        }
        for first in (queries.start..queries.end).step_by(QUERIES) {
            let block = first..queries.end.min(first + QUERIES);
            let source = columns(0).slice_rows(block.clone());
            let block = Block { queries: block, source, tokens: keys.rows() };
            self.fill(head, &block, content, position, bias);
            let bias = ScoreBias::dense(bias, keys.rows());
            let out = &mut context[(first - queries.start) * hidden + head * size..];
            let mut out = RowsMut::new(out, block.queries.len(), size, hidden);
            match (&self.values, self.precision) {
                (None, Precision::Int8) => int8.attend(source, Some(bias), out),
                (None, _) => float.attend(source, Some(bias), out),
                (Some(values), _) => {
                    let (scores, scales) = float.score(source);
                    add(bias, scores, keys.rows());
                    softmax_unscaled(RowsMut::dense(scores, keys.rows()), scales);
                    sums.compute(scores, scales, values, self.positions, block.queries);
                    float.gather(out.reborrow());
                    sums.add(&mut out);
                }
            }
        }
    }

    /// Fills `bias`, `[block, tokens]`, with what distances add to the scores of a block of queries.
    fn fill(&self, head: usize, block: &Block, content: &mut Products, position: &[Products], bias: &mut Vec<f32>) {
        let tokens = block.tokens;
        grow(bias, block.queries.len() * tokens, 0.0);
        let bias = &mut bias[..block.queries.len() * tokens];
        match &self.keys {
            Some(tables) => {
                let table = tables.for_tokens(tokens, |distance| self.positions.row(-distance));
                // Of the last query and the first key, and of the first query and the last key.
                let wanted = table.tokens - block.queries.end..table.tokens - 1 - block.queries.start + tokens;
                table.multiply(head, block.source, wanted, content);
                let products = content.rows(block.queries.len());
                for (row, bias) in bias.chunks_exact_mut(tokens).enumerate() {
                    let first = table.tokens - 1 - (block.queries.start + row) - content.first;
                    bias.copy_from_slice(&products.row(row)[first..first + tokens]);
                }
            }
            None => bias.fill(0.0),
        }
        if let Some(tables) = &self.queries {
            let table = tables.for_tokens(tokens, |distance| self.positions.row(distance));
            for (index, products) in position.iter().enumerate() {
                let keys = index * KEYS..tokens.min((index + 1) * KEYS);
                let out = RowsMut::new(&mut bias[keys.start..], block.queries.len(), keys.len(), tokens);
                let origin = table.tokens - 1 + block.queries.start - keys.start - products.first;
                add_diagonals(out, products.rows(keys.len()), origin);
            }
        }
    }
}

/// Queries that are scored together.
struct Block<'a> {
    /// Their places in the window.
    queries: Range<usize>,
    /// `[queries, head_size]`
    source: Rows<'a>,
    /// Of the window.
    tokens: usize,
}

/// What a thread needs; kept from window to window.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    float: FloatHead,
    int8: Int8Head,
    /// Products of queries with relative embeddings.
    content: Products,
    /// Products of keys with relative embeddings, block by block.
    position: Vec<Products>,
    /// What is added to the scores, `[queries, keys]`.
    bias: Vec<f32>,
    sums: DistanceSums,
}

/// What the distances add to the gathered values.
#[derive(Debug, Default)]
struct DistanceSums {
    /// The probability of each distance, `[queries, 2 * span]`.
    probabilities: Vec<f32>,
    /// `[queries, head_size]`
    values: Vec<f32>,
}

impl DistanceSums {
    /// Computes it for `queries`, from their unscaled probabilities, `[queries, tokens]`.
    fn compute(
        &mut self,
        probabilities: &[f32],
        scales: &[f32],
        rows: &Panels,
        positions: RelativePositions,
        queries: Range<usize>,
    ) {
        let width = rows.depth();
        self.probabilities.clear();
        self.probabilities.resize(queries.len() * width, 0.0);
        self.values.resize(queries.len() * rows.cols(), 0.0);
        let tokens = probabilities.len() / queries.len();
        let of_queries =
            queries.zip(self.probabilities.chunks_exact_mut(width)).zip(probabilities.chunks_exact(tokens));
        for (((query, sums), probabilities), scale) in of_queries.zip(scales) {
            for (key, probability) in probabilities.iter().enumerate() {
                sums[positions.row(query.cast_signed() - key.cast_signed())] += probability * scale;
            }
        }
        let target = RowsMut::dense(&mut self.values, rows.cols());
        gemm(target, Rows::dense(&self.probabilities, width), rows, None, None);
    }

    fn add(&self, out: &mut RowsMut) {
        for (row, values) in self.values.chunks_exact(out.cols()).enumerate() {
            out.row_mut(row).iter_mut().zip(values).for_each(|(out, value)| *out += value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// transformers' values for 256 buckets and 512 positions.
    #[test]
    fn far_distances_share_rows() {
        let positions = RelativePositions { span: 256, log_buckets: Some(512) };
        let rows = [0, 1, -1, 127, 128, -128, 129, 130, 200, 383, -383, 511].map(|distance| positions.row(distance));
        assert_eq!(rows, [256, 257, 255, 383, 384, 128, 385, 386, 425, 485, 27, 511]);
        let plain = RelativePositions { span: 4, log_buckets: None };
        assert_eq!([-9, -4, 0, 3, 4, 9].map(|distance| plain.row(distance)), [0, 0, 4, 7, 7, 7]);
    }
}
