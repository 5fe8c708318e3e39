//! One row out for each row in, in order, bad rows included; exit statuses.

use std::process::Output;

use serde_json::{Value, json};

use crate::support::{ends, file_rows, project, rows, stderr, tiny};

fn bad_rows() -> String {
    project("samples/bad-rows.jsonl").display().to_string()
}

/// The output for the bad rows, and its rows.
fn answered_bad_rows() -> (Output, Vec<Value>) {
    let mut command = tiny("run");
    command.args([&bad_rows(), "-o", "-"]);
    let output = ends(command, 1);
    // One row has half of a surrogate pair, which is kept as it is, and which serde_json does not read.
    let rows = rows(String::from_utf8_lossy(&output.stdout).replace("\\ud83d", "").as_bytes());
    (output, rows)
}

#[test]
fn a_bad_row_is_not_a_lost_row() {
    let (output, rows) = answered_bad_rows();
    let lines = std::fs::read(bad_rows()).unwrap().split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
    assert_eq!(rows.len(), lines);
    for (number, row) in rows.iter().enumerate() {
        let line = format!("bad-rows.jsonl:{}: ", number + 1);
        if row["id"].as_str().is_some_and(|id| id.starts_with("ja-")) {
            assert_eq!(row["error"], Value::Null, "{row}");
            assert!(row["answer"].is_string(), "{row}");
        } else {
            assert_eq!(row["answer"], Value::Null, "{row}");
            assert_eq!(row["score"], Value::Null, "{row}");
            assert!(row["error"].as_str().unwrap().contains(&line), "{row}");
        }
    }
    let failed = rows.iter().filter(|row| row["error"].is_string()).count();
    assert_eq!(failed, 14);
    assert!(stderr(&output).contains("19 rows, 14 failed"), "{}", stderr(&output));
}

#[test]
fn errors_say_what_is_wrong() {
    let (_, rows) = answered_bad_rows();
    let error = |id: &str| {
        let row = rows.iter().find(|row| row["id"] == id).unwrap_or_else(|| panic!("{id}"));
        row["error"].as_str().unwrap()
    };
    for (id, words) in [
        ("missing-question", ["question", "missing"]),
        ("null-context", ["context", "null"]),
        ("empty-question", ["question", "empty"]),
        ("question-not-a-string", ["question", "string"]),
        ("question-leaves-no-room", ["question", "max_seq_len"]),
        ("context-only-blanks", ["context", "blank"]),
    ] {
        for word in words {
            assert!(error(id).contains(word), "{id}: {}", error(id));
        }
    }
}

#[test]
fn strict_stops_at_the_first_bad_row() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.jsonl");
    let mut command = tiny("run");
    command.arg(bad_rows()).arg("--strict").arg("-o").arg(&out);
    let output = ends(command, 1);
    assert!(stderr(&output).contains("bad-rows.jsonl:2: "), "{}", stderr(&output));
    assert!(!out.exists());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn order_is_kept_however_long_the_rows() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.jsonl");
    let text: String = (0..400)
        .map(|id| {
            // Every seventh context takes many windows, and every eleventh row none.
            let context = "The lighthouse was built in 1874. ".repeat(if id % 7 == 0 { 40 } else { 1 });
            let question = if id % 11 == 0 { "" } else { "When?" };
            json!({"id": id, "question": question, "context": context}).to_string() + "\n"
        })
        .collect();
    std::fs::write(&input, text).unwrap();
    let out = folder.path().join("out.jsonl");
    let mut command = tiny("run");
    command.arg(&input).arg("-o").arg(&out).args(["--max-seq-len", "48", "--doc-stride", "8", "--batch-size", "5"]);
    ends(command, 1);
    let rows = file_rows(&out);
    assert_eq!(rows.len(), 400);
    for (id, row) in rows.iter().enumerate() {
        assert_eq!(row["id"], id);
        assert_eq!(row["answer"].is_null(), id % 11 == 0, "{row}");
    }
}

#[test]
fn unknown_fields_stay_as_they_are() {
    let line = r#"{"z":1.50,"question":"Who?","big":123456789012345678901234567890,"context":"Ada did.","n":{"b":[1, 2],"a":"\u0041"}}"#;
    let mut command = tiny("stdin");
    command.write_stdin(format!("{line}\n"));
    let out = String::from_utf8(ends(command, 0).stdout).unwrap();
    let unchanged = line.strip_suffix('}').unwrap();
    assert!(out.starts_with(unchanged), "{out}");
}

#[test]
fn a_limit_ends_early() {
    let mut command = tiny("run");
    command.arg(project("samples/questions.jsonl")).args(["-o", "-", "--limit", "3"]);
    assert_eq!(rows(&ends(command, 0).stdout).len(), 3);
}

#[test]
fn answers_do_not_depend_on_batches_or_threads() {
    let answers = |options: &[&str]| {
        let mut command = tiny("run");
        command.arg(project("samples/questions.jsonl")).args(["-o", "-", "--quiet"]).args(options);
        ends(command, 0).stdout
    };
    let one_by_one = answers(&["--batch-size", "1", "--threads", "1"]);
    assert_eq!(one_by_one, answers(&["--batch-size", "64", "--threads", "3"]));
}

#[test]
fn a_row_of_too_many_windows_fails_alone() {
    let row =
        |words: usize| format!("{{\"question\": \"Who won?\", \"context\": \"{}\"}}\n", "Ann won. ".repeat(words));
    let mut command = tiny("stdin");
    command.args(["--max-seq-len", "32", "--doc-stride", "8", "--max-windows", "3"]);
    command.write_stdin(row(5) + &row(100) + &row(6));
    let found = rows(&ends(command, 1).stdout);
    let errors: Vec<_> = found.iter().map(|row| row["error"].as_str()).collect();
    let [None, Some(error), None] = errors[..] else { panic!("{errors:?}") };
    assert!(error.contains("more than max_windows, 3"), "{error}");
}

#[test]
fn so_many_rows_may_fail() {
    let status = |allowed: &str, status| {
        let mut command = tiny("stdin");
        command.args(["--max-failed", allowed]);
        command.write_stdin("{}\n".to_owned() + &"{\"question\": \"Who?\", \"context\": \"Ann did.\"}\n".repeat(9));
        assert_eq!(rows(&ends(command, status).stdout).len(), 10);
    };
    status("0", 1);
    status("1", 0);
    status("9.9%", 1);
    status("10%", 0);
}

#[test]
fn a_column_that_no_row_has_is_named() {
    let row = "{\"question\": \"Who?\", \"context\": \"Ann did.\", \"a\": 1, \"b\": {\"c\": 2}}\n";
    let mut command = tiny("stdin");
    command.args(["--columns", "a,b.c,typo"]).write_stdin(row);
    let output = ends(command, 0);
    assert!(stderr(&output).contains("no row has the column `typo`"), "{}", stderr(&output));
    assert_eq!(stderr(&output).matches("no row has").count(), 1);
    let mut command = tiny("stdin");
    command.args(["--columns", ""]).write_stdin(row);
    assert!(!stderr(&ends(command, 0)).contains("no row has"));
}

#[test]
fn a_message_is_a_line_whatever_fields_are_called() {
    let mut command = tiny("stdin");
    command.args(["--question", "a\nWARN b"]).write_stdin("{\"question\": \"Who?\", \"context\": \"Ann did.\"}\n");
    let output = ends(command, 1);
    let said = stderr(&output);
    assert!(said.contains("a\\nWARN b") && !said.contains("\nWARN"), "{said}");
}
