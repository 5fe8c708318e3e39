//! Memory that is asked for because an input says so.

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;

/// More than any target's input is worth: each is far below a megabyte. libFuzzer's own limit for one request works with
/// its sanitizers only.
const MOST: usize = 1 << 30;

struct Limited;

#[global_allocator]
static ALLOCATOR: Limited = Limited;

fn check(size: usize) {
    if size > MOST {
        // What this asks for is far less.
        eprintln!("{size} bytes are asked for at once\n{}", Backtrace::force_capture());
        std::process::abort();
    }
}

// SAFETY: the system's allocator does everything.
unsafe impl GlobalAlloc for Limited {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        // SAFETY: as the caller warrants.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        // SAFETY: as the caller warrants.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        check(size);
        // SAFETY: as the caller warrants.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller warrants.
        unsafe { System.dealloc(pointer, layout) }
    }
}
