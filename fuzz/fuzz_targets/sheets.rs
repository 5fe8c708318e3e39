//! Spreadsheets, of Excel or OpenDocument: both are archives, and each is read as both.

#![no_main]

use std::cell::LazyCell;

use bertqa_fuzz::{Scratch, check_file, fail_on_own_panics};
use libfuzzer_sys::fuzz_target;

thread_local! {
    static SCRATCH: LazyCell<Scratch> = LazyCell::new(Scratch::new);
}

fuzz_target!(init: fail_on_own_panics(), |bytes: &[u8]| {
    SCRATCH.with(|scratch| {
        for name in ["a.xlsx", "a.ods"] {
            check_file(&scratch.file(name, bytes), scratch, "out.jsonl");
        }
    });
});
