//! Devices that fail, and devices without enough memory.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bertqa::engine::{Engine, EngineError, Layout, Shape};
use bertqa::pipeline::Item;
use proptest::prelude::*;

use crate::support::*;

fn out_of_memory() -> EngineError {
    EngineError::OutOfMemory("CUDA says no".into())
}

fn fixed(batch: usize, exact: bool) -> Layout {
    let of = |count| NonZeroUsize::new(count).unwrap();
    Layout::Fixed(Shape { batch: of(batch), seq_len: of(64), packed: true, exact })
}

/// An engine that runs so many batches.
fn mortal(name: &str, layout: Layout, batches: usize) -> Box<dyn Engine> {
    let mut left = batches;
    Scripted::boxed(name, layout, move |_| {
        left = left.checked_sub(1).ok_or_else(lost)?;
        // Others get their share.
        thread::yield_now();
        Ok(())
    })
}

fn layout() -> impl Strategy<Value = Layout> {
    prop_oneof![Just(Layout::Ragged), (1usize..4, any::<bool>()).prop_map(|(batch, exact)| fixed(batch, exact))]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn no_row_is_lost_while_an_engine_is_left(
        rows in 0usize..80,
        lives in proptest::collection::vec(0usize..12, 0..4),
        layout in layout(),
    ) {
        let mut engines = vec![mortal("immortal", layout, usize::MAX)];
        engines.extend(lives.iter().map(|batches| mortal("mortal", layout, *batches)));
        let pipeline = pipeline_of(engines, 3);
        let stats = pipeline.stats.clone();
        prop_assert_eq!(answers(pipeline, mixed(rows)).unwrap(), expected(mixed(rows)));
        // What failed is not counted.
        let calm = pipeline_of(vec![mortal("calm", layout, usize::MAX)], 3);
        let calm_stats = calm.stats.clone();
        answers(calm, mixed(rows)).unwrap();
        prop_assert_eq!(stats.tokens.get(), calm_stats.tokens.get());
    }

    #[test]
    fn a_run_ends_with_its_last_engine(lives in proptest::collection::vec(0usize..6, 1..4), layout in layout()) {
        let engines = lives.iter().map(|batches| mortal("mortal", layout, *batches)).collect();
        let error = answers(pipeline_of(engines, 3), endless()).unwrap_err();
        prop_assert_eq!(format!("{error:#}"), "mortal: the device failed: the cable is cut");
    }
}

#[test]
fn the_error_of_the_last_engine_is_reported() {
    let first_is_gone = Arc::new(AtomicBool::new(false));
    struct Goes(Arc<AtomicBool>);
    impl Drop for Goes {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let goes = Goes(first_is_gone.clone());
    let first = Scripted::boxed("first", Layout::Ragged, move |_| {
        let _ = &goes;
        Err(lost())
    });
    let last = Scripted::boxed("last", Layout::Ragged, move |_| {
        while !first_is_gone.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        Err(lost())
    });
    let error = answers(pipeline_of(vec![last, first], 1), endless()).unwrap_err();
    assert_eq!(format!("{error:#}"), "last: the device failed: the cable is cut");
}

#[test]
fn an_idle_engine_takes_over_the_last_batch() {
    for _ in 0..50 {
        let calls = Arc::new(AtomicUsize::new(0));
        let engines = ["a", "b", "c"].map(|name| {
            let calls = calls.clone();
            Scripted::boxed(name, Layout::Ragged, move |_| {
                // Whoever is first has the only batch, and the input has ended when it fails.
                if calls.fetch_add(1, Ordering::SeqCst) < 2 {
                    thread::sleep(Duration::from_millis(5));
                    return Err(lost());
                }
                Ok(())
            })
        });
        let found = answers(pipeline_of(engines.into_iter().collect(), 4), mixed(1)).unwrap();
        assert_eq!(found, expected(mixed(1)));
        assert_eq!(calls.load(Ordering::SeqCst), 3);
    }
}

#[test]
fn a_batch_that_is_wrong_ends_the_run_whatever_engines_are_left() {
    let engines = (0..3)
        .map(|_| Scripted::boxed("strict", Layout::Ragged, |_| Err(EngineError::TokenId { id: 9, vocab_size: 8 })));
    let error = answers(pipeline_of(engines.collect(), 4), endless()).unwrap_err();
    assert!(error.to_string().contains("token id 9"), "{error}");
}

#[test]
fn a_lost_engine_comes_back_while_there_are_rows() {
    let is_back = Arc::new(AtomicBool::new(false));
    let again = is_back.clone();
    let engines = vec![
        Scripted::lost("lost", move || {
            let again = again.clone();
            Ok(Scripted::boxed("back", Layout::Ragged, move |_| {
                again.store(true, Ordering::SeqCst);
                Ok(())
            }))
        }),
        mortal("immortal", Layout::Ragged, usize::MAX),
    ];
    let rows = Arc::new(AtomicUsize::new(0));
    let given = rows.clone();
    let source = endless().take_while(move |_| {
        given.fetch_add(1, Ordering::SeqCst);
        !is_back.load(Ordering::SeqCst)
    });
    let found = answers(pipeline_of(engines, 3), source).unwrap();
    assert_eq!(found, expected(endless().take(rows.load(Ordering::SeqCst) - 1)));
}

#[test]
fn who_waits_to_come_back_does_not_hold_up_the_end() {
    let gone = || Scripted::lost("gone", || Err("the device is gone".into()));
    let engines = vec![gone(), mortal("immortal", Layout::Ragged, usize::MAX)];
    assert_eq!(answers(pipeline_of(engines, 3), mixed(60)).unwrap(), expected(mixed(60)));
    let error = answers(pipeline_of(vec![gone(), mortal("mortal", Layout::Ragged, 9)], 3), endless()).unwrap_err();
    assert!(format!("{error:#}").ends_with(": the device failed: the cable is cut"), "{error:#}");
}

/// An engine with memory for so many slots, and the slots of the batches that it was given.
fn small(layout: Layout, memory: usize) -> (Box<dyn Engine>, Arc<Mutex<Vec<usize>>>) {
    let tried = Arc::<Mutex<Vec<usize>>>::default();
    let noted = tried.clone();
    let engine = Scripted::boxed("small", layout, move |batch| {
        let slots = layout.slots(batch);
        noted.lock().unwrap().push(slots);
        if slots > memory { Err(out_of_memory()) } else { Ok(()) }
    });
    (engine, tried)
}

/// Rows that fill whole batches, each by itself.
fn long() -> impl Iterator<Item = anyhow::Result<Item<Number>>> + Send + 'static {
    (0..4).map(|number| Ok(item(number, 300 + 10 * number, true)))
}

#[test]
fn batches_are_halved_until_there_is_memory() {
    for layout in [Layout::Ragged, fixed(16, false)] {
        // A row of the shape, or two of the longest windows.
        let memory = 64;
        let (engine, tried) = small(layout, memory);
        assert_eq!(answers(pipeline_of(vec![engine], 16), long()).unwrap(), expected(long()));
        // What was too much is not tried again.
        let tried = tried.lock().unwrap();
        let too_much: Vec<_> = tried.iter().filter(|slots| **slots > memory).collect();
        assert!(too_much.is_sorted_by(|one, next| one > next), "{too_much:?}");
        assert!(!too_much.is_empty());
    }
}

#[test]
fn a_device_without_memory_for_the_least_is_lost() {
    // One of an exact shape takes the same memory however few rows it has.
    for (layout, memory) in [(Layout::Ragged, 8), (fixed(4, false), 63), (fixed(4, true), 255)] {
        let (engine, _) = small(layout, memory);
        let error = answers(pipeline_of(vec![engine], 4), endless()).unwrap_err();
        assert_eq!(format!("{error:#}"), "small: the device has not enough memory: CUDA says no");

        let engines = vec![small(layout, memory).0, mortal("large", layout, usize::MAX)];
        assert_eq!(answers(pipeline_of(engines, 4), mixed(60)).unwrap(), expected(mixed(60)));
    }
    let (engine, tried) = small(fixed(4, true), 255);
    assert!(answers(pipeline_of(vec![engine], 4), endless()).is_err());
    assert_eq!(*tried.lock().unwrap(), [256]);
}

#[test]
fn all_that_is_left_of_a_halved_batch_goes_to_another_engine() {
    let runs = Arc::<Mutex<Vec<usize>>>::default();
    let (noted, mut calls) = (runs.clone(), 0);
    let (gone_in, gone) = std::sync::mpsc::channel::<()>();
    let failing = Scripted::boxed("failing", Layout::Ragged, move |batch| {
        let _open_while_it_lives = &gone_in;
        calls += 1;
        match batch.windows() {
            1 if calls > 4 => Err(lost()),
            1 => {
                noted.lock().unwrap().push(1);
                Ok(())
            }
            _ => Err(out_of_memory()),
        }
    });
    let noted = runs.clone();
    let other = Scripted::boxed("other", Layout::Ragged, move |batch| {
        // Nothing is sent: this waits until the failing engine is gone.
        let _ = gone.recv();
        noted.lock().unwrap().push(batch.windows());
        Ok(())
    });
    let pipeline = pipeline_of(vec![failing, other], 8);
    let stats = pipeline.stats.clone();
    assert_eq!(answers(pipeline, long()).unwrap(), expected(long()));
    assert_eq!(runs.lock().unwrap().iter().sum::<usize>() as u64, stats.windows.get());
}
