//! Attention to near blocks of tokens, the first and the last (BigBird).

use std::ops::Range;

use super::Heads;
use super::float_head::{FloatHead, gather};
use bertqa_kernels::{Rows, RowsMut, softmax_unscaled};

/// In windows longer than some length, which blocks a token sees. The first block and the last see all, others those
/// beside them, the first and the last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockSparse {
    /// Tokens of a block.
    pub size: usize,
    /// Blocks that a token sees at random while the network is trained; afterwards transformers has the first one
    /// instead, as many times more.
    pub random: usize,
    /// Up to here all tokens see all.
    pub longest_full: usize,
}

impl BlockSparse {
    /// The tokens that those of a block see, in a window of so many tokens; `None`: all.
    fn seen(self, block: usize, tokens: usize) -> Option<[Range<usize>; 3]> {
        let last = (tokens - 1) / self.size;
        let near = (block.max(2) - 1) * self.size..(block + 2).min(last) * self.size;
        (block > 0 && block < last).then(|| [0..self.size, near, last * self.size..tokens])
    }
}

/// What a thread needs; kept from window to window.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    /// Of the tokens that a block of queries sees, `[tokens, head_size]`.
    keys: Vec<f32>,
    values: Vec<f32>,
}

/// Block by block of queries.
pub(super) fn attend(
    head: &mut FloatHead,
    buffers: &mut Buffers,
    heads: Heads,
    window: Rows,
    queries: Range<usize>,
    sparse: BlockSparse,
    context: &mut [f32],
) {
    let (hidden, tokens) = (heads.count * heads.size, window.rows());
    // How much higher a score is that counts for so many.
    let more = libm::logf(1.0 + sparse.random as f32);
    for block in queries.start / sparse.size..queries.end.div_ceil(sparse.size) {
        let own = queries.start.max(block * sparse.size)..queries.end.min((block + 1) * sparse.size);
        let some = sparse.seen(block, tokens);
        let seen = some.clone().unwrap_or([0..tokens, tokens..tokens, tokens..tokens]);
        for column in (0..hidden).step_by(heads.size) {
            let columns = |part: usize| window.slice_cols(part * hidden + column..part * hidden + column + heads.size);
            gather(columns(1), seen.iter().cloned().flatten(), &mut buffers.keys);
            gather(columns(2), seen.iter().cloned().flatten(), &mut buffers.values);
            head.take(Rows::dense(&buffers.keys, heads.size), Rows::dense(&buffers.values, heads.size));
            let keys = buffers.keys.len() / heads.size;
            let (scores, scales) = head.score(columns(0).slice_rows(own.clone()));
            if some.is_some() {
                let first = scores.chunks_exact_mut(keys).flat_map(|scores| &mut scores[..sparse.size]);
                first.for_each(|score| *score += more);
            }
            softmax_unscaled(RowsMut::dense(scores, keys), scales);
            let output = &mut context[(own.start - queries.start) * hidden + column..];
            head.gather(RowsMut::new(output, own.len(), heads.size, hidden));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_token_is_seen_once() {
        let sparse = BlockSparse { size: 4, random: 3, longest_full: 0 };
        assert_eq!(sparse.seen(0, 22), None);
        assert_eq!(sparse.seen(1, 22), Some([0..4, 4..12, 20..22]));
        assert_eq!(sparse.seen(2, 22), Some([0..4, 4..16, 20..22]));
        assert_eq!(sparse.seen(4, 22), Some([0..4, 12..20, 20..22]));
        assert_eq!(sparse.seen(5, 22), None);
    }
}
