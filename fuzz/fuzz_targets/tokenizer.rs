//! The files of tokenizers. The first line of an input says which file of which class the rest is.

#![no_main]

use std::cell::LazyCell;

use bertqa_fuzz::{ModelFolder, Scratch, ask, fail_on_own_panics, mutate_json};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

/// Takes its vocabulary for one of the class, whose files have these names.
const CLASSES: [(&str, &str, &[&str]); 11] = [
    ("bert", "Bert", &["vocab.txt"]),
    ("mpnet", "MPNet", &["vocab.txt"]),
    ("splinter", "Splinter", &["vocab.txt"]),
    ("japanese", "BertJapanese", &["vocab.txt"]),
    ("roberta", "Roberta", &["vocab.json", "merges.txt"]),
    ("deberta", "Deberta", &["vocab.json", "merges.txt"]),
    ("xlmr", "XLMRoberta", &["sentencepiece.bpe.model"]),
    ("camembert", "Camembert", &["sentencepiece.bpe.model"]),
    ("albert", "Albert", &["spiece.model"]),
    ("debertav2", "DebertaV2", &["spm.model"]),
    ("t5", "T5", &["spiece.model"]),
];

/// Those that stand beside tokenizer.json.
const OTHERS: [(&str, &str); 3] =
    [("config", "tokenizer_config.json"), ("special", "special_tokens_map.json"), ("added", "added_tokens.json")];

thread_local! {
    /// One with a tokenizer, and one without.
    static MODELS: LazyCell<(ModelFolder, ModelFolder, Scratch)> = LazyCell::new(|| {
        let scratch = Scratch::new();
        let whole = ModelFolder::tiny(&scratch);
        (whole, ModelFolder::family(&scratch, "roberta").without("tokenizer.json"), scratch)
    });
}

fuzz_mutator!(|bytes: &mut [u8], size: usize, most: usize, seed: u32| { mutate_json(bytes, size, most, seed, 1) });

fuzz_target!(init: fail_on_own_panics(), |bytes: &[u8]| {
    let Some(line) = bytes.iter().position(|byte| *byte == b'\n') else { return };
    let (kind, rest) = (&bytes[..line], &bytes[line + 1..]);
    MODELS.with(|models| {
        let (whole, bare, _) = &**models;
        if kind == b"json" {
            bare.remove("tokenizer_config.json");
            bare.put("tokenizer.json", rest);
            load(bare);
            bare.remove("tokenizer.json");
        } else if let Some((_, file)) = OTHERS.iter().find(|(name, _)| name.as_bytes() == kind) {
            whole.put(file, rest);
            load(whole);
            whole.remove(file);
        } else if let Some((_, class, files)) = CLASSES.iter().find(|(name, ..)| name.as_bytes() == kind) {
            bare.put("tokenizer_config.json", format!("{{\"tokenizer_class\": \"{class}Tokenizer\"}}").as_bytes());
            // Several are divided by an empty line.
            let divided = rest.windows(2).position(|window| window == b"\n\n").filter(|_| files.len() > 1);
            let (first, second) = divided.map_or((rest, &[][..]), |place| (&rest[..place], &rest[place + 2..]));
            for (file, content) in files.iter().zip([first, second]) {
                bare.put(file, content);
            }
            load(bare);
            files.iter().for_each(|file| bare.remove(file));
        }
    });
});

fn load(model: &ModelFolder) {
    if let Ok(model) = model.load() {
        ask(model);
    }
}
