//! Products with the tile registers of AMX: eight matrices of 16 rows of 64 bytes.
//!
//! A tile of sums is the product of a tile of the left-hand side, 16 of its rows as they lie in memory, and one of a
//! panel, 16 of its rows and half of its columns as they lie in memory too: what a [`Product`](super::product::Product)
//! takes in 16 steps over the depth.

mod gemm;

use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::LazyLock;

pub(crate) use gemm::{TileProduct, multiply_tiles};

use super::row_buffer::TILE_ROWS;

/// The tile registers of this thread, set up to 16 rows of 64 bytes each for as long as a value lives, and free after
/// that: whoever else uses them in the same thread has to set them up again. The engine has threads of its own.
#[derive(Debug)]
pub(crate) struct Tiles {
    /// The registers are the thread's own.
    not_send: PhantomData<*const ()>,
}

thread_local! {
    /// How many [`Tiles`] live in this thread.
    static USERS: Cell<usize> = const { Cell::new(0) };
}

/// What `ldtilecfg` reads.
#[repr(C, align(64))]
struct Configuration([u8; 64]);

impl Configuration {
    const WHOLE_TILES: Self = {
        let mut bytes = [0; 64];
        // The palette.
        bytes[0] = 1;
        let mut tile = 0;
        while tile < 8 {
            // Bytes of a row, in 16 bits, and rows.
            bytes[16 + 2 * tile] = 64;
            bytes[48 + tile] = TILE_ROWS as u8;
            tile += 1;
        }
        Self(bytes)
    };
}

impl Tiles {
    /// `None` where there are no tiles for int8 and bfloat16, or the kernel does not let us use them.
    pub(crate) fn new() -> Option<Self> {
        static USABLE: LazyLock<bool> = LazyLock::new(|| supported() && permitted());
        if !*USABLE {
            return None;
        }
        if USERS.replace(USERS.get() + 1) == 0 {
            // SAFETY: the processor has AMX and the kernel permits it. The compiler uses no tile registers.
            unsafe { asm!("ldtilecfg [{}]", in(reg) &Configuration::WHOLE_TILES, options(nostack, readonly)) }
        }
        Some(Self { not_send: PhantomData })
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        if USERS.replace(USERS.get() - 1) == 1 {
            // Saves the kernel their contents when it switches threads.
            // SAFETY: as in `new`.
            unsafe { asm!("tilerelease", options(nostack, nomem)) }
        }
    }
}

/// Instructions that may come with tiles.
pub(crate) trait MaybeTiles: Copy {
    fn tiles(&self) -> Option<&Tiles>;
}

/// No tiles.
#[derive(Clone, Copy)]
pub(crate) struct NoTiles;

impl MaybeTiles for NoTiles {
    #[inline(always)]
    fn tiles(&self) -> Option<&Tiles> {
        None
    }
}

impl MaybeTiles for &Tiles {
    #[inline(always)]
    fn tiles(&self) -> Option<&Tiles> {
        Some(self)
    }
}

/// Whether the processor has tiles for int8 and bfloat16, and the kernel keeps them from thread to thread.
fn supported() -> bool {
    const AMX_BF16: u32 = 1 << 22;
    const AMX_TILE: u32 = 1 << 24;
    const AMX_INT8: u32 = 1 << 25;
    const NEEDED: u32 = AMX_BF16 | AMX_TILE | AMX_INT8;
    /// Of the states that the kernel saves: tile configuration and tile data.
    const TILE_STATES: u64 = 0b11 << 17;
    const OSXSAVE: u32 = 1 << 27;

    if __cpuid(0).eax < 7 || __cpuid(1).ecx & OSXSAVE == 0 || __cpuid_count(7, 0).edx & NEEDED != NEEDED {
        return false;
    }
    #[target_feature(enable = "xsave")]
    fn saved_states() -> u64 {
        // SAFETY: register 0 is there wherever the instruction is.
        unsafe { _xgetbv(0) }
    }
    // SAFETY: OSXSAVE says that the kernel has enabled the instruction.
    unsafe { saved_states() & TILE_STATES == TILE_STATES }
}

/// Asks the kernel for tile data, which it gives to a process, with all of its threads, only on demand.
#[cfg(target_os = "linux")]
fn permitted() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_int = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_ulong = 18;
    // SAFETY: this call reads no memory of ours and changes nothing else.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn permitted() -> bool {
    false
}
