//! The manifest of a compiled model. Needs the feature `torch`, and a libtorch to link.

#![no_main]

use std::cell::LazyCell;

use bertqa::engine::torch::Compiled;
use bertqa_fuzz::{Scratch, fail_on_own_panics, mutate_json};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

thread_local! {
    static SCRATCH: LazyCell<Scratch> = LazyCell::new(Scratch::new);
}

fuzz_mutator!(|bytes: &mut [u8], size: usize, most: usize, seed: u32| { mutate_json(bytes, size, most, seed, 0) });

fuzz_target!(init: fail_on_own_panics(), |bytes: &[u8]| {
    SCRATCH.with(|scratch| {
        let manifest = scratch.file("model.json", bytes);
        if let Ok(compiled) = Compiled::open(&manifest.with_extension("pt"), None) {
            assert!(!compiled.manifest().inputs.is_empty());
        }
    });
});
