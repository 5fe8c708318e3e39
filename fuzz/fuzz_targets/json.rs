//! JSON of any shape: SQuAD, lists of rows, columns, exports of label tools.

#![no_main]

use bertqa::io::{InputFormat, ReadOptions};
use bertqa_fuzz::{check_text, fail_on_own_panics};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: fail_on_own_panics(), |bytes: &[u8]| {
    check_text(bytes, InputFormat::Json, &ReadOptions::default());
});
