//! How fast this processor can be at all: the densest loop of products, without memory.

use std::hint::black_box;
use std::time::Instant;

use rten_simd::{Isa, SimdOp};

#[cfg(target_arch = "x86_64")]
use super::bf16::{Avx512Bf16, Bf16, Bf16Op};
use super::float::Float;
use super::int8::{Int8Isa, Int8Op};
use super::product::Product;

/// Multiplications and additions of `f32` a second, of one thread, as measured for about so many `seconds`.
pub fn peak_f32(seconds: f64) -> f64 {
    SimdOp::dispatch(Peak { seconds })
}

/// Multiplications and additions of bfloat16 a second, of one thread, as measured for about so many `seconds`.
pub fn peak_bf16(seconds: f64) -> f64 {
    #[cfg(target_arch = "x86_64")]
    if let Some(isa) = Avx512Bf16::fast() {
        return isa.run(Peak { seconds });
    }
    peak_f32(seconds)
}

/// Multiplications and additions of int8 a second, of one thread, as measured for about so many `seconds`.
pub fn peak_int8(seconds: f64) -> f64 {
    Int8Op::dispatch(Peak { seconds })
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

#[cfg(target_arch = "x86_64")]
impl Bf16Op for Peak {
    type Output = f64;

    #[inline(always)]
    fn eval(self, isa: Avx512Bf16) -> f64 {
        let halves = [Bf16::from_f32(0.5); 2];
        2.0 * self.run(isa, [halves; 32], halves)
    }
}

impl Int8Op for Peak {
    type Output = f64;

    #[inline(always)]
    fn eval<B: Int8Isa>(self, isa: B) -> f64 {
        4.0 * self.run(isa, [[3; 4]; 32], [5; 4])
    }
}

impl Peak {
    /// Products of one element each.
    #[inline(always)]
    fn run<P: Product>(self, product: P, rhs: [P::Rhs; 32], lhs: P::Lhs) -> f64 {
        /// As many independent sums as hide the latency of an instruction, and fit into 16 registers.
        const SUMS: usize = 12;
        /// About a millisecond. The fastest such round counts: in others, something else may have had the processor.
        const ROUNDS: usize = 30_000;
        /// Of all sums between two hints that the compiler must not see through.
        const REPEATS: usize = 8;
        use rten_simd::ops::BitOps;
        let isa = product.isa();
        // SAFETY: no vector has more than 32 lanes of 32 bits.
        let rhs = [unsafe { product.load(rhs.as_ptr()) }];
        let mut sums = [[product.begin(isa.f32().zero(), isa.i32().zero(), 0)]; SUMS];
        let (began, mut fastest) = (Instant::now(), f64::INFINITY);
        while began.elapsed().as_secs_f64() < self.seconds {
            let round = Instant::now();
            for _ in 0..ROUNDS {
                let lhs = black_box(lhs);
                for _ in 0..REPEATS {
                    for sum in &mut sums {
                        product.densest(&lhs, &rhs, sum);
                    }
                }
            }
            fastest = fastest.min(round.elapsed().as_secs_f64());
        }
        for sum in sums {
            black_box(product.finish(sum[0], isa.f32().zero(), isa.f32().zero()));
        }
        (2 * P::DENSITY * ROUNDS * REPEATS * SUMS * isa.f32().len()) as f64 / fastest
    }
}
