//! `bertqa stdin` in a pipe whose ends stay open.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::tiny_model;

const ROW: &str = "{\"id\":1,\"question\":\"Who?\",\"context\":\"Ada did.\"}\n";

fn start(command: &str, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_bertqa"))
        .arg(command)
        .args(arguments)
        .arg("--model")
        .arg(tiny_model())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for the end, for so long that only a hang takes longer.
#[track_caller]
fn ends(child: &mut Child) -> i32 {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code().unwrap();
        }
        if began.elapsed() > Duration::from_secs(120) {
            child.kill().unwrap();
            panic!("it hangs");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn interrupt(child: &Child) {
    let status = Command::new("sh").args(["-c", &format!("kill -TERM {}", child.id())]).status().unwrap();
    assert!(status.success());
}

#[test]
fn a_row_that_arrives_alone_is_answered_at_once() {
    let mut child = start("stdin", &[]);
    let mut stdin = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..3 {
        stdin.write_all(ROW.as_bytes()).unwrap();
        // This waits for ever if the row waits for others, or its answer in a buffer.
        let answer = answers.next().unwrap().unwrap();
        assert!(answer.contains("\"answer\":"), "{answer}");
    }
    drop(stdin);
    assert!(answers.next().is_none());
    assert_eq!(ends(&mut child), 0);
}

#[test]
fn a_closed_output_ends_it_quietly() {
    let mut child = start("stdin", &["--quiet"]);
    let mut stdin = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap());
    stdin.write_all(ROW.as_bytes()).unwrap();
    answers.read_line(&mut String::new()).unwrap();
    drop(answers);
    // The input stays open: it must not be waited for.
    stdin.write_all(ROW.as_bytes()).unwrap();
    assert_eq!(ends(&mut child), 0);
    let mut message = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut message).unwrap();
    assert_eq!(message, "");
}

#[test]
fn an_interrupt_finishes_what_was_read() {
    let mut child = start("stdin", &[]);
    let mut stdin = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    stdin.write_all(ROW.as_bytes()).unwrap();
    assert!(answers.next().is_some());
    interrupt(&child);
    assert!(answers.next().is_none());
    assert_eq!(ends(&mut child), 130);
}

#[test]
fn an_interrupted_run_keeps_its_rows_under_another_name() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.jsonl");
    let mut child = start("run", &["-", "-o", out.to_str().unwrap(), "--log-format", "json"]);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(ROW.repeat(50).as_bytes()).unwrap();
    // Where nothing is answered yet, there is nothing to keep.
    let journal = folder.path().join("out.jsonl.journal");
    let began = Instant::now();
    while !std::fs::read_to_string(&journal).is_ok_and(|journal| journal.contains("\"row\"")) {
        assert!(began.elapsed() < Duration::from_secs(60), "no row is answered");
        std::thread::sleep(Duration::from_millis(10));
    }
    interrupt(&child);
    assert_eq!(ends(&mut child), 130);
    assert!(!out.exists());
    let kept = std::fs::read_to_string(folder.path().join("out.jsonl.partial")).unwrap();
    let said: Vec<_> = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap).collect();
    let summary: serde_json::Value = serde_json::from_str(said.last().unwrap()).unwrap();
    assert_eq!(summary["rows"], kept.lines().count());
    assert!(said.iter().any(|line| line.contains("out.jsonl.partial")), "{said:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn weights_that_are_cut_short_in_use_are_an_error() {
    let model = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors", "tokenizer.json"] {
        std::fs::copy(tiny_model().join(file), model.path().join(file)).unwrap();
    }
    let mut child = Command::new(env!("CARGO_BIN_EXE_bertqa"))
        .args(["stdin", "--precision", "f32", "--model"])
        .arg(model.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    stdin.write_all(ROW.as_bytes()).unwrap();
    assert!(answers.next().unwrap().unwrap().contains("\"answer\":"));
    std::fs::write(model.path().join("model.safetensors"), "").unwrap();
    stdin.write_all(ROW.as_bytes()).unwrap();
    assert_eq!(ends(&mut child), 2);
    let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    assert!(said.contains("a file of the model was cut short"), "{said}");
}
