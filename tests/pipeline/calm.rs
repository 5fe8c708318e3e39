use proptest::prelude::*;

use crate::support::*;

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
