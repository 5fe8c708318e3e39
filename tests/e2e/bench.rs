//! `bertqa bench` against a server and by itself.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use assert_cmd::Command;
use serde_json::{Value, json};

use crate::serve::support::Server;
use crate::support::{bertqa, ends, file_rows, stderr, tiny, tiny_model};

const ROWS: &str = r#"{"question": "Who?", "context": "Ada did."}
{"question": "", "context": "Nobody asks."}
{"question": "Where?", "context": "In the old tower by the sea."}
{"question": "What?", "context": "A lighthouse, which still stands."}
"#;

fn bench(url: &str, options: &[&str]) -> Command {
    let mut command = bertqa();
    command.args(["bench", "--url", url, "--json", "--warm-up", "0"]).args(options);
    command
}

#[track_caller]
fn figures(command: Command, status: i32) -> Value {
    serde_json::from_slice(&ends(command, status).stdout).unwrap()
}

/// Rows in a file, and what `run` answers to them.
fn rows_and_answers(folder: &Path) -> (String, String) {
    let (rows, answers) = (folder.join("rows.jsonl"), folder.join("answers.jsonl"));
    std::fs::write(&rows, ROWS).unwrap();
    let mut run = tiny("run");
    run.arg(&rows).arg("-o").arg(&answers);
    ends(run, 1);
    (rows.display().to_string(), answers.display().to_string())
}

#[test]
fn answers_of_a_server_are_timed_and_checked() {
    let server = Server::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let (rows, answers) = rows_and_answers(folder.path());

    let options = [&rows, "--requests", "30", "--concurrency", "4", "--check", &answers];
    let found = figures(bench(&server.url(""), &options), 0);
    assert_eq!(found["statuses"], json!({"200": 30}));
    // The row that can't be asked is left out.
    assert_eq!((&found["checked"], &found["mismatches"]), (&json!(30), &json!(0)), "{found}");
    let latency = |name: &str| found["latency_ms"][name].as_f64().unwrap();
    assert!(0.0 < latency("p50") && latency("p50") <= latency("p99") && latency("p99") <= latency("max"), "{found}");

    // In lists, and by the clock rather than by the answers.
    let options = [&options[..], &["--rows-per-request", "2", "--rate", "500"]].concat();
    let found = figures(bench(&server.url("/"), &options), 0);
    // Three rows are a list of two and a list of one.
    assert_eq!(
        (&found["requests"], &found["rows"], &found["checked"]),
        (&json!(30), &json!(45), &json!(45)),
        "{found}"
    );

    // Without rows, the sample questions.
    let found = figures(bench(&server.url(""), &["--requests", "3"]), 0);
    assert_eq!((&found["requests"], &found["checked"]), (&json!(3), &json!(0)));
}

#[test]
fn an_answer_that_differs_is_reported() {
    let server = Server::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let (rows, answers) = rows_and_answers(folder.path());
    let mut wrong = file_rows(&answers);
    wrong[2]["start"] = json!(wrong[2]["start"].as_u64().unwrap() + 1);
    let lines: String = wrong.iter().map(|row| format!("{row}\n")).collect();
    std::fs::write(&answers, lines).unwrap();
    let found = figures(bench(&server.url(""), &[&rows, "--requests", "6", "--check", &answers]), 1);
    assert_eq!((&found["checked"], &found["mismatches"]), (&json!(6), &json!(2)), "{found}");

    std::fs::write(&answers, "{}\n").unwrap();
    let output = ends(bench(&server.url(""), &[&rows, "--check", &answers]), 2);
    assert!(stderr(&output).contains("has 1 row and the input 4"), "{}", stderr(&output));
}

#[test]
fn requests_that_are_turned_away_are_counted_apart() {
    let found = figures(bench(&says("429 Too Many Requests"), &["--requests", "5", "--rate", "1000"]), 0);
    assert_eq!(
        (&found["rejected"], &found["failed"], &found["requests"]),
        (&json!(5), &json!(0), &json!(0)),
        "{found}"
    );
    let found = figures(bench(&says("500 Internal Server Error"), &["--requests", "5"]), 1);
    assert_eq!((&found["statuses"], &found["failed"]), (&json!({"500": 5}), &json!(5)), "{found}");
    let found = figures(bench(&says("200 OK"), &["--requests", "5"]), 1);
    assert_eq!(found["errors"], json!({"an answer that is not as documented": 5}), "{found}");
}

/// A server that says the same to everybody.
fn says(status: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().map(Result::unwrap) {
            let mut reader = BufReader::new(&stream);
            let mut length = 0;
            for line in reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                    length = value.parse().unwrap();
                }
            }
            reader.read_exact(&mut vec![0; length]).unwrap();
            // A client that has what it wants may be gone.
            let _ = write!(&stream, "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{{]");
        }
    });
    url
}

#[test]
fn an_unreachable_server_is_an_error() {
    // Nobody listens on this port, which only the system may.
    let found = figures(bench("http://127.0.0.1:1", &["--requests", "3"]), 1);
    assert_eq!(found["errors"], json!({"connection refused": 3}), "{found}");
    assert_eq!(found["latency_ms"], Value::Null);
}

#[test]
fn the_engine_is_measured_by_length_and_batch_size() {
    let mut command = tiny("bench");
    command.args(["--lengths", "8,16", "--batch-sizes", "1,3", "--duration", "0.01", "--json"]);
    let found = figures(command, 0);
    let shapes: Vec<_> = found.as_array().unwrap().iter().map(|row| (&row["length"], &row["batch_size"])).collect();
    let expected = [(json!(8), json!(1)), (json!(8), json!(3)), (json!(16), json!(1)), (json!(16), json!(3))];
    assert_eq!(shapes, expected.iter().map(|(length, size)| (length, size)).collect::<Vec<_>>());
    for row in found.as_array().unwrap() {
        let figure = |name: &str| row[name].as_f64().unwrap();
        let windows = figure("batch_size");
        let per_second = windows / (figure("milliseconds") / 1e3);
        assert!((figure("windows_per_second") / per_second - 1.0).abs() < 1e-6, "{row}");
        assert!((figure("tokens_per_second") / (per_second * figure("length")) - 1.0).abs() < 1e-6, "{row}");
    }

    let mut command = tiny("bench");
    command.args(["--lengths", "100000"]);
    let output = ends(command, 2);
    assert!(stderr(&output).contains("--lengths 100000"), "{}", stderr(&output));

    // Rows are for a server.
    let mut command = bertqa();
    command.args(["bench", "rows.jsonl", "--model"]).arg(tiny_model());
    assert!(stderr(&ends(command, 2)).contains("--url"));
}
