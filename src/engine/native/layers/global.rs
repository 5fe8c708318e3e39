//! Attention to near tokens and to the question; tokens of the question attend to all (Longformer).

use std::ops::Range;

use super::float_head::{FloatHead, QUERIES, blocks, gather};
use super::{Gathered, Heads, Linear, Workspace};
use crate::engine::native::profile::Operator;
use crate::engine::native::windows::{Window, Windows};
use bertqa_kernels::{Rows, RowsMut, softmax_unscaled};

/// Rows of `projected` hold query, key and value of all heads, and the key and value that the question sees.
const PROJECTIONS: usize = 5;

/// Attention of each token to those near and to the question, of the question's tokens to the whole window.
#[derive(Debug)]
pub(crate) struct GlobalAttention {
    heads: Heads,
    /// How far a token sees to each side.
    reach: usize,
    /// Ends the question.
    separator: u32,
    /// The queries of the question's tokens, of which there are few.
    query: Linear,
}

impl GlobalAttention {
    pub(crate) fn new(heads: Heads, reach: usize, separator: u32, query: Linear) -> Self {
        Self { heads, reach, separator, query }
    }

    /// As [`SelfAttention::forward`](super::SelfAttention::forward); `hidden` are the hidden states of `rows`.
    pub(crate) fn forward(
        &self,
        windows: &Windows,
        projected: &[f32],
        rows: Range<usize>,
        hidden: &[f32],
        workspace: &mut Workspace,
    ) {
        let size = self.heads.count * self.heads.size;
        let Workspace { global: buffers, linear, gathered: Gathered { context, .. }, .. } = workspace;
        context.resize(rows.len() * size, 0.0);
        for (Window { input_ids, .. }, window) in windows.iter().zip(windows.bounds()) {
            let queries = window.start.max(rows.start)..window.end.min(rows.end);
            if queries.is_empty() {
                continue;
            }
            // Without a separator, no token is known to be of the question.
            let question = input_ids.iter().position(|id| *id == self.separator).unwrap_or(0);
            let of_rows = (queries.start - rows.start) * size..(queries.end - rows.start) * size;
            let (context, hidden) = (&mut context[of_rows.clone()], &hidden[of_rows]);
            let queries = queries.start - window.start..queries.end - window.start;
            let projected = &projected[window.start * PROJECTIONS * size..window.end * PROJECTIONS * size];
            let projected = Rows::dense(projected, PROJECTIONS * size);
            let of_question = queries.start.min(question)..queries.end.min(question);
            let others = queries.start.max(question)..queries.end.max(question);
            let (first, rest) = context.split_at_mut(of_question.len() * size);
            if !of_question.is_empty() {
                let Buffers { queries, .. } = buffers;
                queries.resize(first.len(), 0.0);
                self.query.forward(&hidden[..first.len()], linear, queries, None);
                let operations = 4 * of_question.len() * input_ids.len() * size;
                linear.times.measure(Operator::Attention, operations, || self.attend_to_all(projected, buffers, first));
            }
            if !others.is_empty() {
                let seen = input_ids.len().min(question + 2 * self.reach + QUERIES);
                let operations = 4 * others.len() * seen * size;
                linear.times.measure(Operator::Attention, operations, || {
                    self.attend_near(projected, question, others, buffers, rest);
                });
            }
        }
    }

    /// The columns of one head of a projection.
    fn columns<'a>(&self, projected: Rows<'a>, projection: usize, head: usize) -> Rows<'a> {
        let Heads { count, size } = self.heads;
        let first = (projection * count + head) * size;
        projected.slice_cols(first..first + size)
    }

    /// Of the question's tokens, whose queries are in the buffers.
    fn attend_to_all(&self, projected: Rows, buffers: &mut Buffers, context: &mut [f32]) {
        let Heads { count, size } = self.heads;
        let hidden = count * size;
        let Buffers { head: buffers, queries, .. } = buffers;
        let queries = Rows::dense(queries, hidden);
        for head in 0..count {
            buffers.take(self.columns(projected, 3, head), self.columns(projected, 4, head));
            for first in (0..queries.rows()).step_by(QUERIES) {
                let block = first..queries.rows().min(first + QUERIES);
                let out = &mut context[first * hidden + head * size..];
                let out = RowsMut::new(out, block.len(), size, hidden);
                let queries = queries.slice_rows(block).slice_cols(head * size..(head + 1) * size);
                attend(buffers, queries, projected.rows(), |_, _| {}, out);
            }
        }
    }

    /// Of the tokens `queries` behind the question, which is so many tokens long.
    fn attend_near(
        &self,
        projected: Rows,
        question: usize,
        queries: Range<usize>,
        buffers: &mut Buffers,
        context: &mut [f32],
    ) {
        let Heads { count, size } = self.heads;
        let (hidden, reach) = (count * size, self.reach);
        let Buffers { head: buffers, keys, values, .. } = buffers;
        for (whole, block) in blocks(queries.clone()) {
            let near = whole.start.saturating_sub(reach).max(question)..projected.rows().min(whole.end + reach);
            for head in 0..count {
                let seen = || (0..question).chain(near.clone());
                gather(self.columns(projected, 1, head), seen(), keys);
                gather(self.columns(projected, 2, head), seen(), values);
                buffers.take(Rows::dense(keys, size), Rows::dense(values, size));
                let hide = |row: usize, scores: &mut [f32]| {
                    let (query, scores) = (block.start + row, &mut scores[question..]);
                    scores[..query.saturating_sub(reach).saturating_sub(near.start)].fill(f32::NEG_INFINITY);
                    scores[(query + reach + 1 - near.start).min(near.len())..].fill(f32::NEG_INFINITY);
                };
                let out = &mut context[(block.start - queries.start) * hidden + head * size..];
                let out = RowsMut::new(out, block.len(), size, hidden);
                let queries = self.columns(projected, 0, head).slice_rows(block.clone());
                attend(buffers, queries, question + near.len(), hide, out);
            }
        }
    }
}

/// What a thread needs; kept from window to window.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    head: FloatHead,
    /// Of the question's tokens, `[tokens, hidden_size]`.
    queries: Vec<f32>,
    /// Of the tokens that a block of queries sees, `[tokens, head_size]`.
    keys: Vec<f32>,
    values: Vec<f32>,
}

/// Writes what `queries` gather from what the head has taken; `hide` takes scores away from each.
fn attend(head: &mut FloatHead, queries: Rows, keys: usize, hide: impl Fn(usize, &mut [f32]), out: RowsMut) {
    let (scores, scales) = head.score(queries);
    scores.chunks_exact_mut(keys).enumerate().for_each(|(row, scores)| hide(row, scores));
    softmax_unscaled(RowsMut::dense(scores, keys), scales);
    head.gather(out);
}
