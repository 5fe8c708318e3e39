//! Matrix product with packed weights.

use rten_simd::ops::BitOps;
use rten_simd::{Isa, SimdOp};

#[cfg(target_arch = "x86_64")]
use super::amx::MaybeTiles;
#[cfg(target_arch = "x86_64")]
use super::bf16::{Avx512Bf16, Bf16Op};
use super::bf16::{Bf16, Widened};
use super::float::Float;
use super::int8::{Int8Isa, Int8Op};
use super::isa::dispatch;
use super::matmul::{Columns, Gemm};
use super::panels::PanelRow;
use super::{Activation, Int8Panels, Int8Rows, Panels, RowBuffer, Rows, RowsMut};

/// `out = activation(a · b + bias)`.
///
/// Every value is one chain of multiply-adds over the depth in order, begun at the bias, so that it does not depend
/// on which other rows are in `a`.
///
/// # Panics
/// If the shapes do not fit together.
pub fn gemm(out: RowsMut, a: Rows, b: &Panels, bias: Option<&[PanelRow]>, activation: Option<Activation>) {
    dispatch(Gemm { out, a, row_scales: &[], zero_point: 0, b, columns: Columns::biased(bias), activation })
}

/// `out = activation(scales · (a · b) + bias)`, where the sums of `a · b` are exact.
///
/// # Panics
/// If the shapes do not fit together.
pub fn gemm_int8(out: RowsMut, a: Int8Rows, b: &Int8Panels, bias: Option<&[PanelRow]>, activation: Option<Activation>) {
    let columns = Columns { bias, scales: Some(&b.scales), sums: Some(&b.sums) };
    Int8Op::dispatch(Gemm {
        out,
        a: a.rows,
        row_scales: a.scales,
        zero_point: a.zero_point,
        b: &b.panels,
        columns,
        activation,
    })
}

/// `out = activation(a · b + bias)`, with weights in pairs of bfloat16. Where the processor multiplies bfloat16 by
/// bfloat16, `a` is rounded to it first, into `rounded`.
///
/// # Panics
/// If the shapes do not fit together.
pub fn gemm_bf16(
    out: RowsMut,
    a: Rows<[f32; 2]>,
    #[cfg_attr(not(target_arch = "x86_64"), expect(unused))] rounded: &mut RowBuffer<[Bf16; 2]>,
    b: &Panels<[Bf16; 2]>,
    bias: Option<&[PanelRow]>,
    activation: Option<Activation>,
) {
    let columns = Columns::biased(bias);
    #[cfg(target_arch = "x86_64")]
    if let Some(isa) = Avx512Bf16::fast() {
        let a = isa.round(a, rounded);
        return isa.run_with_tiles(Gemm { out, a, row_scales: &[], zero_point: 0, b, columns, activation });
    }
    dispatch(Gemm { out, a, row_scales: &[], zero_point: 0, b, columns, activation })
}

impl SimdOp for Gemm<'_, f32, f32> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        // A tile's sums must fit into the registers: 32 of them with AVX-512 and NEON, 16 otherwise.
        match isa.f32().len() {
            16 => self.run::<_, 14, 2>(Float(isa)),
            8 => self.run::<_, 6, 2>(Float(isa)),
            _ => self.run::<_, 6, 4>(Float(isa)),
        }
    }
}

impl SimdOp for Gemm<'_, [f32; 2], [Bf16; 2]> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        match isa.f32().len() {
            16 => self.run::<_, 12, 2>(Widened(isa)),
            8 => self.run::<_, 4, 2>(Widened(isa)),
            _ => self.run::<_, 4, 4>(Widened(isa)),
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl Bf16Op for Gemm<'_, [Bf16; 2], [Bf16; 2]> {
    type Output = ();

    #[inline(always)]
    fn eval<T: MaybeTiles>(self, isa: Avx512Bf16<T>) {
        isa.multiply(self);
    }
}

impl Int8Op for Gemm<'_, [u8; 4], [i8; 4]> {
    type Output = ();

    #[inline(always)]
    fn eval<B: Int8Isa>(self, isa: B) {
        isa.multiply(self);
    }
}
