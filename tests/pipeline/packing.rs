//! Batches of fixed shapes.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bertqa::batch::Batch;
use bertqa::engine::{Engine, Layout, Shape};
use bertqa::io::{self, ReadOptions};
use bertqa::model::LoadOptions;
use bertqa::pipeline::{Item, Order, Pipeline, Stats};
use bertqa::qa::Options;
use proptest::prelude::*;

use crate::support::*;

fn shape(batch: usize, seq_len: usize, packed: bool, exact: bool) -> Shape {
    Shape { batch: NonZeroUsize::new(batch).unwrap(), seq_len: NonZeroUsize::new(seq_len).unwrap(), packed, exact }
}

/// An engine that notes its batches.
fn noting(layout: Layout, batches: &Arc<Mutex<Vec<Batch>>>) -> Box<dyn Engine> {
    let batches = batches.clone();
    Scripted::boxed("noting", layout, move |batch| {
        batches.lock().unwrap().push(batch.clone());
        Ok(())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn fixed_shapes_give_the_answers_of_ragged_ones(
        rows in proptest::collection::vec((0usize..12, proptest::bool::weighted(0.9)), 0..120),
        engines in 1usize..4,
        (batch, seq_len) in (1usize..5, 32usize..130),
        (packed, exact) in any::<(bool, bool)>(),
    ) {
        let source = || {
            let rows = rows.clone().into_iter().enumerate();
            rows.map(|(number, (words, good))| Ok(item(number, words, good)))
        };
        let shape = shape(batch, seq_len, packed, exact);
        let batches = Arc::default();
        // Ragged engines' batch size says nothing here.
        let pipeline = pipeline_of((0..engines).map(|_| noting(Layout::Fixed(shape), &batches)).collect(), 1);
        let stats = pipeline.stats.clone();
        prop_assert_eq!(answers(pipeline, source()).unwrap(), expected(source()));

        let batches = batches.lock().unwrap();
        let sum = |count: fn(&Batch) -> usize| batches.iter().map(count).sum::<usize>() as u64;
        prop_assert_eq!(sum(Batch::windows), stats.windows.get());
        prop_assert_eq!(sum(Batch::tokens), stats.tokens.get());
        let computed = if exact { (batch * batches.len()) as u64 } else { sum(|batch| batch.rows().len()) };
        prop_assert_eq!(stats.slots.get(), computed * seq_len as u64);
        for found in &*batches {
            prop_assert!((1..=batch).contains(&found.rows().len()));
            for row in found.rows() {
                prop_assert!(row.len() == 1 || (packed && !row.is_empty()));
                let bounds = found.cu_seq_lengths();
                prop_assert!(bounds[row.end] - bounds[row.start] <= seq_len);
            }
        }
    }
}

#[test]
fn a_row_alone_does_not_wait_for_company() {
    for packed in [false, true] {
        let engine = noting(Layout::Fixed(shape(8, 512, packed, true)), &Arc::default());
        let (rows, ended) = run(pipeline_of(vec![engine], 1), waits_after(1), usize::MAX);
        while rows.lock().unwrap().is_empty() {
            assert!(
                ended
                    .recv_timeout(Duration::from_millis(1))
                    .is_err_and(|error| error == std::sync::mpsc::RecvTimeoutError::Timeout)
            );
        }
    }
}

#[test]
fn a_row_of_many_windows_does_not_hold_up_others() {
    let stats = Arc::<Stats>::default();
    let (seen, mut short_is_seen) = (stats.clone(), false);
    let engine = Scripted::boxed("slow", Layout::Fixed(shape(2, 64, true, true)), move |batch| {
        // The short row is there long before the thousands of windows of the other are run.
        while seen.taken.get() < 2 {
            thread::yield_now();
        }
        short_is_seen |= batch.cu_seq_lengths().windows(2).any(|bounds| bounds[1] - bounds[0] <= 16);
        if !short_is_seen {
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    });
    let pipeline = Pipeline { order: Order::Completion, stats, ..pipeline_of(vec![engine], 1) };
    let rows = [(0, 10_000), (1, 1)].map(|(number, words)| Ok(item(number, words, true)));
    let found = answers(pipeline, rows.into_iter()).unwrap();
    assert_eq!(found.iter().map(|row| row.0).collect::<Vec<_>>(), [1, 0]);
}

#[test]
fn engines_of_several_layouts_are_refused() {
    let engines =
        vec![noting(Layout::Ragged, &Arc::default()), noting(Layout::Fixed(shape(1, 64, true, true)), &Arc::default())];
    let error = answers(pipeline_of(engines, 1), mixed(3)).unwrap_err();
    assert!(error.to_string().contains("several layouts"), "{error}");
    assert!(answers(pipeline_of(Vec::new(), 1), mixed(3)).is_err());
}

#[test]
fn a_window_that_is_longer_than_the_shape_ends_the_run() {
    let engine = noting(Layout::Fixed(shape(2, 16, true, true)), &Arc::default());
    let error = answers(pipeline_of(vec![engine], 1), mixed(9)).unwrap_err();
    assert!(error.to_string().contains("more than the 16 that the model was compiled for"), "{error}");
}

/// How full batches get with the rows of a file, where the engine is what takes time:
/// `BERTQA_ROWS=rows.jsonl BERTQA_SHAPE=8 cargo test --release --test pipeline fill -- --ignored --nocapture`
#[test]
#[ignore = "needs a file of rows"]
fn fill_of_a_file() {
    let rows = std::env::var("BERTQA_ROWS").expect("BERTQA_ROWS names a file of rows");
    let batch = std::env::var("BERTQA_SHAPE").map_or(8, |batch| batch.parse().unwrap());
    let encoder = LoadOptions::default().load().unwrap().encoder;
    let engine = Scripted::boxed("slow", Layout::Fixed(shape(batch, 512, true, true)), move |_| {
        thread::sleep(Duration::from_millis(5 * batch as u64));
        Ok(())
    });
    let pipeline = Pipeline { encoder: Arc::new(encoder), ..pipeline_of(vec![engine], 1) };
    let stats = pipeline.stats.clone();
    let options = Arc::new(Options::default());
    let source = io::open(&[rows], &ReadOptions::default()).unwrap().rows().enumerate().map(move |(number, row)| {
        let example = row?.example;
        Ok(Item { example, options: options.clone(), ..item(number, 1, true) })
    });
    answers(pipeline, source).unwrap();
    let fill = stats.tokens.get() as f64 / stats.slots.get() as f64;
    println!(
        "{} windows, {} tokens in {} batches of [{batch}, 512]: {:.2} % full, packed in {:.3} s",
        stats.windows.get(),
        stats.tokens.get(),
        stats.batches.get(),
        100.0 * fill,
        stats.busy.pack.get().as_secs_f64(),
    );
    assert!(fill >= 0.9);
}
