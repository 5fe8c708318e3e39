//! Activation functions of the feed-forward part.

use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};

use rten_simd::ops::{BitOps, FloatOps, NumOps};
use rten_simd::{Isa, Simd, SimdUnaryOp};
use rten_vecmath::{ApproxGelu, Erf, Exp, Gelu, Sigmoid, Silu, Swish, Tanh};

/// The function between the two matrix products of a feed-forward part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x · Φ(x)`, with the error function.
    Gelu,
    /// GELU by its tanh approximation (`gelu_new`, `gelu_pytorch_tanh` and others).
    GeluTanh,
    /// GELU, at most 10 (`gelu_10`).
    Gelu10,
    /// `x · sigmoid(1.702 · x)`
    QuickGelu,
    /// `max(x, 0)`
    Relu,
    /// `max(x, 0)²`
    Relu2,
    /// `min(max(x, 0), 6)`
    Relu6,
    /// `x`, a hundredth of it below zero.
    LeakyRelu,
    /// `x · sigmoid(x)`
    Silu,
    /// `x · tanh(ln(1 + e^x))`
    Mish,
    /// `tanh(x)`
    Tanh,
    /// `1 / (1 + e^-x)`
    Sigmoid,
    /// The distribution function of the normal distribution with mean `√½` and deviation 0.282095.
    Laplace,
    /// `x`
    Linear,
}

impl Activation {
    /// Every function by the names that transformers has for it.
    const NAMES: [(&str, Self); 20] = [
        ("gelu", Self::Gelu),
        ("gelu_python", Self::Gelu),
        ("gelu_new", Self::GeluTanh),
        ("gelu_fast", Self::GeluTanh),
        ("gelu_accurate", Self::GeluTanh),
        ("gelu_pytorch_tanh", Self::GeluTanh),
        ("gelu_python_tanh", Self::GeluTanh),
        ("gelu_10", Self::Gelu10),
        ("quick_gelu", Self::QuickGelu),
        ("relu", Self::Relu),
        ("relu2", Self::Relu2),
        ("relu6", Self::Relu6),
        ("leaky_relu", Self::LeakyRelu),
        ("silu", Self::Silu),
        ("swish", Self::Silu),
        ("mish", Self::Mish),
        ("tanh", Self::Tanh),
        ("sigmoid", Self::Sigmoid),
        ("laplace", Self::Laplace),
        ("linear", Self::Linear),
    ];

    /// The function that transformers knows by `name`.
    pub fn of(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, activation)| *activation)
    }

    /// The names of all functions.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::NAMES.iter().map(|(name, _)| *name)
    }

    /// Replaces values by what the function makes of them; see [`with_function`](Self::with_function).
    #[inline(always)]
    pub(super) fn apply<I: Isa>(self, isa: I, values: &mut [f32], approximate: bool) {
        if self != Self::Linear {
            self.with_function(isa, approximate, Apply { isa, values });
        }
    }

    /// Gives `then` the function. With `approximate`, GELU to an absolute error of 2e-4, for values that are rounded
    /// much more roughly anyway.
    #[inline(always)]
    pub(super) fn with_function<I: Isa>(self, isa: I, approximate: bool, then: impl WithFunction<I>) {
        let ops = isa.f32();
        macro_rules! call {
            ($function:expr) => {
                then.call(
                    #[inline(always)]
                    $function,
                )
            };
        }
        match self {
            Self::Gelu if approximate => call!(|x| approximate_gelu(isa, x)),
            Self::Gelu => call!(|x| Gelu {}.eval(isa, x)),
            Self::GeluTanh => call!(|x| ApproxGelu {}.eval(isa, x)),
            Self::Gelu10 => call!(|x| ops.min(Gelu {}.eval(isa, x), ops.splat(10.0))),
            Self::QuickGelu => call!(|x| Swish { alpha: 1.702 }.eval(isa, x)),
            Self::Relu => call!(|x| ops.max(x, ops.zero())),
            Self::Relu2 => call!(|x| square(isa, ops.max(x, ops.zero()))),
            Self::Relu6 => call!(|x| ops.clamp(x, ops.zero(), ops.splat(6.0))),
            Self::LeakyRelu => call!(|x| ops.max(x, ops.mul(x, ops.splat(0.01)))),
            Self::Silu => call!(|x| Silu {}.eval(isa, x)),
            Self::Mish => call!(|x| mish(isa, x)),
            Self::Tanh => call!(|x| Tanh {}.eval(isa, x)),
            Self::Sigmoid => call!(|x| Sigmoid {}.eval(isa, x)),
            Self::Laplace => call!(|x| laplace(isa, x)),
            Self::Linear => call!(|x| x),
        }
    }
}

/// What is done with an activation function.
pub(super) trait WithFunction<I: Isa> {
    fn call(self, function: impl Fn(I::F32) -> I::F32);
}

struct Apply<'a, I> {
    isa: I,
    values: &'a mut [f32],
}

impl<I: Isa> WithFunction<I> for Apply<'_, I> {
    #[inline(always)]
    fn call(self, function: impl Fn(I::F32) -> I::F32) {
        let Self { isa, values } = self;
        let ops = isa.f32();
        let mut vectors = values.chunks_exact_mut(ops.len());
        for vector in &mut vectors {
            ops.store(function(ops.load(vector)), vector);
        }
        let rest = vectors.into_remainder();
        if !rest.is_empty() {
            let (padded, _) = ops.load_pad(rest);
            let result = function(padded).to_array();
            rest.copy_from_slice(&result.as_ref()[..rest.len()]);
        }
    }
}

#[inline(always)]
fn square<I: Isa>(isa: I, x: I::F32) -> I::F32 {
    isa.f32().mul(x, x)
}

/// With `n = e^x (e^x + 2)`, `tanh(ln(1 + e^x)) = n / (n + 2)`.
#[inline(always)]
fn mish<I: Isa>(isa: I, x: I::F32) -> I::F32 {
    /// From here on it is `x`; the square of `e^x` would leave the range of `f32` at 44.
    const BOUND: f32 = 20.0;
    let ops = isa.f32();
    let two = ops.splat(2.0);
    let power = Exp {}.eval(isa, ops.min(x, ops.splat(BOUND)));
    let n = ops.mul(power, ops.add(power, two));
    ops.mul(x, ops.div(n, ops.add(n, two)))
}

#[inline(always)]
fn laplace<I: Isa>(isa: I, x: I::F32) -> I::F32 {
    const DEVIATION: f32 = 0.282_095;
    let (ops, half) = (isa.f32(), isa.f32().splat(0.5));
    let scaled = ops.mul(ops.sub(x, ops.splat(FRAC_1_SQRT_2)), ops.splat(1.0 / (DEVIATION * SQRT_2)));
    ops.mul_add(Erf {}.eval(isa, scaled), half, half)
}

/// `x · (0.5 + p(x))`, where the odd polynomial `p` was fitted to `Φ(x) - 0.5` on -4 to 4 (least largest error of the
/// product, odd powers to 13).
#[inline(always)]
fn approximate_gelu<I: Isa>(isa: I, x: I::F32) -> I::F32 {
    const BOUND: f32 = 4.0;
    const ODD_POWERS: [f32; 7] =
        [0.397_883_3, -0.064_573_03, 0.008_772_352, -0.000_814_007_9, 4.795_472e-5, -1.598_561_6e-6, 2.278_063_3e-8];
    let ops = isa.f32();
    let bounded = ops.clamp(x, ops.splat(-BOUND), ops.splat(BOUND));
    let square = ops.mul(bounded, bounded);
    let mut sum = ops.splat(ODD_POWERS[6]);
    for power in ODD_POWERS[..6].iter().rev() {
        sum = ops.mul_add(sum, square, ops.splat(*power));
    }
    ops.mul(x, ops.mul_add(sum, bounded, ops.splat(0.5)))
}
