//! Memory that is asked for because an input says so.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::null_mut;

/// More than any target's input is worth: each is far below a megabyte. Whoever asks for more is told that there is none,
/// which ends the process unless it is expected. libFuzzer's own limit works with its sanitizers only.
const MOST: usize = 1 << 30;

struct Limited;

#[global_allocator]
static ALLOCATOR: Limited = Limited;

// SAFETY: the system's allocator does everything; null says that there is no memory.
unsafe impl GlobalAlloc for Limited {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller warrants.
        if layout.size() > MOST { null_mut() } else { unsafe { System.alloc(layout) } }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller warrants.
        if layout.size() > MOST { null_mut() } else { unsafe { System.alloc_zeroed(layout) } }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller warrants.
        if size > MOST { null_mut() } else { unsafe { System.realloc(pointer, layout, size) } }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller warrants.
        unsafe { System.dealloc(pointer, layout) }
    }
}
