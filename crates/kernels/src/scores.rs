//! Scores of queries against keys, in int8.

use rten_simd::Isa;
use rten_simd::ops::{BitOps, NumOps, ToFloat};

use super::int8::{Int8Isa, Int8Op};
use super::matmul::{Columns, Gemm};
use super::panels::{PANEL, PanelRow};
use super::product::Tile;
use super::{Int8Panels, Int8Rows, RowsMut};

/// Most queries that are scored at a time.
pub(super) const SCORED_QUERIES: usize = 32;

/// Queries whose sums fit into 32 registers, beside two vectors of keys.
const TILE_QUERIES: usize = 12;

/// Queries to score at a time. Where sums are kept in vector registers, fewer where that leaves room for their scores beside
/// the keys and values in the nearest cache.
pub(super) fn block_queries<B: Int8Isa>(isa: B, head_size: usize, tokens: usize) -> usize {
    /// A little more than its size, since not all of it is needed at once.
    const CACHE: usize = 56 << 10;
    const FEWER: usize = TILE_QUERIES * 2 / 3;
    if isa.has_tiles() {
        return SCORED_QUERIES;
    }
    let fits = |queries: usize| tokens * (2 * head_size + 5 * queries) <= CACHE;
    if fits(FEWER) && !fits(TILE_QUERIES) { FEWER } else { TILE_QUERIES }
}

/// `out = queries · keys` in units of each query's scale, for the first `count` keys; minus infinity in the rest of the
/// rows.
///
/// Unlike a product of [`Gemm`](super::matmul::Gemm) it is for few rows, whose results stay in the cache.
pub(super) struct Scores<'a> {
    pub out: RowsMut<'a>,
    /// At most [`SCORED_QUERIES`].
    pub queries: Int8Rows<'a>,
    pub keys: &'a Int8Panels,
    /// Of [`key_bias`].
    pub bias: &'a [PanelRow],
}

/// Fills `bias` with what is added to the scores of the first `count` keys for the zero point of the queries; minus
/// infinity for the rest.
#[inline(always)]
pub(super) fn key_bias<B: Int8Isa>(isa: B, bias: &mut [PanelRow], keys: &Int8Panels, count: usize, zero_point: u8) {
    let (ops, ints) = (isa.isa().f32(), isa.isa().i32());
    assert!(bias.len() == keys.panels() && count.div_ceil(PANEL) == bias.len());
    let stored = ops.splat(-(i32::from(zero_point) + B::SHIFT) as f32);
    for (panel, bias) in bias.iter_mut().enumerate() {
        for column in (0..PANEL).step_by(ops.len()) {
            let sums = ints.to_float(ints.load(&keys.sums[panel].0[column..]));
            let scales = ops.load(&keys.scales[panel].0[column..]);
            ops.store(ops.mul(ops.mul(sums, scales), stored), &mut bias.0[column..]);
        }
    }
    if let Some(last) = bias.last_mut() {
        last.0[(count - 1) % PANEL + 1..].fill(f32::NEG_INFINITY);
    }
}

impl Int8Op for Scores<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<B: Int8Isa>(self, isa: B) {
        let Self { mut out, queries, keys, bias } = self;
        let (rows, width) = (queries.rows.rows(), keys.panels() * PANEL);
        assert!(rows <= SCORED_QUERIES && out.rows() == rows && queries.rows.cols() == keys.depth());
        assert!(bias.len() == keys.panels() && width <= out.cols());
        for row in 0..rows {
            out.row_mut(row)[width..].fill(f32::NEG_INFINITY);
        }
        let scores = Self { out, queries, keys, bias };
        if isa.has_tiles() {
            return isa.multiply(scores.product());
        }
        match isa.isa().f32().len() {
            16 => scores.run::<_, TILE_QUERIES, 2>(isa),
            8 if B::SPARE_REGISTERS => scores.run::<_, 6, 2>(isa),
            8 => scores.run::<_, 4, 2>(isa),
            _ => scores.run::<_, 6, 4>(isa),
        }
    }
}

impl<'a> Scores<'a> {
    /// Them as a product like any other.
    fn product(self) -> Gemm<'a, [u8; 4], [i8; 4]> {
        let Self { out, queries, keys, bias } = self;
        Gemm {
            out: out.narrowed(keys.cols()),
            a: queries.rows,
            row_scales: &[],
            // Its part is in the bias.
            zero_point: 0,
            b: &keys.panels,
            columns: Columns { bias: Some(bias), scales: Some(&keys.scales), sums: None },
            activation: None,
        }
    }

    /// Computes tiles of at most `ROWS` queries and `VECTORS` vectors of keys.
    #[inline(always)]
    fn run<B: Int8Isa, const ROWS: usize, const VECTORS: usize>(self, isa: B) {
        let Self { mut out, queries, keys, bias } = self;
        let rows = queries.rows.rows();
        let tiles = rows.div_ceil(ROWS);
        for tile in 0..tiles {
            let (first, end) = (tile * rows / tiles, (tile + 1) * rows / tiles);
            macro_rules! score {
                ($($height:literal)*) => {
                    match end - first {
                        $($height if $height <= ROWS => {
                            let queries = queries.slice(first..end);
                            score::<B, $height, VECTORS>(isa, out.slice_rows(first..end), queries, keys, bias);
                        },)*
                        _ => unreachable!("tiles have 1 to {ROWS} rows"),
                    }
                };
            }
            score!(1 2 3 4 5 6 7 8 9 10 11 12);
        }
    }
}

/// Scores `ROWS` queries against all keys.
#[allow(clippy::needless_range_loop)]
#[inline(always)]
fn score<B: Int8Isa, const ROWS: usize, const VECTORS: usize>(
    isa: B,
    mut out: RowsMut,
    queries: Int8Rows,
    keys: &Int8Panels,
    bias: &[PanelRow],
) {
    let (ops, ints) = (isa.isa().f32(), isa.isa().i32());
    let width = VECTORS * ops.len();
    const NOTHING: PanelRow<i32> = PanelRow([0; PANEL]);
    let Int8Rows { rows, .. } = queries;
    assert!(rows.rows() == ROWS && out.rows() == ROWS);
    assert!(keys.panels() * PANEL <= out.cols() && rows.cols() == keys.depth());
    for panel in 0..keys.panels() {
        let bias = &bias[panel].0;
        let b = keys.panels.panel(panel);
        for column in (0..PANEL).step_by(width) {
            let tile = Tile {
                a: rows.as_ptr(),
                a_stride: rows.stride(),
                // Its part is in the bias.
                zero_point: (-B::SHIFT) as u8,
                b,
                column,
                bias: &bias[column..column + width],
                sums: &NOTHING.0[column..column + width],
                next: keys.panels.panel((panel + 1).min(keys.panels() - 1)).as_ptr().cast::<[i8; 4]>(),
                ahead: PANEL,
            };
            // SAFETY: `rows` are `ROWS` rows as long as the panel, and `VECTORS` vectors from `column` on
            // lie within the panel.
            let sums = unsafe { tile.multiply::<B, ROWS, VECTORS>(isa) };
            let bias = ops.load_many::<VECTORS>(tile.bias);
            let scales = ops.load_many::<VECTORS>(&keys.scales[panel].0[column..column + width]);
            for row in 0..ROWS {
                for vector in 0..VECTORS {
                    let score = ops.mul_add(ints.to_float(sums[row][vector]), scales[vector], bias[vector]);
                    let column = panel * PANEL + column + vector * ops.len();
                    // SAFETY: `out` has `ROWS` rows with room for all panels.
                    unsafe { ops.store_ptr(score, out.as_mut_ptr().add(row * out.stride() + column)) };
                }
            }
        }
    }
}
