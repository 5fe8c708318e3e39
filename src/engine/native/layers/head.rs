//! One head of attention over all tokens of a window, in `f32` or int8.

use super::float_head::{FloatHead, QUERIES};
use bertqa_kernels::{AttentionBuffers, Int8Panels, Rows, RowsMut, ScoreBias, attend_int8, softmax_unscaled};

/// Computes one head of one window.
pub(super) trait Head {
    /// Takes the keys and values, `[keys, head_size]`.
    fn take(&mut self, keys: Rows, values: Rows);

    /// Writes what the queries gather from the values, `[queries, head_size]` both.
    fn attend(&mut self, queries: Rows, bias: Option<ScoreBias>, output: RowsMut);
}

impl Head for FloatHead {
    fn take(&mut self, keys: Rows, values: Rows) {
        Self::take(self, keys, values);
    }

    fn attend(&mut self, queries: Rows, bias: Option<ScoreBias>, mut output: RowsMut) {
        for first in (0..queries.rows()).step_by(QUERIES) {
            let rows = first..queries.rows().min(first + QUERIES);
            let (scores, scales) = self.score(queries.slice_rows(rows.clone()));
            let keys = scores.len() / rows.len();
            if let Some(bias) = bias {
                add(bias.from_query(rows.start), scores, keys);
            }
            softmax_unscaled(RowsMut::dense(scores, keys), scales);
            self.gather(output.slice_rows(rows));
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Int8Head {
    keys: Int8Panels,
    values: Int8Panels,
    tokens: usize,
    buffers: AttentionBuffers,
}

impl Head for Int8Head {
    fn take(&mut self, keys: Rows, values: Rows) {
        self.tokens = keys.rows();
        self.keys.pack_transposed(keys);
        self.values.pack(values);
    }

    fn attend(&mut self, queries: Rows, bias: Option<ScoreBias>, output: RowsMut) {
        attend_int8(queries, &self.keys, &self.values, self.tokens, bias, &mut self.buffers, output);
    }
}

/// Adds a bias to scores, `[queries, keys]`.
pub(super) fn add(bias: ScoreBias, scores: &mut [f32], keys: usize) {
    for (query, scores) in scores.chunks_exact_mut(keys).enumerate() {
        scores.iter_mut().zip(bias.row(query, keys)).for_each(|(score, bias)| *score += bias);
    }
}
