use std::num::NonZeroUsize;

use sysinfo::{CpuRefreshKind, RefreshKind, System};

use bertqa_kernels::{bf16_instructions, f32_instructions, int8_instructions};

/// The processor.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Cpu {
    /// As it calls itself; empty if it does not.
    pub name: String,
    /// Those that this process may use: as many threads the network gets.
    pub cores: usize,
    /// What the native engine's kernels use.
    pub instructions: Instructions,
}

/// The vector instructions that the native engine uses here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Instructions {
    /// Such as `AVX-512`.
    pub f32: &'static str,
    /// `None` where products of bfloat16 are not faster than those of `f32`.
    pub bf16: Option<&'static str>,
    /// `None` where int8 is slower than `f32`.
    pub int8: Option<&'static str>,
}

impl Cpu {
    /// Asks the operating system and the processor.
    pub fn find() -> Self {
        let system = System::new_with_specifics(RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing()));
        let name = system.cpus().first().map_or("", |cpu| cpu.brand()).trim().to_owned();
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let instructions =
            Instructions { f32: f32_instructions(), bf16: bf16_instructions(), int8: int8_instructions() };
        Self { name, cores, instructions }
    }
}
