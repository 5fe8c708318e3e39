use std::num::NonZeroUsize;

use proptest::prelude::*;

use super::*;

fn shape(batch: usize, seq_len: usize, exact: bool) -> Shape {
    let of = |count| NonZeroUsize::new(count).unwrap();
    Shape { batch: of(batch), seq_len: of(seq_len), packed: true, exact }
}

/// Ids that say where they come from: `[row, window of the row, token of the window]`, as digits.
fn batch(rows: &[Vec<usize>]) -> Batch {
    let mut batch = Batch::default();
    for (row, lengths) in rows.iter().enumerate() {
        for (window, length) in lengths.iter().enumerate() {
            let ids: Vec<u32> = (0..*length).map(|token| ((row * 100 + window) * 100 + token + 1) as u32).collect();
            let types: Vec<u32> = ids.iter().map(|id| id % 2).collect();
            if window == 0 { batch.push(&ids, &types) } else { batch.push_beside(&ids, &types) }
        }
    }
    batch
}

fn rows() -> impl Strategy<Value = Vec<Vec<usize>>> {
    proptest::collection::vec(proptest::collection::vec(1usize..20, 1..5), 0..6)
}

proptest! {
    #[test]
    fn windows_are_laid_out_and_found_again(rows in rows(), exact: bool, spare in 0usize..3) {
        let batch = batch(&rows);
        let shape = shape(rows.len() + 1, 80 + spare, exact);
        let padded = Padded::new(&batch, shape).unwrap();
        let [found_rows, seq_len] = padded.shape();
        prop_assert_eq!((found_rows, seq_len), (rows.len() + usize::from(exact), 80 + spare));

        let (ids, mask, types) = (padded.input_ids(7), padded.attention_mask(), padded.token_type_ids());
        let (positions, sequences) = (padded.position_ids(), padded.sequence_ids());
        for (row, lengths) in rows.iter().cloned().chain([vec![]]).take(found_rows).enumerate() {
            let mut slot = row * seq_len;
            for (window, length) in lengths.iter().enumerate() {
                for token in 0..*length {
                    let id = ((row * 100 + window) * 100 + token + 1) as i64;
                    let found = (ids[slot], mask[slot], types[slot], positions[slot], sequences[slot]);
                    prop_assert_eq!(found, (id, 1, id % 2, token as i64, window as i64 + 1));
                    slot += 1;
                }
            }
            for padding in slot..(row + 1) * seq_len {
                let found = (ids[padding], mask[padding], types[padding], positions[padding], sequences[padding]);
                prop_assert_eq!(found, (7, 0, 0, 0, 0));
            }
        }

        let tensor: Vec<f32> = ids.iter().map(|id| *id as f32).collect();
        let tokens: Vec<f32> = batch.input_ids().iter().map(|id| *id as f32).collect();
        prop_assert_eq!(padded.gather(&tensor), Some(tokens));
        prop_assert_eq!(padded.gather(&vec![0.0; tensor.len() + 1]), None);
    }

    #[test]
    fn a_batch_is_split_between_rows(rows in rows(), at in 0usize..6) {
        let at = at.min(rows.len());
        let mut first = batch(&rows);
        let second = first.split_off(at);
        prop_assert_eq!(&first, &batch(&rows[..at]));
        prop_assert_eq!(second.rows().len(), rows.len() - at);
        // The ids are the place in the whole batch.
        let whole = batch(&rows);
        prop_assert_eq!([first.input_ids(), second.input_ids()].concat(), whole.input_ids());
        prop_assert_eq!([first.token_type_ids(), second.token_type_ids()].concat(), whole.token_type_ids());
        let lengths: Vec<_> = second.cu_seq_lengths().windows(2).map(|ends| ends[1] - ends[0]).collect();
        prop_assert_eq!(lengths, rows[at..].concat());
        let counts: Vec<_> = second.rows().map(|row| row.len()).collect();
        prop_assert_eq!(counts, rows[at..].iter().map(Vec::len).collect::<Vec<_>>());
    }

    #[test]
    fn every_window_is_taken_once(
        lengths in proptest::collection::vec(1usize..60, 0..60),
        rooms in proptest::collection::vec(proptest::option::of(0usize..70), 0..90),
    ) {
        let mut waiting = WindowQueue::default();
        let mut left: Vec<(usize, usize)> = Vec::new();
        for (window, tokens) in lengths.into_iter().enumerate() {
            waiting.push(tokens, window);
            left.push((tokens, window));
        }
        for room in rooms {
            let (found, expected) = match room {
                None => (waiting.oldest(), left.first().copied()),
                Some(room) => {
                    let fitting = left.iter().filter(|(tokens, _)| *tokens <= room);
                    let best = fitting.max_by_key(|(tokens, window)| (*tokens, std::cmp::Reverse(*window)));
                    (waiting.longest(room), best.copied())
                }
            };
            prop_assert_eq!(found, expected.map(|(_, window)| window));
            left.retain(|window| Some(*window) != expected);
            prop_assert_eq!((waiting.len(), waiting.is_empty()), (left.len(), left.is_empty()));
        }
    }
}

#[test]
fn what_does_not_fit_is_an_error() {
    let batch = batch(&[vec![9, 9], vec![5]]);
    let error = |shape| Padded::new(&batch, shape).map(|_| ()).unwrap_err();
    assert_eq!(error(shape(1, 18, false)), ShapeError::Rows { rows: 2, max: 1 });
    assert_eq!(error(shape(2, 17, false)), ShapeError::Tokens { tokens: 18, max: 17 });
    assert_eq!(error(Shape { packed: false, ..shape(2, 18, false) }), ShapeError::Windows { windows: 2 });
    assert!(Padded::new(&batch, shape(2, 18, false)).is_ok());
}

/// Rows of the shape begin with what has waited longest and go on with what fits best: with a choice of 64 windows,
/// hardly anything is left empty.
#[test]
fn rows_are_filled_well() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut waiting = WindowQueue::default();
    let (mut tokens, rows, seq_len) = (0, 1000, 512);
    for _ in 0..rows {
        let mut room = seq_len;
        let mut choose: fn(&mut WindowQueue<usize>, usize) -> Option<usize> = |waiting, _| waiting.oldest();
        loop {
            while waiting.len() < 64 {
                let length = random.usize(60..320);
                waiting.push(length, length);
            }
            let Some(length) = choose(&mut waiting, room) else { break };
            room -= length;
            choose = WindowQueue::longest;
        }
        tokens += seq_len - room;
    }
    let fill = tokens as f64 / (rows * seq_len) as f64;
    assert!(fill > 0.95, "{fill}");
}
