//! Kernels at the shapes of the built-in model and of BERT-base, on one thread: a short window's tokens and a long one's.

use bertqa_kernels::{
    Activation, AttentionBuffers, Bf16, Int8Panels, LayerNorm, Panels, QuantizedRows, RowBuffer, Rows, RowsMut, Spread,
    add_diagonals, attend_int8, gemm, gemm_bf16, gemm_int8, softmax_unscaled,
};
use divan::{Bencher, black_box};

const WINDOWS: [usize; 2] = [128, 384];

/// Depth and columns of the products: hidden to hidden, hidden to intermediate, intermediate to hidden.
const PRODUCTS: [(usize, usize); 6] = [(384, 384), (384, 1536), (1536, 384), (768, 768), (768, 3072), (3072, 768)];

/// Sizes of an attention head.
const HEADS: [usize; 2] = [32, 64];

/// Hidden and intermediate sizes.
const WIDTHS: [usize; 4] = [384, 1536, 768, 3072];

fn main() {
    divan::main();
}

fn matrix(rows: usize, cols: usize) -> Vec<f32> {
    (0..rows * cols).map(|index| (index * 37 % 101) as f32 / 50.0 - 1.0).collect()
}

#[divan::bench(consts = WINDOWS, args = PRODUCTS)]
fn product_f32<const TOKENS: usize>(bencher: Bencher, (depth, cols): (usize, usize)) {
    let (a, mut out) = (matrix(TOKENS, depth), vec![0.0; TOKENS * cols]);
    let b = Panels::from_transposed_rows(cols, depth, |_, row| row.copy_from_slice(&matrix(1, depth)));
    bencher.bench_local(|| {
        gemm(RowsMut::dense(&mut out, cols), Rows::dense(black_box(&a), depth), &b, None, None);
        black_box(&mut out);
    });
}

#[divan::bench(consts = WINDOWS, args = PRODUCTS)]
fn product_bf16<const TOKENS: usize>(bencher: Bencher, (depth, cols): (usize, usize)) {
    let (a, mut out, mut rounded) = (matrix(TOKENS, depth), vec![0.0; TOKENS * cols], RowBuffer::default());
    let b = Panels::from_transposed_rows(cols, depth / 2, |_, row| row.fill([0.5, -0.25].map(Bf16::from_f32)));
    bencher.bench_local(|| {
        let a = Rows::dense(black_box(&a).as_chunks::<2>().0, depth / 2);
        gemm_bf16(RowsMut::dense(&mut out, cols), a, &mut rounded, &b, None, None);
        black_box(&mut out);
    });
}

#[divan::bench(consts = WINDOWS, args = PRODUCTS)]
fn product_int8<const TOKENS: usize>(bencher: Bencher, (depth, cols): (usize, usize)) {
    let (a, mut out, mut rows) = (matrix(TOKENS, depth), vec![0.0; TOKENS * cols], QuantizedRows::default());
    let b = Int8Panels::from_transposed_rows(cols, depth, |_, row| row.copy_from_slice(&matrix(1, depth)));
    rows.quantize(Rows::dense(&a, depth), Spread::Symmetric, 1.0);
    bencher.bench_local(|| {
        gemm_int8(RowsMut::dense(&mut out, cols), black_box(&rows).rows(), &b, None, Some(Activation::Gelu));
        black_box(&mut out);
    });
}

#[divan::bench(consts = WINDOWS, args = HEADS)]
fn attention_int8<const TOKENS: usize>(bencher: Bencher, size: usize) {
    let (rows, mut out, mut buffers) = (matrix(TOKENS, size), vec![0.0; TOKENS * size], AttentionBuffers::default());
    let (mut keys, mut values) = (Int8Panels::default(), Int8Panels::default());
    bencher.bench_local(|| {
        let rows = Rows::dense(black_box(&rows[..]), size);
        keys.pack_transposed(rows);
        values.pack(rows);
        attend_int8(rows, &keys, &values, TOKENS, None, &mut buffers, RowsMut::dense(&mut out, size));
        black_box(&mut out);
    });
}

#[divan::bench(consts = WINDOWS, args = HEADS)]
fn attention_f32<const TOKENS: usize>(bencher: Bencher, size: usize) {
    let (rows, mut out) = (matrix(TOKENS, size), vec![0.0; TOKENS * size]);
    let (mut scores, mut scales) = (vec![0.0; TOKENS * TOKENS], vec![0.0; TOKENS]);
    let (mut keys, mut values) = (Panels::default(), Panels::default());
    bencher.bench_local(|| {
        let rows = Rows::dense(black_box(&rows[..]), size);
        keys.pack_transposed(rows);
        values.pack(rows);
        gemm(RowsMut::dense(&mut scores, TOKENS), rows, &keys, None, None);
        softmax_unscaled(RowsMut::dense(&mut scores, TOKENS), &mut scales);
        gemm(RowsMut::dense(&mut out, size), Rows::dense(&scores, TOKENS), &values, None, None);
        for (row, scale) in out.chunks_exact_mut(size).zip(&scales) {
            row.iter_mut().for_each(|value| *value *= scale);
        }
        black_box(&mut out);
    });
}

#[divan::bench(args = [128, 384, 512])]
fn diagonals(bencher: Bencher, keys: usize) {
    let width = 64 + keys - 1;
    let (rows, mut out) = (matrix(keys, width), matrix(64, keys));
    bencher.bench_local(|| {
        add_diagonals(RowsMut::dense(&mut out, keys), Rows::dense(black_box(&rows), width), keys - 1);
        black_box(&mut out);
    });
}

#[divan::bench(args = [128, 384, 512])]
fn softmax(bencher: Bencher, keys: usize) {
    let (scores, mut out, mut scales) = (matrix(64, keys), vec![0.0; 64 * keys], vec![0.0; 64]);
    bencher.bench_local(|| {
        out.copy_from_slice(black_box(&scores));
        softmax_unscaled(RowsMut::dense(&mut out, keys), &mut scales);
        black_box((&mut out, &mut scales));
    });
}

#[divan::bench(consts = WINDOWS, args = [384, 768])]
fn layer_norm<const TOKENS: usize>(bencher: Bencher, width: usize) {
    let norm = LayerNorm { weight: vec![1.0; width], bias: vec![0.0; width], epsilon: 1e-12 };
    let (residual, mut values) = (matrix(TOKENS, width), matrix(TOKENS, width));
    bencher.bench_local(|| {
        norm.apply_residual(black_box(&mut values), black_box(&residual));
    });
}

#[divan::bench(consts = WINDOWS, args = WIDTHS)]
fn quantize<const TOKENS: usize>(bencher: Bencher, width: usize) {
    let (values, weights, mut rows) = (matrix(TOKENS, width), vec![1.5; width], QuantizedRows::default());
    bencher.bench_local(|| {
        rows.quantize_weighted(Rows::dense(black_box(&values), width), Spread::Symmetric, &weights);
        black_box(&mut rows);
    });
}
