//! Where answers go, and what is said.

use crate::support::{bertqa, ends, project, rows, stderr, tiny, tiny_model};

fn sample() -> std::path::PathBuf {
    project("samples/questions.jsonl")
}

#[test]
fn an_existing_output_stays_unless_forced() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.jsonl");
    std::fs::write(&out, "mine").unwrap();
    let run = |options: &[&str]| {
        let mut command = tiny("run");
        command.arg(sample()).args(["--limit", "1", "-o"]).arg(&out).args(options);
        command
    };
    let output = ends(run(&[]), 2);
    assert!(stderr(&output).contains("--force"), "{}", stderr(&output));
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "mine");
    ends(run(&["--force"]), 0);
    assert_eq!(rows(&std::fs::read(&out).unwrap()).len(), 1);
}

#[test]
fn a_run_that_cannot_start_says_why_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.parquet");
    for (arguments, words) in [
        (vec!["absent.jsonl"], vec!["absent.jsonl"]),
        (vec!["samples/questions.parquet", "--question", "q"], vec!["`q`", "--question"]),
        (vec!["samples/questions.jsonl", "--max-seq-len", "9000"], vec!["--max-seq-len"]),
        (vec!["samples/questions.jsonl", "--max-seq-len", "48", "--doc-stride", "48"], vec!["--doc-stride"]),
        (vec!["samples/questions.jsonl", "--model", "absent/"], vec!["absent/"]),
        (vec!["justfile"], vec!["justfile", "--input-format"]),
    ] {
        let mut command = bertqa();
        command.current_dir(project("")).env("BERTQA_MODEL", crate::support::tiny_model());
        command.arg("run").args(&arguments).arg("-o").arg(&out);
        let output = ends(command, 2);
        for word in words {
            assert!(stderr(&output).contains(word), "{arguments:?}: {}", stderr(&output));
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{arguments:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_standard_output_that_is_closed_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let shell = |redirected: &str, arguments: &[&str], status: i32| {
        let mut command = assert_cmd::Command::new("sh");
        command.args(["-c", &format!("exec \"$@\" {redirected}"), "sh", env!("CARGO_BIN_EXE_bertqa")]).args(arguments);
        command.arg("--model").arg(tiny_model()).current_dir(&folder);
        ends(command, status)
    };
    let sample = sample();
    let sample = sample.to_str().unwrap();
    for arguments in [&["run", sample, "-o", "-"][..], &["stdin"], &["eval", sample]] {
        let output = shell(">&-", arguments, 2);
        assert!(stderr(&output).contains("standard output is closed"), "{}", stderr(&output));
    }
    shell(">&-", &["run", sample, "-o", "out.jsonl"], 0);
    // To throw answers away is another thing.
    shell("1<>/dev/null", &["run", sample, "-o", "-"], 0);
}

#[test]
fn columns_that_clash_need_a_prefix() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.jsonl");
    std::fs::write(&input, "{\"question\":\"Who?\",\"context\":\"Ada.\",\"answer\":\"Bob\"}\n").unwrap();
    let run = |options: &[&str]| {
        let mut command = tiny("run");
        command.arg(&input).args(["-o", "-"]).args(options);
        command
    };
    let output = ends(run(&[]), 2);
    assert!(stderr(&output).contains("--prefix"), "{}", stderr(&output));
    let rows = rows(&ends(run(&["--prefix", "qa_"]), 0).stdout);
    assert_eq!(rows[0]["answer"], "Bob");
    assert!(rows[0]["qa_answer"].is_string());
}

#[test]
fn the_summary_is_the_last_line() {
    let summary = |options: &[&str]| {
        let mut command = tiny("run");
        command.arg(sample()).args(["-o", "-"]).args(options);
        stderr(&ends(command, 0)).to_owned()
    };
    assert!(summary(&[]).lines().last().unwrap().starts_with("35 rows, 0 failed, "));
    assert_eq!(summary(&["--quiet"]), "");
    let json: serde_json::Value =
        serde_json::from_str(summary(&["--log-format", "json"]).lines().last().unwrap()).unwrap();
    assert_eq!((&json["rows"], &json["failed"]), (&35.into(), &0.into()));
    assert!(json["tokens"].as_u64().unwrap() > 35 && json["seconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn completions_and_manual_pages() {
    let mut command = bertqa();
    command.args(["completions", "bash"]);
    assert!(String::from_utf8(ends(command, 0).stdout).unwrap().contains("--handle-impossible-answer"));

    let folder = tempfile::tempdir().unwrap();
    let mut command = bertqa();
    command.arg("man").arg(folder.path());
    ends(command, 0);
    assert!(std::fs::read_to_string(folder.path().join("bertqa-run.1")).unwrap().contains("SQuAD"));
}

#[test]
fn wrong_arguments_are_errors() {
    let mut command = bertqa();
    command.args(["run", "--no-such-flag"]);
    assert!(stderr(&ends(command, 2)).contains("--no-such-flag"));
    for (flag, number) in [("--threads", "100000"), ("--batch-size", "18446744073709551615")] {
        let mut command = bertqa();
        command.args(["stdin", flag, number]);
        assert!(stderr(&ends(command, 2)).contains(": at most "), "{flag}");
    }
}
