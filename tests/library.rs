//! The library as its users call it.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use bertqa::batch::Batch;
use bertqa::engine::{Engine, EngineError, Layout, Logits};
use bertqa::qa::Encoder;
use bertqa::{AnswerError, QuestionAnswerer};
use tokenizers::Tokenizer;

/// The last token is the likeliest; the batch of number `fails_at` is trouble.
struct LastToken {
    batches: usize,
    fails_at: usize,
    panics: bool,
}

impl Engine for LastToken {
    fn name(&self) -> &str {
        "last token"
    }

    fn layout(&self) -> Layout {
        Layout::Ragged
    }

    fn forward(&mut self, batch: &Batch) -> Result<Logits, EngineError> {
        self.batches += 1;
        if self.batches == self.fails_at {
            assert!(!self.panics, "trouble");
            return Err(EngineError::DeviceLost("the cable is cut".into()));
        }
        let logits: Vec<f32> = (0..batch.tokens()).map(|token| token as f32 / 10.0).collect();
        Ok(Logits { start: logits.clone(), end: logits })
    }
}

fn answerer(fails_at: usize, panics: bool) -> QuestionAnswerer {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/families/bert/tokenizer.json");
    let encoder = Encoder::new(Tokenizer::from_file(file).unwrap(), "[CLS]", true);
    let engine = LastToken { batches: 0, fails_at, panics };
    QuestionAnswerer::builder().batch_size(2).build_with(encoder, vec![Box::new(engine)], 64).unwrap()
}

#[test]
fn answers_come_in_order_with_their_tags_from_many_threads() {
    let answerer = answerer(usize::MAX, false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let rows = (0..100).map(|row| (row, ("who?", if row % 10 == 3 { " " } else { "ada built it." })));
                let answered: Vec<_> = answerer.answer_tagged(rows).collect();
                assert_eq!(answered.len(), 100);
                for (place, (row, answers)) in answered.into_iter().enumerate() {
                    assert_eq!(place, row);
                    assert_eq!(matches!(answers, Err(AnswerError::Row(_))), row % 10 == 3, "{row}: {answers:?}");
                }
            });
        }
    });
}

#[test]
fn a_stream_reads_ahead_within_bounds() {
    let answerer = answerer(usize::MAX, false);
    let read = AtomicUsize::new(0);
    let endless = (0..).map(|row| {
        read.fetch_add(1, Ordering::Relaxed);
        (row, ("who?", "ada built it."))
    });
    assert_eq!(answerer.answer_tagged(endless).take(50).last().unwrap().0, 49);
    assert!(read.load(Ordering::Relaxed) <= 50 + 8, "{read:?}");
}

#[test]
fn a_lost_device_and_a_panic_are_errors() {
    for (panics, text) in [(false, "the cable is cut"), (true, "trouble")] {
        let answerer = answerer(2, panics);
        assert_eq!(answerer.answer("who?", "ada did.").unwrap()[0].text, ".");
        for _ in 0..2 {
            let error = answerer.answer("who?", "ada did.").unwrap_err();
            assert!(matches!(&error, AnswerError::Ended(_)), "{error:?}");
        }
        // The reason is there once the pipeline's threads have ended.
        let reason = (0..1000).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            let error = answerer.answer("who?", "ada did.").unwrap_err().to_string();
            error.contains(text).then_some(error)
        });
        assert!(reason.is_some());
    }
}

#[test]
#[cfg(feature = "bundled")]
fn the_examples_run() {
    let examples = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("examples");
    for (name, expected) in [
        ("answer", "Alexander Graham Bell"),
        ("batch", "333メートル"),
        ("stream", "1909:  1909"),
        ("own_engine", "zebra"),
    ] {
        let output = Command::new(examples.join(name)).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains(expected), "{name}: {text}");
    }
}
