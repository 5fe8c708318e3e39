//! How fast this processor can be at all: the densest loop of products, without memory.

use std::hint::black_box;
use std::time::Instant;

use rten_simd::{Isa, SimdOp};

use super::bytes::{ByteIsa, ByteOp};
use super::product::{Float, Product};

/// Multiplications and additions of `f32` a second, of one thread, in about so many `seconds`.
pub fn peak_f32(seconds: f64) -> f64 {
    SimdOp::dispatch(Peak { seconds })
}

/// Multiplications and additions of bytes a second, of one thread, in about so many `seconds`.
pub fn peak_bytes(seconds: f64) -> f64 {
    ByteOp::dispatch(Peak { seconds })
}

struct Peak {
    seconds: f64,
}

impl SimdOp for Peak {
    type Output = f64;

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) -> f64 {
        self.run(Float(isa), [0.5; 32], 0.5)
    }
}

impl ByteOp for Peak {
    type Output = f64;

    #[inline(always)]
    fn eval<B: ByteIsa>(self, isa: B) -> f64 {
        4.0 * self.run(isa, [[3; 4]; 32], [5; 4])
    }
}

impl Peak {
    /// Products of one element each.
    #[inline(always)]
    fn run<P: Product>(self, product: P, right: [P::Right; 32], left: P::Left) -> f64 {
        /// As many independent sums as hide the latency of an instruction, and fit into 16 registers.
        const SUMS: usize = 12;
        const ROUNDS: usize = 1_000;
        /// Of all sums between two hints that the compiler must not see through.
        const REPEATS: usize = 8;
        use rten_simd::ops::BitOps;
        let isa = product.isa();
        // SAFETY: no vector has more than 32 lanes of 32 bits.
        let right = [unsafe { product.load(right.as_ptr()) }];
        let mut sums = [[product.begin(isa.f32().zero(), isa.i32().zero(), 0)]; SUMS];
        let (began, mut rounds) = (Instant::now(), 0);
        while began.elapsed().as_secs_f64() < self.seconds {
            for _ in 0..ROUNDS {
                let left = black_box(left);
                for _ in 0..REPEATS {
                    for sum in &mut sums {
                        product.multiply_add(&left, &right, sum);
                    }
                }
            }
            rounds += ROUNDS * REPEATS;
        }
        let seconds = began.elapsed().as_secs_f64();
        for sum in sums {
            black_box(product.finish(sum[0], isa.f32().zero(), isa.f32().zero()));
        }
        (2 * rounds * SUMS * isa.f32().len()) as f64 / seconds
    }
}
