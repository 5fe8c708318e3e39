//! Attention of DeBERTa: scores of contents, of content to relative position, and of relative position to content.

use std::ops::Range;

use super::{Heads, Workspace};
use crate::engine::native::profile::Operator;
use crate::engine::native::windows::Windows;
use bertqa_kernels::{Panels, Rows, RowsMut, gemm, grow, softmax_unscaled};

/// Queries scored at a time, so that their scores stay in the cache.
const QUERIES: usize = 64;

/// Relative positions in one block of packed embeddings: a window needs only those blocks that its length reaches.
const BLOCK: usize = 128;

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
    let share = (distance.unsigned_abs() as f32 / middle).ln() / ((max - 1.0) / middle).ln();
    let bucket = (share * (middle - 1.0)).ceil() + middle;
    distance.signum() * bucket as isize
}

/// Attention with relative positions in the scores.
#[derive(Debug)]
pub(crate) struct DisentangledAttention {
    heads: Heads,
    positions: RelativePositions,
    /// The relative embeddings as keys: what a query's content sees in a distance.
    keys: Option<Vec<HeadEmbeddings>>,
    /// The relative embeddings as queries, with the scale of the scores: what a key's content sees in a distance.
    queries: Option<Vec<HeadEmbeddings>>,
    /// The relative embeddings as values, `[2 * span, head_size]`: what a probability adds for its distance.
    values: Option<Panels>,
}

/// One head's share of the relative embeddings: the transposes of blocks of rows, `[head_size, BLOCK]`.
#[derive(Debug)]
struct HeadEmbeddings(Vec<Panels>);

impl DisentangledAttention {
    /// `keys` and `queries` are the relative embeddings, projected: `[2 * span, hidden_size]`.
    pub(crate) fn new(
        heads: Heads,
        positions: RelativePositions,
        keys: Option<&[f32]>,
        queries: Option<&[f32]>,
    ) -> Self {
        let split = |embeddings: &[f32]| {
            let rows = Rows::dense(embeddings, heads.count * heads.size);
            (0..heads.count).map(|head| HeadEmbeddings::new(rows, heads, head)).collect()
        };
        Self { heads, positions, keys: keys.map(split), queries: queries.map(split), values: None }
    }

    /// With relative embeddings as values too, the same of all heads: `[2 * span, head_size]`.
    pub(crate) fn with_values(self, embeddings: &[f32]) -> Self {
        let mut values = Panels::default();
        values.pack(Rows::dense(embeddings, self.heads.size));
        Self { values: Some(values), ..self }
    }

    /// As [`SelfAttention::forward`](super::SelfAttention::forward); queries come divided by the scale of the scores.
    pub(crate) fn forward(&self, windows: &Windows, projected: &[f32], rows: Range<usize>, workspace: &mut Workspace) {
        let size = self.heads.count * self.heads.size;
        let Workspace { disentangled: buffers, linear, context, .. } = workspace;
        context.resize(rows.len() * size, 0.0);
        for window in windows.bounds() {
            let queries = window.start.max(rows.start)..window.end.min(rows.end);
            if queries.is_empty() {
                continue;
            }
            let context = &mut context[(queries.start - rows.start) * size..(queries.end - rows.start) * size];
            let queries = queries.start - window.start..queries.end - window.start;
            let tokens = window.len();
            buffers.place(self.positions, tokens);
            let kinds = usize::from(self.keys.is_some()) + usize::from(self.queries.is_some());
            let values = self.values.as_ref().map_or(0, Panels::depth);
            let operations = 2 * queries.len() * size * (2 * tokens + kinds * buffers.columns.len() + values);
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
        let (hidden, tokens) = (count * size, window.rows());
        let columns = |part: usize| window.slice_cols(part * hidden + head * size..part * hidden + (head + 1) * size);
        let Buffers { key_panels, value_panels, scores, scales, content, position, rows, columns: used, sums } =
            buffers;
        key_panels.pack_transposed(columns(1));
        value_panels.pack(columns(2));
        let width = used.len();
        if let Some(queries) = &self.queries {
            grow(position, tokens * width, 0.0);
            queries[head].multiply(columns(1), used.clone(), &mut position[..tokens * width]);
        }
        for first in (0..queries.len()).step_by(QUERIES) {
            let block = first..queries.len().min(first + QUERIES);
            let source = columns(0).slice_rows(queries.start + block.start..queries.start + block.end);
            grow(scores, block.len() * tokens, 0.0);
            grow(scales, block.len(), 0.0);
            let scores = &mut scores[..block.len() * tokens];
            let scales = &mut scales[..block.len()];
            gemm(RowsMut::dense(scores, tokens), source, key_panels, None, None);
            // `rows[tokens - 1 - query + key]` is the row for the distance of that query from that key.
            let start = |row: usize| tokens - 1 - (queries.start + block.start + row);
            if let Some(keys) = &self.keys {
                grow(content, block.len() * width, 0.0);
                keys[head].multiply(source, used.clone(), &mut content[..block.len() * width]);
                for (row, scores) in scores.chunks_exact_mut(tokens).enumerate() {
                    let content = &content[row * width..][..width];
                    for (score, &column) in scores.iter_mut().zip(&rows[start(row)..]) {
                        *score += content[column as usize];
                    }
                }
            }
            if self.queries.is_some() {
                // Key by key: a key's positions lie together, and a column of the scores stays in the cache.
                for (key, position) in position.chunks_exact(width).take(tokens).enumerate() {
                    let column = scores[key..].iter_mut().step_by(tokens);
                    for (score, &place) in column.zip(rows[..start(0) + key + 1].iter().rev()) {
                        *score += position[place as usize];
                    }
                }
            }
            softmax_unscaled(RowsMut::dense(scores, tokens), scales);
            let out = &mut context[block.start * hidden + head * size..];
            let mut out = RowsMut::new(out, block.len(), size, hidden);
            gemm(out.reborrow(), Rows::dense(scores, tokens), value_panels, None, None);
            if let Some(values) = &self.values {
                sums.add(scores, tokens, values, |row| &rows[start(row)..], used.start, &mut out);
            }
            for (row, scale) in scales.iter().enumerate() {
                out.row_mut(row).iter_mut().for_each(|value| *value *= scale);
            }
        }
    }
}

impl HeadEmbeddings {
    fn new(embeddings: Rows, heads: Heads, head: usize) -> Self {
        let columns = embeddings.slice_cols(head * heads.size..(head + 1) * heads.size);
        let blocks = (0..embeddings.rows()).step_by(BLOCK).map(|first| {
            let mut panels = Panels::default();
            panels.pack_transposed(columns.slice_rows(first..embeddings.rows().min(first + BLOCK)));
            panels
        });
        Self(blocks.collect())
    }

    /// Multiplies with the rows `used` of the embeddings, whole blocks: `[a.rows(), used.len()]`.
    fn multiply(&self, a: Rows, used: Range<usize>, output: &mut [f32]) {
        let width = used.len();
        for panels in used.clone().step_by(BLOCK).map(|first| (first, &self.0[first / BLOCK])) {
            let (first, panels) = panels;
            let out = RowsMut::new(&mut output[first - used.start..], a.rows(), panels.cols(), width);
            gemm(out, a, panels, None, None);
        }
    }
}

/// What a thread needs; kept from window to window.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    key_panels: Panels,
    value_panels: Panels,
    /// `[queries, keys]`
    scores: Vec<f32>,
    scales: Vec<f32>,
    /// Products of queries with relative embeddings, `[queries, columns]`.
    content: Vec<f32>,
    /// Products of keys with relative embeddings, `[keys, columns]`.
    position: Vec<f32>,
    /// The column of each distance of a query from a key, from `tokens - 1` down to `1 - tokens`.
    rows: Vec<u32>,
    /// The rows of the relative embeddings that are the columns: whole blocks.
    columns: Range<usize>,
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
    /// Adds the values of the distances to `out`, by the probabilities of the keys, `[queries, tokens]`. `columns`
    /// gives the distances of a query from its keys, less `first`.
    fn add<'a>(
        &mut self,
        probabilities: &[f32],
        tokens: usize,
        values: &Panels,
        columns: impl Fn(usize) -> &'a [u32],
        first: usize,
        out: &mut RowsMut,
    ) {
        let width = values.depth();
        self.probabilities.clear();
        self.probabilities.resize(out.rows() * width, 0.0);
        self.values.resize(out.rows() * values.cols(), 0.0);
        let sums = self.probabilities.chunks_exact_mut(width);
        for (row, (sums, probabilities)) in sums.zip(probabilities.chunks_exact(tokens)).enumerate() {
            for (probability, &column) in probabilities.iter().zip(columns(row)) {
                sums[first + column as usize] += probability;
            }
        }
        let target = RowsMut::dense(&mut self.values, values.cols());
        gemm(target, Rows::dense(&self.probabilities, width), values, None, None);
        for (row, values) in self.values.chunks_exact(values.cols()).enumerate() {
            out.row_mut(row).iter_mut().zip(values).for_each(|(out, value)| *out += value);
        }
    }
}

impl Buffers {
    /// Finds the columns of all distances in a window of so many tokens.
    fn place(&mut self, positions: RelativePositions, tokens: usize) {
        let last = tokens as isize - 1;
        let ends = positions.row(-last)..positions.row(last) + 1;
        let first = ends.start / BLOCK * BLOCK;
        self.columns = first..ends.end.next_multiple_of(BLOCK).min(2 * positions.span);
        self.rows.clear();
        self.rows.extend((-last..=last).rev().map(|distance| (positions.row(distance) - first) as u32));
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
