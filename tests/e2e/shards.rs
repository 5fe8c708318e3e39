//! Parts of the inputs, as the tasks of a job answer them.

use std::fmt::Write as _;
use std::path::Path;

use crate::support::{assert_hint, ends, file_rows, project, stderr, tiny};

/// Of 60 rows in two files of JSON Lines and one of CSV.
fn inputs(folder: &Path) {
    std::fs::create_dir(folder.join("in")).unwrap();
    for (name, ids) in [("a.jsonl", 0..20), ("b.jsonl", 20..50)] {
        let mut text = String::new();
        for id in ids {
            let context = "Ada did it. ".repeat(1 + id % 5);
            writeln!(text, "{{\"id\": {id}, \"question\": \"Who did {id}?\", \"context\": \"{context}\"}}").unwrap();
        }
        std::fs::write(folder.join("in").join(name), text).unwrap();
    }
    let rows: String = (50..60).map(|id| format!("{id},Who did {id}?,Bob did it.\n")).collect();
    std::fs::write(folder.join("in/c.csv"), format!("id,question,context\n{rows}")).unwrap();
}

fn part(folder: &Path, shard: &str, output: &str) -> assert_cmd::Command {
    let mut command = tiny("run");
    command.current_dir(folder).args(["in", "-o", output, "--precision", "f32", "--shard", shard]);
    command
}

#[test]
fn parts_in_order_are_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    inputs(folder.path());
    let mut whole = tiny("run");
    whole.current_dir(folder.path()).args(["in", "-o", "whole.jsonl", "--precision", "f32", "--quiet"]);
    ends(whole, 0);
    for shard in ["2/4", "0/4", "3/4", "1/4"] {
        ends(part(folder.path(), shard, "out.jsonl"), 0);
    }
    let mut names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("out"))
        .collect();
    names.sort();
    assert_eq!(names, (0..4).map(|index| format!("out-0000{index}-of-00004.jsonl")).collect::<Vec<_>>());
    let parts: Vec<Vec<u8>> = names.iter().map(|name| std::fs::read(folder.path().join(name)).unwrap()).collect();
    assert!(parts.iter().all(|part| !part.is_empty()));
    assert_eq!(parts.concat(), std::fs::read(folder.path().join("whole.jsonl")).unwrap());
}

#[test]
fn a_part_that_is_there_is_left_as_it_is_unless_another_run_wrote_it() {
    let folder = tempfile::tempdir().unwrap();
    inputs(folder.path());
    let path = folder.path().join("out-00001-of-00003.parquet");
    ends(part(folder.path(), "1/3", "out.parquet"), 0);
    let first = std::fs::metadata(&path).unwrap().modified().unwrap();
    // With and without what a job's tasks say in case that they are run again.
    for again in [&[][..], &["--resume"]] {
        let mut command = part(folder.path(), "1/3", "out.parquet");
        command.args(again);
        assert!(stderr(&ends(command, 0)).contains("out-00001-of-00003.parquet was complete already"));
    }
    assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), first);

    let mut other = part(folder.path(), "1/3", "out.parquet");
    other.args(["--top-k", "2"]);
    assert_hint(other, "another run wrote it: ", "--force");
    std::fs::write(folder.path().join("in/a.jsonl"), "").unwrap();
    assert_hint(part(folder.path(), "1/3", "out.parquet"), "another run wrote it: ", "--force");
    let mut other = part(folder.path(), "1/3", "out.parquet");
    other.args(["--top-k", "2", "--force"]);
    ends(other, 0);
    assert_ne!(std::fs::metadata(&path).unwrap().modified().unwrap(), first);
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "inputs, part and manifest: {left:?}");
}

#[test]
fn the_part_of_a_task_is_found() {
    let folder = tempfile::tempdir().unwrap();
    inputs(folder.path());
    let mut command = part(folder.path(), "auto", "out.jsonl");
    command.env("JOB_COMPLETION_INDEX", "2").env("BERTQA_SHARDS", "3");
    ends(command, 0);
    let rows = file_rows(folder.path().join("out-00002-of-00003.jsonl"));
    assert_eq!(rows.last().unwrap()["id"], "59");

    let said = stderr(&ends(part(folder.path(), "auto", "out.jsonl"), 2)).to_owned();
    assert!(said.contains("AWS_BATCH_JOB_ARRAY_INDEX and AWS_BATCH_JOB_ARRAY_SIZE"), "{said}");
    let said = stderr(&ends(part(folder.path(), "3/3", "out.jsonl"), 2)).to_owned();
    assert!(said.contains("there is no shard 3 of 3: the first is 0/3"), "{said}");
}

#[test]
fn parts_of_different_precisions_are_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = tiny("run");
    command.current_dir(folder.path()).arg(project("samples/questions.jsonl"));
    command.args(["-o", "out.jsonl", "--limit", "1"]);
    assert!(!stderr(&ends(command, 0)).contains("--precision auto may differ"));
    let mut command = tiny("run");
    command.current_dir(folder.path()).arg(project("samples/questions.jsonl"));
    command.args(["-o", "out.jsonl", "--shard", "34/35"]);
    assert!(stderr(&ends(command, 0)).contains("--precision auto may differ"));
}
