//! Delimited text: what is read, and that what is written of it reads the same.

#![no_main]

use std::cell::LazyCell;

use bertqa::io::{InputFormat, ReadOptions};
use bertqa_fuzz::{Scratch, check_csv_copy, check_text, fail_on_own_panics};
use libfuzzer_sys::fuzz_target;

thread_local! {
    static SCRATCH: LazyCell<Scratch> = LazyCell::new(Scratch::new);
}

fuzz_target!(init: fail_on_own_panics(), |bytes: &[u8]| {
    let options = ReadOptions { max_line_bytes: 2048, ..ReadOptions::default() };
    check_text(bytes, InputFormat::Csv, &options);
    SCRATCH.with(|scratch| check_csv_copy(bytes, scratch, &options));
});
