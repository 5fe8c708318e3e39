//! config.json, beside the weights of the family that it names.

#![no_main]

use std::cell::LazyCell;

use bertqa_fuzz::{ModelFolder, Scratch, ask, fail_on_own_panics, mutate_json};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

/// Families that read other parts of it.
const FAMILIES: [&str; 9] =
    ["modernbert", "roberta", "deberta-v2", "distilbert", "convbert", "mobilebert", "roformer", "longformer", "albert"];

thread_local! {
    static MODELS: LazyCell<(ModelFolder, Vec<ModelFolder>, Scratch)> = LazyCell::new(|| {
        let scratch = Scratch::new();
        let families = FAMILIES.iter().map(|name| ModelFolder::family(&scratch, name));
        (ModelFolder::tiny(&scratch), families.collect(), scratch)
    });
}

fuzz_mutator!(|bytes: &mut [u8], size: usize, most: usize, seed: u32| { mutate_json(bytes, size, most, seed, 0) });

fuzz_target!(init: fail_on_own_panics(), |bytes: &[u8]| {
    MODELS.with(|models| {
        let (tiny, families, _) = &**models;
        let names = |name: &str| {
            let name = format!("\"{name}\"");
            bytes.windows(name.len()).any(|window| window == name.as_bytes())
        };
        let model = FAMILIES.iter().position(|name| names(name)).map_or(tiny, |place| &families[place]);
        model.put("config.json", bytes);
        if let Ok(model) = model.load() {
            ask(model);
        }
    });
});
