//! The loops that measure the peak do the products that they are said to do.

use super::super::peak::Operands;
use super::super::product::Product;
use super::super::*;
use super::float::on_every_isa;
use super::int8::on_every_int8_isa;
use rten_simd::Isa;
use rten_simd::Simd;
use rten_simd::ops::BitOps;

const ROUNDS: usize = 100;

/// All lanes of a finished sum.
fn lanes<P: Product>(product: P, sum: P::Sum) -> Vec<f32> {
    let ops = product.isa().f32();
    product.finish(sum, ops.splat(1.0), ops.splat(0.0)).to_array().as_ref().to_vec()
}

fn assert_sums<P: Product, const ROWS: usize>(
    product: P,
    sums: [[P::Sum; 2]; ROWS],
    expected: impl Fn(usize, usize) -> f32,
) {
    for (row, sums) in sums.into_iter().enumerate() {
        for (vector, sum) in sums.into_iter().enumerate() {
            for lane in lanes(product, sum) {
                assert_eq!(lane, expected(row, vector), "row {row}, vector {vector}");
            }
        }
    }
}

#[test]
fn products_of_f32_are_done() {
    on_every_isa!(|isa| {
        let product = crate::float::Float(isa);
        let operands = Operands { lhs: [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], rhs: [[2.0; PANEL], [3.0; PANEL]] };
        let expected = |row: usize, vector: usize| (ROUNDS * (row + 1) * (vector + 2)) as f32;
        assert_sums(product, operands.repeat(product, ROUNDS), expected);
    });
}

#[test]
fn products_of_int8_are_done() {
    on_every_int8_isa!(|isa| {
        let operands = Operands { lhs: [[1; 4], [2; 4], [3; 4], [4; 4]], rhs: [[[2; 4]; PANEL], [[3; 4]; PANEL]] };
        fn density<P: Product>(_: P) -> usize {
            P::DENSITY
        }
        let expected = |row: usize, vector: usize| (4 * density(isa) * ROUNDS * (row + 1) * (vector + 2)) as f32;
        let sums = operands.repeat(isa, ROUNDS);
        for (row, [first, second]) in sums.into_iter().enumerate() {
            // AVX2 adds those of both vectors up.
            let both = lanes(isa, first).into_iter().zip(lanes(isa, second)).map(|(first, second)| first + second);
            let expected = expected(row, 0) + expected(row, 1);
            both.for_each(|sum| assert_eq!(sum, expected, "row {row}"));
        }
    });
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use super::super::super::amx::Tiles;
    use super::super::super::bf16::Avx512Bf16;
    use super::super::super::int8::Avx512Vnni;
    use super::*;

    #[test]
    fn products_of_bf16_are_done() {
        let Some(isa) = Avx512Bf16::new() else { return };
        let pair = |value: usize| [Bf16::from_f32(value as f32); 2];
        let operands = Operands { lhs: [pair(1), pair(2), pair(3)], rhs: [[pair(2); PANEL], [pair(3); PANEL]] };
        let expected = |row: usize, vector: usize| (2 * ROUNDS * (row + 1) * (vector + 2)) as f32;
        assert_sums(isa, operands.repeat(isa, ROUNDS), expected);
    }

    #[test]
    fn products_of_tiles_are_done() {
        let Some(tiles) = Tiles::new() else { return };
        if let Some(isa) = Avx512Vnni::new() {
            let isa = isa.with_tiles(&tiles);
            let lhs = std::array::from_fn(|row| [[row as u8; 4]; 16]);
            let rhs = std::array::from_fn(|row| [[1 + (row / 16) as i8; 4]; 16]);
            let expected = |row: usize, vector: usize| (64 * ROUNDS * row * (vector + 1)) as f32;
            assert_sums(isa, tiles.repeat(isa, &lhs, &rhs, ROUNDS), expected);
        }
        if let Some(isa) = Avx512Bf16::new() {
            let isa = isa.with_tiles(&tiles);
            let lhs = std::array::from_fn(|row| [[Bf16::from_f32(row as f32); 2]; 16]);
            let rhs = std::array::from_fn(|row| [[Bf16::from_f32((1 + row / 16) as f32); 2]; 16]);
            let expected = |row: usize, vector: usize| (32 * ROUNDS * row * (vector + 1)) as f32;
            assert_sums(isa, tiles.repeat(isa, &lhs, &rhs, ROUNDS), expected);
        }
    }
}

/// Measured for a moment: whatever the machine does meanwhile, nothing is faster than its units.
#[test]
fn peaks_are_not_above_what_units_can_do() {
    for peak in [peak_f32(0.01), peak_bf16(0.01), peak_int8(0.01)] {
        assert!(peak.speed > 0.0 && peak.units() < 4.5, "{peak:?}");
    }
}
