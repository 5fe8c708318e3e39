use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use bertqa::batch::Batch;
use bertqa::engine::{Engine, EngineError, Layout, Logits};
use bertqa::pipeline::{Item, Order, Pipeline};

use crate::support::*;

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
        item.tag.1.store(number % 3 == 0, Ordering::Relaxed);
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
    let trouble = Some((3, Trouble::GiveUp(long.tag.1.clone())));
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
        let pipeline = Pipeline { order, ..pipeline_of(vec![Box::new(engine)], 2) };
        // The short row is there long before the thousands of windows of the other are run.
        let rows = [Ok(item(0, 10_000, true)), Ok(item(1, 1, true))].into_iter();
        let (found, ended) = run(pipeline, rows, usize::MAX);
        wait(ended).unwrap();
        assert_eq!(found.lock().unwrap().iter().map(|row| row.0).collect::<Vec<_>>(), expected);
    }
}
