//! JSON of any shape: SQuAD, lists of rows, columns, exports of label tools.

#![no_main]

use bertqa::io::{InputFormat, ReadOptions};
use bertqa_fuzz::{check_text, fail_on_own_panics, mutate_json};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_mutator!(|bytes: &mut [u8], size: usize, most: usize, seed: u32| { mutate_json(bytes, size, most, seed, 0) });

fuzz_target!(init: fail_on_own_panics(), |bytes: &[u8]| {
    check_text(bytes, InputFormat::Json, &ReadOptions::default());
});
