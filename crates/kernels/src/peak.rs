//! How fast this processor can be at all: the densest loop of products, without memory.

use std::hint::black_box;
use std::time::Instant;

use rten_simd::ops::BitOps;
use rten_simd::{Isa, SimdOp};

use super::PANEL;
#[cfg(target_arch = "x86_64")]
use super::amx::MaybeTiles;
#[cfg(target_arch = "x86_64")]
use super::bf16::{Avx512Bf16, Bf16, Bf16Op};
use super::float::Float;
use super::int8::{Int8Isa, Int8Op};
use super::isa::dispatch;
use super::product::Product;
use super::row_buffer::TILE_ROWS;

/// What one thread can do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// Multiplications and additions a second, as measured.
    pub speed: f64,
    /// Cycles a second, measured by a chain of instructions that wait for each other.
    pub clock: f64,
    /// Multiplications and additions that one unit of the processor does in a cycle.
    pub operations: f64,
}

impl Peak {
    /// By how many units the speed can be explained.
    pub fn units(&self) -> f64 {
        self.speed / (self.clock * self.operations)
    }

    /// Whether the speed is what one, two or four units do, or 60 % of that at least, and not more.
    pub fn is_plausible(&self) -> bool {
        [1.0, 2.0, 4.0].iter().any(|units| (0.6 * units..=1.05 * units).contains(&self.units()))
    }
}

/// What one thread can do in `f32`, as measured for about so many `seconds`.
pub fn peak_f32(seconds: f64) -> Peak {
    dispatch(Measure { seconds })
}

/// What one thread can do in bfloat16, as measured for about so many `seconds`.
pub fn peak_bf16(seconds: f64) -> Peak {
    #[cfg(target_arch = "x86_64")]
    if let Some(isa) = Avx512Bf16::fast() {
        return isa.run_with_tiles(Measure { seconds });
    }
    peak_f32(seconds)
}

/// What one thread can do in int8, as measured for about so many `seconds`.
pub fn peak_int8(seconds: f64) -> Peak {
    Int8Op::dispatch(Measure { seconds })
}

/// Measures for about so many seconds.
struct Measure {
    seconds: f64,
}

impl SimdOp for Measure {
    type Output = Peak;

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) -> Peak {
        self.of_vectors::<_, 6>(Float(isa), Operands { lhs: [0.5; 6], rhs: [[0.25; PANEL]; 2] })
    }
}

#[cfg(target_arch = "x86_64")]
impl Bf16Op for Measure {
    type Output = Peak;

    #[inline(always)]
    fn eval<T: MaybeTiles>(self, isa: Avx512Bf16<T>) -> Peak {
        let half = [Bf16::from_f32(0.5); 2];
        match isa.tiles() {
            Some(tiles) => self.of_tiles::<Avx512Bf16<T>>(|rounds| {
                black_box(tiles.repeat(
                    isa,
                    &[[half; TILE_ROWS]; 2 * TILE_ROWS],
                    &[[half; TILE_ROWS]; 2 * TILE_ROWS],
                    rounds,
                ));
            }),
            None => self.of_vectors::<_, 6>(isa, Operands { lhs: [half; 6], rhs: [[half; PANEL]; 2] }),
        }
    }
}

impl Int8Op for Measure {
    type Output = Peak;

    #[inline(always)]
    fn eval<B: Int8Isa>(self, isa: B) -> Peak {
        if isa.has_tiles() {
            return self.of_tiles::<B>(|rounds| isa.repeat_tiles(rounds));
        }
        match B::SPARE_REGISTERS {
            true => self.of_int8::<_, 6>(isa),
            false => self.of_int8::<_, 4>(isa),
        }
    }
}

impl Measure {
    #[inline(always)]
    fn of_int8<B: Int8Isa, const ROWS: usize>(self, isa: B) -> Peak {
        self.of_vectors::<_, ROWS>(isa, Operands { lhs: [[5; 4]; ROWS], rhs: [[[3; 4]; PANEL]; 2] })
    }

    #[inline(always)]
    fn of_vectors<P: Product, const ROWS: usize>(self, product: P, operands: Operands<P, ROWS>) -> Peak {
        // Each value of an element is a multiplication and an addition.
        let operations = 2 * P::VALUES * P::DENSITY * product.isa().f32().len();
        self.run(operations as f64, 2 * ROWS, |rounds| {
            black_box(operands.repeat(product, rounds));
        })
    }

    /// `repeat` multiplies so often all pairs of two tiles with two.
    #[inline(always)]
    fn of_tiles<P: Product>(self, repeat: impl Fn(usize)) -> Peak {
        // A tile instruction takes a cycle for each row of the left-hand side.
        let operations = 2 * P::VALUES * TILE_ROWS * TILE_ROWS;
        self.run(operations as f64, 4 * TILE_ROWS, repeat)
    }

    /// `work` does so many rounds of as many `operations` as one unit does in a cycle, `units` times.
    #[inline(always)]
    fn run(self, operations: f64, units: usize, work: impl Fn(usize)) -> Peak {
        /// About a millisecond. The fastest such time counts: in others, something else may have had the processor.
        const CYCLES: usize = 2_000_000;
        let rounds = CYCLES / units;
        let (began, mut fastest, mut fastest_clock) = (Instant::now(), f64::INFINITY, f64::INFINITY);
        while began.elapsed().as_secs_f64() < self.seconds {
            let round = Instant::now();
            work(rounds);
            fastest = fastest.min(round.elapsed().as_secs_f64());
            let round = Instant::now();
            wait_for_cycles(CYCLES / 20);
            fastest_clock = fastest_clock.min(round.elapsed().as_secs_f64());
        }
        let speed = operations * (units * rounds) as f64 / fastest;
        Peak { speed, clock: (CYCLES / 20) as f64 / fastest_clock, operations }
    }
}

/// Runs a chain of instructions that wait for each other for so many cycles: of a shift and an exclusive or, which take
/// one each on x86, and two together on ARM.
fn wait_for_cycles(cycles: usize) {
    let mut x = black_box(1u64);
    for _ in 0..cycles / 6 {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    black_box(x);
}

/// What is multiplied: rows with two vectors, so many products that none has to wait for the one before.
pub(super) struct Operands<P: Product, const ROWS: usize> {
    pub lhs: [P::Lhs; ROWS],
    pub rhs: [[P::Rhs; PANEL]; 2],
}

impl<P: Product, const ROWS: usize> Operands<P, ROWS> {
    /// The sums of all products, added up so many times.
    #[inline(always)]
    pub(super) fn repeat(&self, product: P, rounds: usize) -> [[P::Sum; 2]; ROWS] {
        let isa = product.isa();
        let mut sums = [[product.begin(isa.f32().zero(), isa.i32().zero(), 0); 2]; ROWS];
        for _ in 0..rounds {
            // The compiler must not know that they are the same each time: it would multiply them once.
            let Self { lhs, rhs } = black_box(self);
            // SAFETY: no vector has more lanes of 32 bits than a panel has columns.
            let rhs = [unsafe { product.load(rhs[0].as_ptr()) }, unsafe { product.load(rhs[1].as_ptr()) }];
            for (lhs, sums) in lhs.iter().zip(&mut sums) {
                product.densest(lhs, &rhs, sums);
            }
        }
        sums
    }
}
