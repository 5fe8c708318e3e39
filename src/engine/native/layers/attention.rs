//! Scaled dot-product attention within one window.

use std::ops::Range;
use std::sync::Arc;

use super::bf16_head::Bf16Head;
use super::block_sparse::{self, BlockSparse};
use super::float_head::{FloatHead, QUERIES, blocks};
use super::head::{Head, Int8Head};
use super::{Gathered, Heads, PositionBias, Workspace};
use crate::engine::Precision;
use crate::engine::native::profile::Operator;
use crate::engine::native::windows::Windows;
use bertqa_kernels::{Rows, RowsMut, bf16_instructions, softmax_unscaled};

/// Attention of every token to the tokens of its window.
#[derive(Debug)]
pub(crate) struct SelfAttention {
    heads: Heads,
    numbers: Numbers,
    /// How far a token sees to each side; `None`: the whole window.
    reach: Option<usize>,
    bias: Option<Arc<PositionBias>>,
    /// Which tokens of long windows a token sees.
    sparse: Option<BlockSparse>,
}

#[derive(Debug, Clone, Copy)]
enum Numbers {
    F32,
    Bf16,
    Int8,
}

impl Numbers {
    /// Of heads that see the whole window.
    fn of(precision: Precision, heads: Heads) -> Self {
        match precision {
            Precision::Int8 => Self::Int8,
            // Without instructions for it, it would be f32 after all, only rounded. Columns are taken in pairs.
            Precision::Bf16 if bf16_instructions().is_some() && heads.size.is_multiple_of(2) => Self::Bf16,
            Precision::F32 | Precision::F16 | Precision::Bf16 => Self::F32,
        }
    }
}

impl SelfAttention {
    pub(crate) fn new(heads: Heads, precision: Precision) -> Self {
        Self { heads, numbers: Numbers::of(precision, heads), reach: None, bias: None, sparse: None }
    }

    /// Attention of every token to all of its window, with what is added to the scores; layers may share it.
    pub(crate) fn biased(heads: Heads, precision: Precision, bias: Arc<PositionBias>) -> Self {
        Self { bias: Some(bias), ..Self::new(heads, precision) }
    }

    /// Attention of every token to some blocks of long windows.
    pub(crate) fn sparse(heads: Heads, precision: Precision, sparse: BlockSparse) -> Self {
        Self { sparse: Some(sparse), ..Self::new(heads, precision) }
    }

    /// Attention of every token to those at most `reach` tokens away.
    pub(crate) fn local(heads: Heads, precision: Precision, reach: usize) -> Self {
        Self { reach: Some(reach), ..Self::new(heads, precision) }
    }

    /// Writes the attention of the tokens `rows` to the context of the workspace, `[rows, hidden_size]`.
    ///
    /// Rows of `projected` hold query (already divided by the square root of the head size), key and value, each of
    /// all heads, at the beginning of each row: `[tokens, 3 * hidden_size]`, or wider.
    pub(crate) fn forward(&self, windows: &Windows, projected: &[f32], rows: Range<usize>, workspace: &mut Workspace) {
        let size = self.heads.count * self.heads.size;
        let Workspace { attention, linear, gathered: Gathered { context, .. }, .. } = workspace;
        let width = projected.len() / windows.tokens().max(1);
        context.resize(rows.len() * size, 0.0);
        for window in windows.bounds() {
            let queries = window.start.max(rows.start)..window.end.min(rows.end);
            if queries.is_empty() {
                continue;
            }
            let context = &mut context[(queries.start - rows.start) * size..(queries.end - rows.start) * size];
            let queries = queries.start - window.start..queries.end - window.start;
            let reach = self.reach.filter(|reach| *reach < window.len() - 1);
            let sparse = self.sparse.filter(|sparse| sparse.longest_full < window.len());
            let seen = match (reach, sparse) {
                (Some(reach), _) => window.len().min(2 * reach + QUERIES),
                (None, Some(sparse)) => 5 * sparse.size,
                (None, None) => window.len(),
            };
            let operations = 4 * queries.len() * seen * size;
            let projected = &projected[window.start * width..window.end * width];
            let window = Rows::new(projected, window.len(), 3 * size, width);
            let Buffers { float, bf16, int8, sparse: buffers } = &mut *attention;
            linear.times.measure(Operator::Attention, operations, || match (reach, sparse, self.numbers) {
                (Some(reach), ..) => attend_near(float, self.heads, window, queries, reach, context),
                (None, Some(sparse), _) => {
                    block_sparse::attend(float, buffers, self.heads, window, queries, sparse, context);
                }
                (None, None, Numbers::F32) => self.attend(float, window, queries, context),
                (None, None, Numbers::Bf16) => self.attend(bf16, window, queries, context),
                (None, None, Numbers::Int8) => self.attend(int8, window, queries, context),
            });
        }
    }

    fn attend<H: Head>(&self, head: &mut H, window: Rows, queries: Range<usize>, context: &mut [f32]) {
        let Heads { count, size } = self.heads;
        let hidden = count * size;
        for index in 0..count {
            let column = index * size;
            let columns = |part: usize| window.slice_cols(part * hidden + column..part * hidden + column + size);
            head.take(columns(1), columns(2));
            let bias = self.bias.as_ref().map(|bias| bias.of_head(index).from_query(queries.start));
            let output = RowsMut::new(&mut context[column..], queries.len(), size, hidden);
            head.attend(columns(0).slice_rows(queries.clone()), bias, output);
        }
    }
}

/// Kept from window to window.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    float: FloatHead,
    bf16: Bf16Head,
    int8: Int8Head,
    sparse: block_sparse::Buffers,
}

/// Block by block of queries, each with the keys that some of its queries see.
fn attend_near(
    head: &mut FloatHead,
    heads: Heads,
    window: Rows,
    queries: Range<usize>,
    reach: usize,
    context: &mut [f32],
) {
    let hidden = heads.count * heads.size;
    for (whole, block) in blocks(queries.clone()) {
        let keys = whole.start.saturating_sub(reach)..window.rows().min(whole.end + reach);
        for column in (0..hidden).step_by(heads.size) {
            let columns = |part: usize| window.slice_cols(part * hidden + column..part * hidden + column + heads.size);
            head.take(columns(1).slice_rows(keys.clone()), columns(2).slice_rows(keys.clone()));
            let (scores, scales) = head.score(columns(0).slice_rows(block.clone()));
            for (query, scores) in block.clone().zip(scores.chunks_exact_mut(keys.len())) {
                scores[..query.saturating_sub(reach).saturating_sub(keys.start)].fill(f32::NEG_INFINITY);
                scores[(query + reach + 1 - keys.start).min(keys.len())..].fill(f32::NEG_INFINITY);
            }
            softmax_unscaled(RowsMut::dense(scores, keys.len()), scales);
            let output = &mut context[(block.start - queries.start) * hidden + column..];
            head.gather(RowsMut::new(output, block.len(), heads.size, hidden));
        }
    }
}
