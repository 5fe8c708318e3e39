use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;

/// A file of the project.
pub(crate) fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A model that is small enough to be loaded in every test.
pub(crate) fn tiny_model() -> PathBuf {
    project("tests/fixtures/families/xlm-roberta")
}

pub(crate) fn bertqa() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bertqa"));
    command.env("BERTQA_THREADS", "2").env_remove("BERTQA_MODEL");
    command
}

/// `bertqa` with the tiny model.
pub(crate) fn tiny(command: &str) -> Command {
    let mut bertqa = bertqa();
    bertqa.arg(command).arg("--model").arg(tiny_model());
    bertqa
}

/// Runs a command that must end with this status.
#[track_caller]
pub(crate) fn ends(mut command: Command, status: i32) -> Output {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(status), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

#[track_caller]
pub(crate) fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// Runs `stdin`, which must end with an error that has `message` and names no flag, and a hint that has `hint`.
#[track_caller]
pub(crate) fn assert_hint(mut command: Command, message: &str, hint: &str) {
    command.write_stdin("{\"question\":\"Who?\",\"context\":\"Ada did.\"}\n");
    let output = ends(command, 2);
    let said = stderr(&output);
    let line = |start| said.lines().find_map(|line: &str| line.strip_prefix(start)).unwrap_or_default();
    let (error, advice) = (line("bertqa: "), line("hint: "));
    assert!(error.contains(message) && !error.contains("--"), "{message}: {said}");
    assert!(advice.contains(hint), "{hint}: {said}");
}

/// The rows of JSON Lines.
#[track_caller]
pub(crate) fn rows(jsonl: &[u8]) -> Vec<Value> {
    jsonl
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

/// The rows of a file of JSON Lines.
#[track_caller]
pub(crate) fn file_rows(path: impl AsRef<Path>) -> Vec<Value> {
    rows(&std::fs::read(path).unwrap())
}

/// Whether two answers, or lists of answers, are the same but for rounding of the score.
#[track_caller]
pub(crate) fn assert_same_answer(found: &Value, expected: &Value, what: &str) {
    if let (Some(found), Some(expected)) = (found.get("answers"), expected.get("answers")) {
        let (found, expected) = (found.as_array().unwrap(), expected.as_array().unwrap());
        assert_eq!(found.len(), expected.len(), "{what}");
        found.iter().zip(expected).for_each(|(found, expected)| assert_same_answer(found, expected, what));
        return;
    }
    for column in ["answer", "start", "end"] {
        assert_eq!(found[column], expected[column], "{what}: {column}");
    }
    let score = |answer: &Value| answer["score"].as_f64().unwrap();
    assert!((score(found) - score(expected)).abs() < 1e-4, "{what}: {} {}", score(found), score(expected));
}
