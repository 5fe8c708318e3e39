//! Signals before the first row: there is nothing to finish.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::support::{project, stderr, tiny_model};

/// Starts the program with these signals ignored, and all others as they are by default: whoever runs the tests may
/// ignore some.
fn start(place: &Path, ignored: &str, arguments: &[&str], prepare: impl FnOnce(&mut Command)) -> Child {
    let mut command = Command::new("env");
    command.arg("--default-signal");
    if !ignored.is_empty() {
        command.arg(format!("--ignore-signal={ignored}"));
    }
    command.arg(env!("CARGO_BIN_EXE_bertqa")).args(arguments).current_dir(place);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    prepare(&mut command);
    command.spawn().unwrap()
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// Sends a signal, the first and only one, and waits for the end.
#[track_caller]
fn ends_on(child: Child, name: &str) {
    signal(&child, name);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(output.stdout.is_empty());
    assert!(stderr(&output).contains("interrupted"), "{}", stderr(&output));
}

/// Waits until the program is past the point where it starts to handle signals.
fn handles_signals(child: &Child) {
    const SIGINT: u32 = 2;
    let is_caught = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(mask.trim(), 16).unwrap() & (1 << (SIGINT - 1)) != 0
    };
    while !is_caught() {
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_pipe_that_nobody_writes_to() {
    for name in ["-INT", "-TERM", "-HUP"] {
        let place = tempfile::tempdir().unwrap();
        let fifo = place.path().join("rows.jsonl");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let child = start(place.path(), "", &["run", "rows.jsonl", "-o", "out.parquet"], |command| {
            command.arg("--model").arg(tiny_model());
        });
        handles_signals(&child);
        ends_on(child, name);
        let names: Vec<_> = std::fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["rows.jsonl"]);
    }
}

#[test]
fn a_hub_that_says_nothing() {
    let hub = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", hub.local_addr().unwrap());
    let rows = project("samples/questions.jsonl");
    let rows = rows.to_str().unwrap();
    for arguments in [&["run", rows, "-o", "out.csv"][..], &["stdin"], &["eval", rows]] {
        let place = tempfile::tempdir().unwrap();
        let child = start(place.path(), "", arguments, |command| {
            command.args(["--model", "org/name"]).stdin(Stdio::null());
            command.env("HF_HOME", place.path().join("hub")).env("HF_ENDPOINT", &endpoint);
            command.env_remove("HF_HUB_CACHE").env_remove("HF_HUB_OFFLINE");
        });
        // It asks, and the connection stays open.
        let asked = hub.accept().unwrap();
        ends_on(child, "-TERM");
        drop(asked);
        assert!(!place.path().join("out.csv").exists());
    }
}

/// A hub that stalls in the middle: of a head, of a body, and of one in chunks that are none.
#[test]
fn a_hub_that_stalls() {
    const COMMIT: &str =
        "x-repo-commit: 0123456789abcdef0123456789abcdef01234567\r\netag: \"some\"\r\nx-linked-size: 100000\r\n";
    let heads = [
        "HTTP/1.1 200 OK\r\nx-repo-".to_owned(),
        format!(
            "HTTP/1.1 206 Partial Content\r\n{COMMIT}content-range: bytes 0-0/100000\r\ncontent-length: 100\r\n\r\n"
        ),
        format!("HTTP/1.1 200 OK\r\n{COMMIT}transfer-encoding: chunked\r\n\r\nfffff\r\na beginning"),
        format!("HTTP/1.1 200 OK\r\n{COMMIT}transfer-encoding: chunked\r\n\r\nno number\r\n"),
    ];
    for head in heads {
        let hub = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", hub.local_addr().unwrap());
        let place = tempfile::tempdir().unwrap();
        let child = start(place.path(), "", &["stdin"], |command| {
            command.args(["--model", "org/name"]).stdin(Stdio::null());
            command.env("HF_HOME", place.path().join("hub")).env("HF_ENDPOINT", &endpoint);
            command.env_remove("HF_HUB_CACHE").env_remove("HF_HUB_OFFLINE");
        });
        let (asked, answers) = std::sync::mpsc::channel();
        thread::spawn(move || {
            // Connections stay open for as long as the thread lives.
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = hub.accept() {
                let _ = std::io::Write::write_all(&mut stream, head.as_bytes());
                open.push(stream);
                let _ = asked.send(());
            }
        });
        answers.recv().unwrap();
        thread::sleep(Duration::from_millis(100));
        ends_on(child, "-TERM");
    }
}

#[test]
fn one_that_is_ignored_stays_ignored() {
    let place = tempfile::tempdir().unwrap();
    let fifo = place.path().join("rows.jsonl");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    // As nohup does it.
    let child = start(place.path(), "HUP", &["run", "rows.jsonl", "-o", "-", "-q"], |command| {
        command.arg("--model").arg(tiny_model());
    });
    handles_signals(&child);
    signal(&child, "-HUP");
    std::fs::write(&fifo, "{\"question\": \"Who won?\", \"context\": \"Ann won.\"}\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), 1);
}
