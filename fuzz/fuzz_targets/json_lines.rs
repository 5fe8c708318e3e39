//! JSON Lines, compressed or not.

#![no_main]

use bertqa::io::{InputFormat, ReadOptions};
use bertqa_fuzz::{check_text, fail_on_own_panics};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: fail_on_own_panics(), |bytes: &[u8]| {
    let options = ReadOptions { max_line_bytes: 2048, ..ReadOptions::default() };
    check_text(bytes, InputFormat::Jsonl, &options);
});
