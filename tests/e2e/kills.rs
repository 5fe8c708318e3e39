//! Runs that are killed at any moment, and go on: what comes out is what an unbroken run writes, byte for byte.
//!
//! BERTQA_KILLS says how often (`just kills 1000`).

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::tiny_model;

const OUTPUTS: [&str; 9] = [
    "out.jsonl",
    "out.csv",
    "out.tsv",
    "out.jsonl.gz",
    "out.jsonl.zst",
    "out.csv.zst",
    "out.parquet",
    "out.arrow",
    "out.arrows",
];
/// Each goes to each of the outputs.
const INPUTS: [&str; 2] = ["in.jsonl", "in.parquet"];
const ROWS: usize = 800;

fn run(folder: &Path, input: &str, output: &Path, options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bertqa"));
    command.args(["run", input, "--quiet", "--model"]).arg(tiny_model()).arg("-o").arg(output).args(options);
    command.current_dir(folder).env("BERTQA_THREADS", "1").stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(Stdio::piped());
    command
}

/// Rows of many lengths, of which some fail.
fn rows() -> String {
    let row = |id: usize| {
        let question = if id % 97 == 5 { "" } else { "Who won the race?" };
        let context = format!("Ann won race {id}. ").repeat(1 + id % 7);
        json!({"id": id, "question": question, "context": context, "kind": format!("k{}", id % 3)}).to_string() + "\n"
    };
    (0..ROWS).map(row).collect()
}

#[track_caller]
fn ended(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // Some rows fail.
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

#[test]
fn a_run_that_is_killed_goes_on_to_the_same_bytes() {
    let kills: usize = std::env::var("BERTQA_KILLS").map_or(30, |kills| kills.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("in.jsonl"), rows()).unwrap();
    let whole = |input: &str, output: &str| {
        let began = Instant::now();
        let path = at("whole").join(input).join(output);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        ended(run(folder.path(), input, &path, &["--no-checkpoints"]).spawn().unwrap());
        (path, began.elapsed())
    };
    ended(run(folder.path(), "in.jsonl", &at("in.parquet"), &["--prefix", "old_"]).spawn().unwrap());

    let mut random = fastrand::Rng::with_seed(7);
    let mut wholes = BTreeMap::new();
    // By output: kills, those that found the run at work, and rows that did not have to be answered again.
    let mut counts: BTreeMap<&str, (usize, usize, u64)> = BTreeMap::new();
    let mut done = 0;
    'kills: for round in 0.. {
        let (input, output) = (INPUTS[round / OUTPUTS.len() % INPUTS.len()], OUTPUTS[round % OUTPUTS.len()]);
        let (expected, takes) = wholes.entry((input, output)).or_insert_with(|| whole(input, output)).clone();
        let place = at(&format!("round-{round}"));
        std::fs::create_dir(&place).unwrap();
        let path = place.join(output);
        let step = ["1", "7", "100"][random.usize(..3)];
        let options = ["--resume", "--checkpoint-rows", step];
        // A run that is killed again and again gets on all the same.
        for _ in 0..=random.usize(..2) {
            let mut child = run(folder.path(), input, &path, &options).spawn().unwrap();
            std::thread::sleep(Duration::from_secs_f64(random.f64() * takes.as_secs_f64()));
            let at_work = child.try_wait().unwrap().is_none();
            child.kill().unwrap();
            child.wait().unwrap();
            done += 1;
            let count = counts.entry(output).or_default();
            (count.0, count.1) = (count.0 + 1, count.1 + usize::from(at_work));
            if path.exists() {
                break;
            }
        }
        let journal = std::fs::read_to_string(place.join(format!("{output}.journal"))).unwrap_or_default();
        counts.entry(output).or_default().2 += journal.matches("{\"row\":").count() as u64;
        // One that was complete when the kill came has no journal any more.
        if !path.exists() || !journal.is_empty() {
            ended(run(folder.path(), input, &path, &options).spawn().unwrap());
        }
        assert!(std::fs::read(&path).unwrap() == std::fs::read(&expected).unwrap(), "{input} to {output}: other bytes");
        let left: Vec<_> = std::fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, [output], "{input} to {output}");
        std::fs::remove_dir_all(place).unwrap();
        if done >= kills {
            break 'kills;
        }
    }
    for (output, (kills, at_work, rows)) in &counts {
        println!("{output}: {kills} kills, {at_work} of them at work, {rows} rows not answered again; bytes equal");
    }
    // Of so many kills, some come in the middle.
    assert!(counts.values().any(|(_, _, rows)| *rows > 0));
}
