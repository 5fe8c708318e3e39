//! The pipeline under trouble: it ends, and says why; and in calm: nothing lost, nothing twice, in order.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bertqa::batch::Batch;
use bertqa::engine::{Engine, EngineError, Layout, Logits};
use bertqa::pipeline::{Answered, InFlight, Item, Order, Payload, Pipeline, Sink, Stats, Stop};
use bertqa::qa::{Encoder, Example, Options, RowError};
use proptest::prelude::*;
use tokenizers::Tokenizer;

/// Finds the last token of every window likeliest, notes the sizes of batches, and does as told on one of them.
#[derive(Clone, Default)]
struct TestEngine {
    batches: Arc<Mutex<Vec<usize>>>,
    trouble: Option<(usize, Trouble)>,
}

#[derive(Clone)]
enum Trouble {
    Error,
    Panic,
    /// Nobody wants these answers any more.
    GiveUp(Arc<AtomicBool>),
}

impl Engine for TestEngine {
    fn name(&self) -> &str {
        "test"
    }

    fn layout(&self) -> Layout {
        Layout::Ragged
    }

    fn forward(&mut self, batch: &Batch) -> Result<Logits, EngineError> {
        let count = {
            let mut batches = self.batches.lock().unwrap();
            batches.push(batch.windows());
            batches.len()
        };
        match &self.trouble {
            Some((at, Trouble::Error)) if count == *at => return Err(EngineError::TooLong { tokens: 9, max: 8 }),
            Some((at, Trouble::Panic)) if count == *at => panic!("trouble"),
            Some((at, Trouble::GiveUp(wanted))) if count == *at => wanted.store(false, Ordering::Relaxed),
            _ => {}
        }
        let logits: Vec<f32> = (0..batch.tokens()).map(|token| token as f32 / 100.0).collect();
        Ok(Logits { start: logits.clone(), end: logits })
    }
}

/// The place of a row in the input, and whether anybody wants its answers.
struct Number(usize, Arc<AtomicBool>);

impl Payload for Number {
    fn is_wanted(&self) -> bool {
        self.1.load(Ordering::Relaxed)
    }
}

/// Keeps what it is given, up to a number of rows.
struct TestSink {
    rows: Arc<Mutex<Vec<(usize, bool)>>>,
    full_at: usize,
}

impl Sink<Number> for TestSink {
    fn write(&mut self, row: Answered<Number>) -> anyhow::Result<()> {
        let mut rows = self.rows.lock().unwrap();
        anyhow::ensure!(rows.len() < self.full_at, "the disk is full");
        rows.push((row.payload.0, row.answers.is_ok()));
        Ok(())
    }
}

fn item(number: usize, words: usize, good: bool) -> Item<Number> {
    let example = if good {
        Example::new("who?".to_owned(), "ada built the lighthouse. ".repeat(words.max(1)))
    } else {
        Err(RowError::field("the question is missing"))
    };
    let options = Options { max_seq_len: 32, doc_stride: 4, ..Options::default() };
    Item {
        payload: Number(number, Arc::new(AtomicBool::new(true))),
        example,
        options: Arc::new(options),
        bytes: 26 * words,
    }
}

fn pipeline(engine: TestEngine, engines: usize, batch_size: usize) -> Pipeline {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/families/bert");
    let tokenizer = Tokenizer::from_file(folder.join("tokenizer.json")).unwrap();
    Pipeline {
        encoder: Arc::new(Encoder::new(tokenizer, "[CLS]", true)),
        engines: (0..engines).map(|_| Box::new(engine.clone()) as Box<dyn Engine>).collect(),
        threads: 2,
        batch_size,
        in_flight: InFlight::default(),
        order: Order::Input,
        stop: Stop::default(),
        stats: Arc::new(Stats::default()),
    }
}

type Rows = Arc<Mutex<Vec<(usize, bool)>>>;

/// Runs a pipeline on a thread of its own, so that a hang is a failure.
fn run(
    pipeline: Pipeline,
    source: impl Iterator<Item = anyhow::Result<Item<Number>>> + Send + 'static,
    full_at: usize,
) -> (Rows, Receiver<anyhow::Result<()>>) {
    let rows = Rows::default();
    let (done, ended) = channel();
    thread::spawn({
        let sink = TestSink { rows: rows.clone(), full_at };
        move || done.send(pipeline.run(source, sink).map(|_| ()))
    });
    (rows, ended)
}

#[track_caller]
fn wait(ended: Receiver<anyhow::Result<()>>) -> anyhow::Result<()> {
    ended.recv_timeout(Duration::from_secs(120)).expect("the pipeline hangs")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn every_row_comes_out_once_and_in_order(
        rows in proptest::collection::vec((0usize..12, proptest::bool::weighted(0.9)), 0..120),
        engines in 1usize..4,
        batch_size in 1usize..9,
    ) {
        let engine = TestEngine::default();
        let pipeline = pipeline(engine.clone(), engines, batch_size);
        let stats = pipeline.stats.clone();
        let source = rows.clone().into_iter().enumerate().map(|(number, (words, good))| Ok(item(number, words, good)));
        let (found, ended) = run(pipeline, source, usize::MAX);
        wait(ended).unwrap();
        let expected: Vec<_> = rows.iter().enumerate().map(|(number, (_, good))| (number, *good)).collect();
        prop_assert_eq!(&*found.lock().unwrap(), &expected);
        let batches = engine.batches.lock().unwrap();
        prop_assert!(batches.iter().all(|windows| (1..=batch_size).contains(windows)));
        prop_assert_eq!(batches.iter().sum::<usize>() as u64, stats.windows.get());
        prop_assert_eq!(stats.rows.get(), rows.len() as u64);
        prop_assert_eq!(stats.failed.get(), rows.iter().filter(|(_, good)| !good).count() as u64);
    }
}

fn endless() -> impl Iterator<Item = anyhow::Result<Item<Number>>> + Send + 'static {
    (0..).map(|number| Ok(item(number, 2, true)))
}

/// Hands over some rows, and then waits for ever, as a pipe does that stays open.
fn waits_after(rows: usize) -> impl Iterator<Item = anyhow::Result<Item<Number>>> + Send + 'static {
    endless().take(rows).chain(std::iter::from_fn(|| {
        loop {
            thread::park();
        }
    }))
}

#[test]
fn an_engine_that_fails_ends_the_run() {
    let engine = TestEngine { trouble: Some((5, Trouble::Error)), ..TestEngine::default() };
    let (_, ended) = run(pipeline(engine.clone(), 2, 4), endless(), usize::MAX);
    assert!(wait(ended).unwrap_err().to_string().contains("9 tokens"));
    // Also while the reader waits for input.
    engine.batches.lock().unwrap().clear();
    let (_, ended) = run(pipeline(engine, 1, 1), waits_after(20), usize::MAX);
    assert!(wait(ended).unwrap_err().to_string().contains("9 tokens"));
}

#[test]
fn a_panic_ends_the_run() {
    let engine = TestEngine { trouble: Some((3, Trouble::Panic)), ..TestEngine::default() };
    let (_, ended) = run(pipeline(engine, 1, 4), endless(), usize::MAX);
    assert_eq!(wait(ended).unwrap_err().to_string(), "the infer stage panicked: trouble");
}

#[test]
fn a_source_that_fails_ends_the_run_after_its_rows() {
    let source = endless().take(10).chain(std::iter::once_with(|| anyhow::bail!("the file is gone")));
    let (rows, ended) = run(pipeline(TestEngine::default(), 1, 4), source, usize::MAX);
    assert_eq!(wait(ended).unwrap_err().to_string(), "the file is gone");
    assert_eq!(rows.lock().unwrap().len(), 10);
}

#[test]
fn a_sink_that_fails_ends_the_run() {
    let (rows, ended) = run(pipeline(TestEngine::default(), 1, 4), waits_after(50), 7);
    assert_eq!(wait(ended).unwrap_err().to_string(), "the disk is full");
    assert_eq!(rows.lock().unwrap().len(), 7);
}

#[test]
fn a_stop_ends_the_input_and_finishes_its_rows() {
    for source in [
        Box::new(endless()) as Box<dyn Iterator<Item = anyhow::Result<Item<Number>>> + Send>,
        Box::new(waits_after(30)),
    ] {
        let pipeline = pipeline(TestEngine::default(), 2, 4);
        let stop = pipeline.stop.clone();
        let (rows, ended) = run(pipeline, source, usize::MAX);
        while rows.lock().unwrap().len() < 10 {
            thread::yield_now();
        }
        stop.stop();
        wait(ended).unwrap();
        let rows = rows.lock().unwrap();
        assert!(rows.iter().enumerate().all(|(place, (number, good))| place == *number && *good));
    }
}

#[test]
fn rows_that_nobody_wants_are_not_run() {
    let engine = TestEngine::default();
    let rows = (0..100).map(|number| {
        let item = item(number, 1, true);
        item.payload.1.store(number % 3 == 0, Ordering::Relaxed);
        Ok(item)
    });
    let (found, ended) = run(pipeline(engine.clone(), 1, 4), rows, usize::MAX);
    wait(ended).unwrap();
    let expected: Vec<_> = (0..100).map(|number| (number, number % 3 == 0)).collect();
    assert_eq!(*found.lock().unwrap(), expected);
    assert_eq!(engine.batches.lock().unwrap().iter().sum::<usize>(), 34);
}

#[test]
fn a_row_that_is_given_up_is_run_no_further() {
    let long = item(0, 2000, true);
    let trouble = Some((3, Trouble::GiveUp(long.payload.1.clone())));
    let engine = TestEngine { trouble, ..TestEngine::default() };
    let rows = [Ok(long), Ok(item(1, 1, true))].into_iter();
    let (found, ended) = run(pipeline(engine.clone(), 1, 2), rows, usize::MAX);
    wait(ended).unwrap();
    assert_eq!(*found.lock().unwrap(), [(0, false), (1, true)]);
    // Those that it was in, one that was waiting, and that of the other row.
    assert!(engine.batches.lock().unwrap().len() <= 5);
}

/// Notes whether a batch had a window as short as that of a short row, and takes its time until then.
struct SlowEngine {
    engine: TestEngine,
    short: usize,
    seen: bool,
}

impl Engine for SlowEngine {
    fn name(&self) -> &str {
        "test"
    }

    fn layout(&self) -> Layout {
        Layout::Ragged
    }

    fn forward(&mut self, batch: &Batch) -> Result<Logits, EngineError> {
        self.seen |= batch.cu_seq_lengths().windows(2).any(|bounds| bounds[1] - bounds[0] <= self.short);
        if !self.seen {
            thread::sleep(Duration::from_millis(1));
        }
        self.engine.forward(batch)
    }
}

#[test]
fn a_short_row_overtakes_a_long_one_where_order_does_not_matter() {
    for (order, expected) in [(Order::Completion, [1, 0]), (Order::Input, [0, 1])] {
        let engine = SlowEngine { engine: TestEngine::default(), short: 16, seen: false };
        let pipeline = Pipeline { engines: vec![Box::new(engine)], order, ..pipeline(TestEngine::default(), 0, 2) };
        // The short row is there long before the thousands of windows of the other are run.
        let rows = [Ok(item(0, 10_000, true)), Ok(item(1, 1, true))].into_iter();
        let (found, ended) = run(pipeline, rows, usize::MAX);
        wait(ended).unwrap();
        assert_eq!(found.lock().unwrap().iter().map(|row| row.0).collect::<Vec<_>>(), expected);
    }
}
