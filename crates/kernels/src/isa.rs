//! Which sets of instructions are used, of those that the processor has.

use std::env;
use std::fmt;
use std::sync::LazyLock;

#[cfg(target_arch = "x86_64")]
use rten_simd::Isa;
use rten_simd::SimdOp;
#[cfg(target_arch = "aarch64")]
use rten_simd::isa::ArmNeonIsa;
use rten_simd::isa::GenericIsa;
#[cfg(target_arch = "x86_64")]
use rten_simd::isa::{Avx2Isa, Avx512Isa};

/// The environment variable that names the best instructions to use.
pub const ISA_VARIABLE: &str = "BERTQA_ISA";

/// Sets of instructions, each of which comes with those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum InstructionSet {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// With those for bfloat16, where there are such.
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    #[cfg(target_arch = "x86_64")]
    Amx,
    #[cfg(target_arch = "aarch64")]
    Neon,
    #[cfg(target_arch = "aarch64")]
    NeonDotProduct,
    #[cfg(target_arch = "aarch64")]
    NeonI8mm,
}

impl InstructionSet {
    const NAMES: &[(&str, Self)] = &[
        ("portable", Self::Portable),
        #[cfg(target_arch = "x86_64")]
        ("avx2", Self::Avx2),
        #[cfg(target_arch = "x86_64")]
        ("avx-vnni", Self::AvxVnni),
        #[cfg(target_arch = "x86_64")]
        ("avx512", Self::Avx512),
        #[cfg(target_arch = "x86_64")]
        ("avx512-vnni", Self::Avx512Vnni),
        #[cfg(target_arch = "x86_64")]
        ("amx", Self::Amx),
        #[cfg(target_arch = "aarch64")]
        ("neon", Self::Neon),
        #[cfg(target_arch = "aarch64")]
        ("neon-dotprod", Self::NeonDotProduct),
        #[cfg(target_arch = "aarch64")]
        ("neon-i8mm", Self::NeonI8mm),
    ];

    fn of(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, set)| *set)
    }

    /// What `make` gives, unless [`ISA_VARIABLE`] names a lesser set.
    pub(crate) fn allowed<T>(self, make: impl FnOnce() -> Option<T>) -> Option<T> {
        static BEST: LazyLock<Option<InstructionSet>> =
            LazyLock::new(|| env::var(ISA_VARIABLE).ok().and_then(|name| InstructionSet::of(&name)));
        if BEST.is_none_or(|best| self <= best) { make() } else { None }
    }
}

/// What [`ISA_VARIABLE`] has is no set of instructions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownIsa {
    name: String,
}

impl fmt::Display for UnknownIsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = InstructionSet::NAMES.iter().map(|(name, _)| *name).collect();
        write!(f, "{ISA_VARIABLE} is {:?}, but has to be one of {}", self.name, names.join(", "))
    }
}

impl std::error::Error for UnknownIsa {}

/// Checks what [`ISA_VARIABLE`] has, which is ignored if it is unknown.
///
/// # Errors
/// If it is.
pub fn check_isa() -> Result<(), UnknownIsa> {
    let Some(name) = env::var_os(ISA_VARIABLE) else { return Ok(()) };
    let name = name.to_string_lossy().into_owned();
    InstructionSet::of(&name).map(|_| ()).ok_or(UnknownIsa { name })
}

/// Evaluates an operation with the best vectors that may be used.
pub(crate) fn dispatch<Op: SimdOp>(op: Op) -> Op::Output {
    #[cfg(target_arch = "x86_64")]
    {
        #[inline(never)]
        #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,f16c")]
        fn with_avx512<Op: SimdOp>(isa: impl Isa, op: Op) -> Op::Output {
            op.eval(isa)
        }
        #[inline(never)]
        #[target_feature(enable = "avx2,fma,f16c")]
        fn with_avx2<Op: SimdOp>(isa: impl Isa, op: Op) -> Op::Output {
            op.eval(isa)
        }
        if let Some(isa) = InstructionSet::Avx512.allowed(Avx512Isa::new) {
            // SAFETY: a value of its type exists only where the processor has these features.
            return unsafe { with_avx512(isa, op) };
        }
        if let Some(isa) = InstructionSet::Avx2.allowed(Avx2Isa::new) {
            // SAFETY: as above.
            return unsafe { with_avx2(isa, op) };
        }
    }
    #[cfg(target_arch = "aarch64")]
    if let Some(isa) = InstructionSet::Neon.allowed(ArmNeonIsa::new) {
        return op.eval(isa);
    }
    op.eval(GenericIsa::new())
}

/// Name of the vector instructions that `f32` kernels use on this processor.
pub fn f32_instructions() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if InstructionSet::Avx512.allowed(Avx512Isa::new).is_some() {
            return "AVX-512";
        }
        if InstructionSet::Avx2.allowed(Avx2Isa::new).is_some() {
            return "AVX2";
        }
    }
    #[cfg(target_arch = "aarch64")]
    if InstructionSet::Neon.allowed(ArmNeonIsa::new).is_some() {
        return "NEON";
    }
    "portable"
}
