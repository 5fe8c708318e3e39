//! An engine of one's own behind the same pipeline: `cargo run --release --example own_engine`.

use bertqa::QuestionAnswerer;
use bertqa::batch::Batch;
use bertqa::engine::{Engine, EngineError, Layout, Logits};
use bertqa::qa::Encoder;
use tokenizers::Tokenizer;

/// Takes the largest token id of a window for the answer: rare words have large ids.
struct RarestWord;

impl Engine for RarestWord {
    fn name(&self) -> &str {
        "rarest word"
    }

    fn layout(&self) -> Layout {
        Layout::Ragged
    }

    fn forward(&mut self, batch: &Batch) -> Result<Logits, EngineError> {
        let logits: Vec<f32> = batch.input_ids().iter().map(|id| *id as f32 / 1000.0).collect();
        Ok(Logits { start: logits.clone(), end: logits })
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tokenizer/tokenizer.json");
    let tokenizer = Tokenizer::from_file(file).map_err(|error| error.to_string())?;
    let encoder = Encoder::new(tokenizer, "<s>", false);
    let answerer = QuestionAnswerer::builder().build_with(encoder, vec![Box::new(RarestWord)], 512)?;
    println!("{}", answerer.answer("What is rare?", "The zebra is in the house.")?[0].text);
    Ok(())
}
