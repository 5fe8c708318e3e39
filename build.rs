//! Says what to do where the built-in model is not there: the package of crates.io has no room for its weights.

use std::path::Path;

const WEIGHTS: &str = "models/default/model.safetensors";

fn main() {
    println!("cargo::rerun-if-changed={WEIGHTS}");
    if std::env::var_os("CARGO_FEATURE_BUNDLED").is_some() && !Path::new(WEIGHTS).exists() {
        println!(
            "cargo::error=the built-in model ({WEIGHTS}) is only in bertqa's repository: use `cargo install --git`, or do \
            without it by `--no-default-features --features cli`, and name a model with --model"
        );
    }
}
