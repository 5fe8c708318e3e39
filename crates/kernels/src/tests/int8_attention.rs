//! Attention in int8, part by part and whole, against plain loops.

use proptest::prelude::*;

use super::super::attend::Attend;
use super::super::int8::Int8Op;
use super::super::int8_panels::{PackPanels, PackTransposed};
use super::super::quantize::Side;
use super::super::scores::{SCORED_QUERIES, Scores, key_bias};
use super::super::softmax_int8::{DITHER, SCORE_BLOCK, SoftmaxInt8};
use super::super::*;
use super::int8::{on_every_int8_isa, plain_quantized, quantized, ranges, steps, unshifted};
use super::matrix;

proptest! {
    #[test]
    fn softmax_in_int8_is_the_plain_one(
        (rows, cols) in (1usize..20, 1usize..150),
        spread in 0.1f32..60.0,
        factor in prop::sample::select(vec![0.0f32, 1e-3, 1.0, 2.5]),
        seed: u32,
    ) {
        let width = cols.next_multiple_of(SCORE_BLOCK);
        let mut scores: Vec<f32> = matrix(rows, width, seed).iter().map(|x| x * spread).collect();
        scores.chunks_mut(width).for_each(|row| row[cols..].fill(f32::NEG_INFINITY));
        on_every_int8_isa!(|isa| {
            let (mut found, mut scales) = (vec![[0x7fu8; 4]; rows * width / 4], vec![factor; rows]);
            let out = RowsMut::dense(&mut found, width / 4);
            SoftmaxInt8 { scores: Rows::dense(&scores, width), out, scales: &mut scales }.eval(isa);
            for row in 0..rows {
                let scores = &scores[row * width..][..cols];
                let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let found = found[row * width / 4..][..width / 4].as_flattened();
                let weights: Vec<u8> = found.iter().map(|weight| unshifted(isa, *weight)).collect();
                let sum: u32 = weights.iter().map(|weight| u32::from(*weight)).sum();
                prop_assert!((sum as f32 * scales[row] - 1.0).abs() < 1e-6);
                for (key, (score, weight)) in scores.iter().zip(&weights).enumerate() {
                    let top = f64::from(ranges(isa).lhs);
                    let power = f64::from(factor * (score - max)).exp2() * top;
                    let expected = (power + f64::from(DITHER[key % SCORE_BLOCK])).min(top);
                    prop_assert!((f64::from(*weight) - expected).abs() <= 0.55, "{weight} for {expected}");
                }
                prop_assert!(weights[cols..].iter().all(|weight| *weight == 0));
            }
        });
    }

    #[test]
    fn scores_are_exact((rows, depth, keys) in (1usize..=SCORED_QUERIES, 1usize..70, 1usize..150), seed: u32) {
        let queries = matrix(rows, depth, seed);
        let width = keys.next_multiple_of(SCORE_BLOCK);
        on_every_int8_isa!(|isa| {
            let mut panels = Int8Panels::default();
            let source = &matrix(keys, depth, seed ^ 1);
            PackTransposed { source: Rows::dense(source, depth), out: &mut panels }.eval(isa);
            let lhs = quantized(isa, Rows::dense(&queries, depth), Side::Lhs(Spread::Symmetric), None);
            let mut bias = vec![PanelRow::default(); panels.panels()];
            key_bias(isa, &mut bias, &panels, keys, lhs.rows().zero_point);
            let mut found = vec![f32::NAN; rows * width];
            let out = RowsMut::dense(&mut found, width);
            Scores { out, queries: lhs.rows(), keys: &panels, bias: &bias }.eval(isa);
            for (row, found) in found.chunks(width).enumerate() {
                let query = steps(isa, &lhs, row, depth, Side::Lhs(Spread::Symmetric));
                for (key, found) in found[..keys].iter().enumerate() {
                    let (panel, column) = (key / PANEL, key % PANEL);
                    let steps = panels.panels.panel(panel).iter().flat_map(|row| row.0[column]);
                    let sum: i32 = query.iter().zip(steps).map(|(query, key)| query * i32::from(key)).sum();
                    let expected = f64::from(sum) * f64::from(panels.scales[panel].0[column]);
                    // The part of the zero point was added and taken away again.
                    prop_assert!((f64::from(*found) - expected).abs() <= 5e-3, "{found} for {expected}");
                }
                prop_assert!(found[keys..].iter().all(|score| *score == f32::NEG_INFINITY));
            }
        });
    }

    #[test]
    fn attention_in_int8_is_near_the_plain_one(
        (tokens, size) in (1usize..150, 1usize..70),
        first_query in 0.0f64..1.0,
        with_zeros: bool,
        kind in prop::sample::select(vec!["none", "by distance", "dense"]),
        seed: u32,
    ) {
        let rows = ((first_query * tokens as f64) as usize).min(tokens - 1)..tokens;
        let mut queries = matrix(tokens, size, seed);
        if with_zeros {
            queries[rows.start * size..][..size].fill(0.0);
        }
        let (keys, values) = (matrix(tokens, size, seed ^ 1), matrix(tokens, size, seed ^ 2));
        let (distances, dense) = (matrix(1, 2 * tokens - 1, seed ^ 3), matrix(rows.len(), tokens, seed ^ 4));
        let bias = match kind {
            "by distance" => Some(ScoreBias::by_distance(&distances, tokens - 1 - rows.start)),
            "dense" => Some(ScoreBias::dense(&dense, tokens)),
            _ => None,
        };
        let (mut key_panels, mut value_panels) = (Int8Panels::default(), Int8Panels::default());
        on_every_int8_isa!(|isa| {
            PackTransposed { source: Rows::dense(&keys, size), out: &mut key_panels }.eval(isa);
            value_panels.reserve(Rows::dense(&values, size));
            PackPanels { source: Rows::dense(&values, size), out: &mut value_panels }.eval(isa);
            let mut found = vec![f32::NAN; rows.len() * size];
            let mut buffers = AttentionBuffers::default();
            let queries = Rows::dense(&queries, size).slice_rows(rows.clone());
            buffers.reserve(queries, tokens);
            let attend = Attend {
                queries,
                keys: &key_panels,
                values: &value_panels,
                tokens,
                bias,
                buffers: &mut buffers,
                output: RowsMut::dense(&mut found, size),
            };
            attend.eval(isa);
            for (row, found) in found.chunks(size).enumerate() {
                let (query, query_scale) = plain_quantized(isa, queries.row(row), Spread::Symmetric);
                let scores = keys.chunks(size).enumerate().map(|(index, key)| {
                    let (key, key_scale) = plain_quantized(isa, key, Spread::Symmetric);
                    let sum: i32 = query.iter().zip(key).map(|(query, key)| query * key).sum();
                    let bias = f64::from(match kind {
                        "by distance" => distances[tokens - 1 - (rows.start + row) + index],
                        "dense" => dense[row * tokens + index],
                        _ => 0.0,
                    });
                    f64::from(sum) * f64::from(query_scale) * f64::from(key_scale) + bias
                });
                let scores: Vec<f64> = scores.collect();
                let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let top = f64::from(ranges(isa).lhs);
                let weights: Vec<f64> = scores.iter().map(|score| top * (score - max).exp()).collect();
                let sum: f64 = weights.iter().sum();
                for (column, found) in found.iter().enumerate() {
                    let terms = weights.iter().zip(values.chunks(size));
                    let expected = terms.map(|(weight, value)| weight * f64::from(value[column])).sum::<f64>() / sum;
                    // Each probability may be a step off, each value half of 2 / 127, or of 2 / 63.
                    let tolerance = 1.02 / f64::from(ranges(isa).rhs) + tokens as f64 * 1.05 * 2.0 * 2.0 / sum;
                    prop_assert!((f64::from(*found) - expected).abs() <= tolerance, "{found} for {expected}");
                }
            }
        });
    }
}

/// One key that has half of the attention, and hundreds that share the rest in less than half a step each.
#[test]
fn small_probabilities_are_kept_in_sum() {
    let keys: usize = 8 * SCORE_BLOCK;
    for steps in [0.1f32, 0.25, 0.4, 0.7] {
        on_every_int8_isa!(|isa| {
            let top = f32::from(ranges(isa).lhs);
            let mut scores = vec![(steps / top).log2(); keys];
            scores[3] = 0.0;
            let (mut found, mut scales) = (vec![[0u8; 4]; keys / 4], [1.0]);
            let out = RowsMut::dense(&mut found, keys / 4);
            SoftmaxInt8 { scores: Rows::dense(&scores, keys), out, scales: &mut scales }.eval(isa);
            let small: f32 =
                found.as_flattened().iter().map(|weight| f32::from(unshifted(isa, *weight))).sum::<f32>() - top;
            let expected = steps * keys as f32;
            assert!((small - expected).abs() < 0.1 * expected, "{small} for {expected}");
        });
    }
}
