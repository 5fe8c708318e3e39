//! One head of attention in bfloat16, where the processor has instructions for it.

use super::float_head::QUERIES;
use super::head::{Head, add};
use bertqa_kernels::{Bf16, Panels, RowBuffer, Rows, RowsMut, ScoreBias, gemm_bf16, grow, softmax_unscaled};

/// Scores and softmax are in `f32`; queries, keys, values and probabilities are rounded.
#[derive(Debug, Default)]
pub(super) struct Bf16Head {
    keys: Panels<[Bf16; 2]>,
    /// In pairs of tokens.
    values: Panels<[Bf16; 2]>,
    tokens: usize,
    /// `[queries, keys]`
    scores: Vec<f32>,
    /// The same, with an even number of columns.
    probabilities: Vec<f32>,
    scales: Vec<f32>,
    rounded: RowBuffer<[Bf16; 2]>,
}

impl Head for Bf16Head {
    fn take(&mut self, keys: Rows, values: Rows) {
        self.tokens = keys.rows();
        self.keys.pack_rounded_transposed(keys.pairs(), &mut self.rounded);
        self.values.pack_rounded(values);
    }

    fn attend(&mut self, queries: Rows, bias: Option<ScoreBias>, mut output: RowsMut) {
        let Self { keys, values, tokens, scores, probabilities, scales, rounded } = self;
        let (tokens, even) = (*tokens, tokens.next_multiple_of(2));
        for first in (0..queries.rows()).step_by(QUERIES) {
            let rows = first..queries.rows().min(first + QUERIES);
            let count = rows.len();
            grow(scores, count * tokens, 0.0);
            grow(scales, count, 0.0);
            let (scores, scales) = (&mut scores[..count * tokens], &mut scales[..count]);
            let queries = queries.slice_rows(rows.clone()).pairs();
            gemm_bf16(RowsMut::dense(scores, tokens), queries, rounded, keys, None, None);
            if let Some(bias) = bias {
                add(bias.from_query(first), scores, tokens);
            }
            softmax_unscaled(RowsMut::dense(scores, tokens), scales);
            let weights = match tokens == even {
                true => &*scores,
                false => {
                    grow(probabilities, count * even, 0.0);
                    for (row, out) in scores.chunks_exact(tokens).zip(probabilities.chunks_exact_mut(even)) {
                        out[..tokens].copy_from_slice(row);
                        out[tokens] = 0.0;
                    }
                    &probabilities[..count * even]
                }
            };
            let mut output = output.slice_rows(rows);
            let weights = Rows::dense(weights, even).pairs();
            gemm_bf16(output.reborrow(), weights, rounded, values, None, None);
            for (row, scale) in scales.iter().enumerate() {
                output.row_mut(row).iter_mut().for_each(|value| *value *= scale);
            }
        }
    }
}
