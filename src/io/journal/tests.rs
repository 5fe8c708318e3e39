use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::io::error::{Error, Result};
use crate::io::output_path;
use crate::io::{InputFormat, ReadOptions, WriteOptions, open};
use crate::qa::Answer;

struct Place {
    folder: tempfile::TempDir,
    output: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().canonicalize().unwrap().join("out.csv");
        Self { folder, output }
    }

    fn journal(&self) -> PathBuf {
        output_path::journal(&self.output)
    }

    fn identity(&self, question: &str) -> Identity {
        let input = self.folder.path().join("in.jsonl");
        if !input.exists() {
            std::fs::write(&input, "{}\n").unwrap();
        }
        let read =
            ReadOptions { question: question.to_owned(), format: Some(InputFormat::Jsonl), ..ReadOptions::default() };
        Identity::new(&open(&[input], &read).unwrap(), &read, &WriteOptions::default()).unwrap()
    }

    fn begin(&self, leftover: Leftover) -> Result<(Journal, Option<Replay>)> {
        let claim = Claim::new(&self.output, leftover)?.unwrap();
        let interval = CheckpointInterval { rows: NonZeroU64::new(2).unwrap(), time: Duration::from_secs(3600) };
        claim.begin(self.identity("question"), &self.output, false, interval)
    }

    /// The journal of a run of three rows that broke off.
    fn broken_off(&self, rows: &[Result<Vec<Answer>, RowError>]) {
        let (mut journal, replay) = self.begin(Leftover::Refuse).unwrap();
        assert!(replay.is_none());
        for (digest, row) in (0..).zip(rows) {
            journal.append(digest, row).unwrap();
        }
    }
}

fn answer(text: &str, score: f32) -> Answer {
    Answer { text: text.to_owned(), score, start: 1, end: 5 }
}

#[test]
fn what_was_recorded_comes_back() {
    let place = Place::new();
    let smallest = f32::from_bits(1);
    let rows = [
        Ok(vec![answer("é\"\n", 0.1), answer("", smallest)]),
        Err(RowError::NoTokens),
        Ok(vec![answer("b", f32::from_bits(0x3f19_999b))]),
    ];
    place.broken_off(&rows);
    assert!(
        matches!(place.begin(Leftover::Refuse), Err(Error::Leftover { rows: 3, .. })),
        "an earlier run's answers are not thrown away"
    );
    let (mut journal, replay) = place.begin(Leftover::Resume).unwrap();
    let back: Vec<Recorded> = replay.unwrap().map(Result::unwrap).collect();
    assert_eq!(back.iter().map(|row| row.input).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(back[0].answers, rows[0]);
    assert_eq!(back[1].answers.as_ref().unwrap_err().to_string(), RowError::NoTokens.to_string());
    assert_eq!(back[2].answers, rows[2]);

    journal.append(3, &rows[1]).unwrap();
    assert!(matches!(place.begin(Leftover::Resume), Err(Error::JournalInUse(_))), "two runs at one output");
    drop(journal);
    let (journal, replay) = place.begin(Leftover::Resume).unwrap();
    assert_eq!(replay.unwrap().count(), 4);
    drop(journal);
    let (journal, replay) = place.begin(Leftover::Discard).unwrap();
    assert!(replay.is_none());
    // Without a row there is nothing to keep.
    drop(journal);
    assert!(!place.journal().exists());
}

#[test]
fn another_run_is_refused_with_what_differs() {
    let place = Place::new();
    place.broken_off(&[Err(RowError::NoTokens)]);
    let interval = CheckpointInterval { rows: NonZeroU64::MIN, time: Duration::ZERO };
    let resume = |identity| {
        let claim = Claim::new(&place.output, Leftover::Resume).unwrap().unwrap();
        claim.begin(identity, &place.output, false, interval).map(drop).unwrap_err().to_string()
    };
    let error = resume(place.identity("q"));
    assert!(error.contains("read.question was \"question\", and is \"q\""), "{error}");
    std::fs::write(place.folder.path().join("in.jsonl"), "{ }\n").unwrap();
    let error = resume(place.identity("question"));
    assert!(error.contains("in.jsonl`.bytes was 3, and is 4"), "{error}");
    // It is still there.
    assert!(matches!(place.begin(Leftover::Refuse), Err(Error::Leftover { rows: 1, .. })));
}

#[test]
fn a_run_that_had_answered_nothing_is_none_to_go_on_with() {
    let place = Place::new();
    place.broken_off(&[Err(RowError::NoTokens)]);
    // Down to its first line.
    let journal = std::fs::read_to_string(place.journal()).unwrap();
    std::fs::write(place.journal(), journal.split_inclusive('\n').next().unwrap()).unwrap();
    std::fs::write(place.folder.path().join("in.jsonl"), "{ }\n").unwrap();
    let (journal, replay) = place.begin(Leftover::Resume).unwrap();
    assert!(replay.is_none());
    drop(journal);
    assert!(place.begin(Leftover::Refuse).is_ok());
}

#[test]
fn a_file_that_is_no_journal_stays() {
    let place = Place::new();
    for content in ["mine", "{\"a\": 1}\n", "{\"crc32\":1,\"entry\":{\"other\":1}}\n"] {
        std::fs::write(place.journal(), content).unwrap();
        for leftover in [Leftover::Refuse, Leftover::Resume, Leftover::Discard] {
            assert!(matches!(place.begin(leftover), Err(Error::NotAJournal(_))));
        }
        assert_eq!(std::fs::read_to_string(place.journal()).unwrap(), content);
    }
}

#[test]
fn a_run_that_ended_between_its_output_and_its_journal_is_complete() {
    let place = Place::new();
    std::fs::write(&place.output, "answers").unwrap();
    let (mut journal, _) = place.begin(Leftover::Refuse).unwrap();
    journal.append(0, &Err(RowError::NoTokens)).unwrap();
    let complete = || {
        let claim = Claim::new(&place.output, Leftover::Resume).unwrap().unwrap();
        claim.take_complete().unwrap()
    };
    drop(journal);
    assert_eq!(complete(), None);
    let (mut journal, _) = place.begin(Leftover::Resume).unwrap();
    journal.complete(RowCounts { rows: 1, failed: 1 }).unwrap();
    drop(journal);
    // Another file by the same name.
    let aside = place.output.with_extension("aside");
    std::fs::rename(&place.output, &aside).unwrap();
    assert_eq!(complete(), None);
    std::fs::write(&place.output, "answers").unwrap();
    assert_eq!(complete(), None);
    if cfg!(unix) {
        std::fs::rename(&aside, &place.output).unwrap();
        assert_eq!(complete(), Some(RowCounts { rows: 1, failed: 1 }));
        assert!(!place.journal().exists());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_torn_journal_is_as_long_as_its_whole_lines(
        cut in 0_f64..1.0,
        tail in prop::collection::vec(prop_oneof![Just(0), Just(b'\n'), any::<u8>()], 0..40),
        flip in prop::option::of(0_f64..1.0),
    ) {
        let place = Place::new();
        let rows: Vec<_> = (0..6).map(|row| Ok(vec![answer(&format!("row {row}"), 0.25)])).collect();
        place.broken_off(&rows);
        let mut bytes = std::fs::read(place.journal()).unwrap();
        bytes.truncate((bytes.len() as f64 * cut) as usize + 1);
        if let Some(place) = flip {
            let at = (bytes.len() as f64 * place) as usize;
            bytes[at] ^= 1 << (at % 8);
        }
        bytes.extend(tail);
        std::fs::write(place.journal(), &bytes).unwrap();
        let (mut journal, replay) = match place.begin(Leftover::Resume) {
            Ok(begun) => begun,
            Err(Error::NotAJournal(_)) => return Ok(()),
            Err(error) => panic!("{error}"),
        };
        let left = replay.map_or(Ok(Vec::new()), Iterator::collect::<Result<Vec<_>>>).unwrap();
        for (recorded, row) in left.iter().zip(&rows) {
            prop_assert_eq!(&recorded.answers, row);
        }
        prop_assert!(left.len() <= rows.len());
        for row in &rows[left.len()..] {
            journal.append(9, row).unwrap();
        }
        drop(journal);
        let (_journal, replay) = place.begin(Leftover::Resume).unwrap();
        let whole: Vec<_> = replay.unwrap().map(|row| row.unwrap().answers).collect();
        prop_assert_eq!(whole, rows);
    }
}
