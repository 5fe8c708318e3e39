//! Requests to the server, through a connection. The first line of an input is `/PATH?QUERY TYPE`, the rest the body.

#![no_main]

use std::io::Cursor;
use std::sync::LazyLock;

use bertqa::io::{InputFormat, ReadOptions, read_stream};
use bertqa_fuzz::{Server, fail_on_own_panics, mutate_json};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use serde_json::Value;

static SERVER: LazyLock<Server> = LazyLock::new(Server::new);

/// What a client may be told, whatever it sends; 429 and 503 are for servers that have much to do, which this has not.
const STATUSES: [u16; 7] = [200, 400, 404, 405, 413, 415, 422];

fn init() {
    LazyLock::force(&SERVER);
    // After the server's own hooks.
    fail_on_own_panics();
}

fuzz_mutator!(|bytes: &mut [u8], size: usize, most: usize, seed: u32| { mutate_json(bytes, size, most, seed, 1) });

fuzz_target!(init: init(), |bytes: &[u8]| {
    let Some(line) = bytes.iter().position(|byte| *byte == b'\n') else { return };
    let (Ok(head), body) = (std::str::from_utf8(&bytes[..line]), &bytes[line + 1..]) else { return };
    let Some((path, media_type)) = head.split_once(' ').filter(|(path, _)| path.starts_with('/')) else { return };
    let Some(mut response) = SERVER.post(path, media_type, body) else { return };
    let status = response.status().as_u16();
    let is_lines =
        response.headers().get("content-type").is_some_and(|media_type| media_type == "application/x-ndjson");
    // A stream whose body cannot be read to its end breaks off.
    let Ok(text) = response.body_mut().read_to_string() else {
        assert!(is_lines, "an answer that breaks off");
        return;
    };
    assert!(STATUSES.contains(&status), "{status}: {text}");
    if status == 200 && is_lines {
        check_lines(media_type, body, &text);
    } else if status != 200 {
        let error: Value = serde_json::from_str(&text).expect("an error is JSON");
        assert!(error.is_object(), "{error}");
    } else if path.starts_with("/inferences") {
        let answer: Value = serde_json::from_str(&text).expect("an answer is JSON");
        if let (Value::Array(answers), Ok(Value::Array(rows))) = (&answer, serde_json::from_slice(body)) {
            assert!(answers.len() >= rows.len(), "{} answers to {} rows", answers.len(), rows.len());
        }
    }
});

/// A stream has a line for each row that `bertqa stdin` finds in it.
fn check_lines(media_type: &str, body: &[u8], text: &str) {
    for line in text.lines() {
        let row: Value = serde_json::from_str(line).expect("a line is JSON");
        assert!(row.is_object(), "{row}");
    }
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let Some(format) = InputFormat::from_media_type(&media_type) else { return };
    let options = ReadOptions { max_line_bytes: 16 << 10, ..ReadOptions::default() };
    let rows = read_stream(Cursor::new(body.to_vec()), "body", format, &options).map(|rows| rows.flatten().count());
    assert_eq!(rows.ok(), Some(text.lines().count()), "a line for each row");
}
