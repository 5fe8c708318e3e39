//! Adding a matrix by its diagonals.

use rten_simd::{Isa, SimdOp};

use super::isa::dispatch;
use super::{Rows, RowsMut};

/// `out[q][k] += rows[k][origin + q - k]`: a row of `rows` has the values of a key by the distance of a query from it,
/// ascending.
///
/// # Panics
/// If a row has no value for some of the distances.
pub fn add_diagonals(out: RowsMut, rows: Rows, origin: usize) {
    assert!(out.cols() <= rows.rows() && out.cols() <= origin + 1 && origin + out.rows() <= rows.cols());
    dispatch(AddDiagonals { out, rows, origin });
}

pub(super) struct AddDiagonals<'a> {
    pub out: RowsMut<'a>,
    pub rows: Rows<'a>,
    pub origin: usize,
}

/// Queries and keys whose values are turned over at a time, on the stack.
const TILE: usize = 16;

impl SimdOp for AddDiagonals<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) {
        let Self { mut out, rows, origin } = self;
        let (queries, keys) = (out.rows(), out.cols());
        for first_key in (0..keys).step_by(TILE) {
            for first_query in (0..queries).step_by(TILE) {
                let width = TILE.min(keys - first_key);
                let height = TILE.min(queries - first_query);
                if width == TILE && height == TILE {
                    add_tile(&mut out, rows, origin, first_query, first_key);
                    continue;
                }
                for key in first_key..first_key + width {
                    let values = &rows.row(key)[origin + first_query - key..][..height];
                    for (query, value) in values.iter().enumerate() {
                        out.row_mut(first_query + query)[key] += value;
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn add_tile(out: &mut RowsMut, rows: Rows, origin: usize, first_query: usize, first_key: usize) {
    let mut tile = [[0.0; TILE]; TILE];
    for (key, values) in tile.iter_mut().enumerate() {
        let key = first_key + key;
        values.copy_from_slice(&rows.row(key)[origin + first_query - key..][..TILE]);
    }
    for query in 0..TILE {
        let out = &mut out.row_mut(first_query + query)[first_key..first_key + TILE];
        for (out, values) in out.iter_mut().zip(&tile) {
            *out += values[query];
        }
    }
}
