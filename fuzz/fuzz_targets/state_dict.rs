//! The weights as torch saves them: pickles, in archives or not.

#![no_main]

use std::cell::LazyCell;

use bertqa_fuzz::{ModelFolder, Scratch, ask, fail_on_own_panics};
use libfuzzer_sys::fuzz_target;

thread_local! {
    static MODEL: LazyCell<(ModelFolder, Scratch)> = LazyCell::new(|| {
        let scratch = Scratch::new();
        (ModelFolder::tiny(&scratch).without("model.safetensors"), scratch)
    });
}

fuzz_target!(init: fail_on_own_panics(), |bytes: &[u8]| {
    MODEL.with(|model| {
        model.0.put("pytorch_model.bin", bytes);
        if let Ok(model) = model.0.load() {
            ask(model);
        }
    });
});
