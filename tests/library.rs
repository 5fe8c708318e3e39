//! The library as its users call it.

use std::num::NonZeroUsize;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bertqa::batch::Batch;
use bertqa::engine::{Engine, EngineError, Layout, Logits};
use bertqa::qa::{Encoder, RequestOptions};
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
        let logits: Vec<f32> = (0..batch.tokens()).map(|token| token as f32 * 4.0).collect();
        Ok(Logits { start: logits.clone(), end: logits })
    }
}

fn encoder() -> Encoder {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/families/bert/tokenizer.json");
    Encoder::new(Tokenizer::from_file(file).unwrap(), "[CLS]", true)
}

fn answerer(fails_at: usize, panics: bool) -> QuestionAnswerer {
    let engine = LastToken { batches: 0, fails_at, panics };
    QuestionAnswerer::builder().batch_size(2).build_with(encoder(), vec![Box::new(engine)], 64).unwrap()
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
fn other_options_are_the_same_model() {
    let answerer = answerer(usize::MAX, false);
    let request = RequestOptions { top_k: NonZeroUsize::new(3), ..RequestOptions::default() };
    let several = answerer.with_options(&request).unwrap();
    drop(answerer);
    assert_eq!(several.answer("who?", "ada built it.").unwrap().len(), 3);
    // What is left out stays.
    let request = RequestOptions { max_answer_len: NonZeroUsize::new(1), ..RequestOptions::default() };
    let short = several.with_options(&request).unwrap().answer("who?", "ada built it.").unwrap();
    assert_eq!(short.iter().map(|answer| answer.text.as_str()).collect::<Vec<_>>(), [".", "it", "built"]);
    let request = RequestOptions { max_seq_len: NonZeroUsize::new(65), ..RequestOptions::default() };
    assert!(matches!(several.with_options(&request), Err(AnswerError::Options(_))));
}

#[test]
fn a_queue_is_waited_for_with_patience() {
    let answerer = answerer(usize::MAX, false);
    let mut queue = answerer.queue();
    assert!(queue.pop_within(Duration::ZERO).is_none());
    queue.push(1, "who?", "ada built it.");
    queue.push(2, "who?", " ");
    queue.push(3, "who?", "ada built it.");
    let mut popped = Vec::new();
    while !queue.is_empty() {
        popped.extend(queue.pop_within(Duration::from_millis(1)));
    }
    assert_eq!(popped.iter().map(|(tag, _)| *tag).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(matches!(popped[1].1, Err(AnswerError::Row(_))));
}

/// Says how many windows it has seen, and takes its time for each batch.
struct Slow(Arc<AtomicUsize>);

impl Engine for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    fn layout(&self) -> Layout {
        Layout::Ragged
    }

    fn forward(&mut self, batch: &Batch) -> Result<Logits, EngineError> {
        self.0.fetch_add(batch.windows(), Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(5));
        let logits = vec![0.0; batch.tokens()];
        Ok(Logits { start: logits.clone(), end: logits })
    }
}

#[test]
fn what_nobody_waits_for_is_given_up() {
    let windows = Arc::new(AtomicUsize::new(0));
    let answerer = QuestionAnswerer::builder()
        .batch_size(2)
        .build_with(encoder(), vec![Box::new(Slow(windows.clone()))], 64)
        .unwrap();
    let mut queue = answerer.queue();
    for _ in 0..100 {
        queue.push((), "who?", "ada built it.");
    }
    drop(queue);
    answerer.answer("who?", "ada built it.").unwrap();
    assert!(windows.load(Ordering::Relaxed) < 50, "{windows:?}");
}

#[test]
#[cfg(feature = "io")]
fn tables_in_memory() {
    use bertqa::io::ReadOptions;
    use polars_arrow::array::{Int8Array, StructArray, Utf8Array, Utf8ViewArray};
    use polars_arrow::datatypes::{ArrowDataType, Field};
    use polars_arrow::ffi::{ArrowArrayStreamReader, export_iterator};

    let text = |texts: &[Option<&str>]| Utf8Array::<i32>::from(texts).boxed();
    let fields = vec![
        Field::new("id".into(), ArrowDataType::Int8, true),
        Field::new("question".into(), ArrowDataType::Utf8, true),
        Field::new("context".into(), ArrowDataType::Utf8, true),
    ];
    let dtype = ArrowDataType::Struct(fields);
    let batches = (0..3_i8).map({
        let dtype = dtype.clone();
        move |number| {
            let id = Int8Array::from_vec(vec![number; 3]).boxed();
            let questions = text(&[Some("who?"), None, Some("who?")]);
            let contexts = text(&[Some("ada built it."), Some("ada."), Some("ada built it.")]);
            StructArray::try_new(dtype.clone(), 3, vec![id, questions, contexts], None).map(StructArray::boxed)
        }
    });
    let input = export_iterator(Box::new(batches), Field::new("".into(), dtype, false));
    let read = ReadOptions { chunk_rows: 2, ..ReadOptions::default() };
    let answerer = answerer(usize::MAX, false);
    // SAFETY: it is a stream of this process.
    let output = unsafe { bertqa::table::answer(&answerer, Box::new(input), &read, None, || false) }.unwrap();
    // SAFETY: as above.
    let mut output = unsafe { ArrowArrayStreamReader::try_new(Box::new(output)) }.unwrap();
    let (mut rows, mut texts) = (Vec::new(), Vec::new());
    // SAFETY: as above.
    while let Some(batch) = unsafe { output.next() } {
        let batch = batch.unwrap();
        let columns = batch.as_any().downcast_ref::<StructArray>().unwrap().values();
        assert_eq!(columns.len(), 8);
        let answers = columns[3].as_any().downcast_ref::<Utf8Array<i64>>().unwrap();
        assert!(columns[3].as_any().downcast_ref::<Utf8ViewArray>().is_none());
        rows.push(batch.len());
        texts.extend(answers.iter().map(|text| text.map(str::to_owned)));
    }
    assert_eq!(rows, [2, 1, 2, 1, 2, 1]);
    let of_batch = [Some(".".to_owned()), None, Some(".".to_owned())];
    assert_eq!(texts, [of_batch.clone(), of_batch.clone(), of_batch].concat());
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
        ("stream", "1909: 1909"),
        ("own_engine", "zebra"),
    ] {
        let output = Command::new(examples.join(name)).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains(expected), "{name}: {text}");
    }
}
