//! Arrow IPC, file or stream: opening, reading, and a copy that reads the same.

#![no_main]

use std::cell::LazyCell;

use bertqa_fuzz::{Scratch, check_file, fail_on_own_panics};
use libfuzzer_sys::fuzz_target;

thread_local! {
    static SCRATCH: LazyCell<Scratch> = LazyCell::new(Scratch::new);
}

fuzz_target!(init: fail_on_own_panics(), |bytes: &[u8]| {
    SCRATCH.with(|scratch| check_file(&scratch.file("a.arrow", bytes), scratch, "out.arrow"));
});
