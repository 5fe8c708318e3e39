//! What is too much or wrong is refused with the right status, and an error in JSON.

use std::io::Write;

use serde_json::{Value, json};

use super::support::{Server, head, heavy, heavy_list, question, read_raw, wait_until};

const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn wrong_requests() {
    let server = Server::start(&[]);
    server.get("/absent").error(404, "not_found");
    server.send("/inferences/x", &[JSON], b"{}").error(404, "not_found");
    let wrong_method = server.get("/inferences");
    wrong_method.error(405, "method_not_allowed");
    assert_eq!(wrong_method.header("allow"), Some("POST"));
    server.send("/health", &[JSON], b"{}").error(405, "method_not_allowed");
    server.send("/inferences", &[], b"{}").error(415, "unsupported_media_type");
    server.send("/inferences", &[("content-type", "text/plain")], b"{}").error(415, "unsupported_media_type");
    for body in [
        &b"{\"question\": \"a\","[..],
        b"",
        b"{\"question\": \"a\", \"context\": \"b\"} {}",
        b"\xff",
        b"{\"question\": \"\xff\", \"context\": \"b\"}",
    ] {
        server.send("/inferences", &[JSON], body).error(400, "malformed");
    }
    server.send("/", &[JSON], b"{\"inputs\": ").error(400, "malformed");
}

#[test]
fn wrong_fields() {
    let server = Server::start(&[]);
    let refused = |body: Value| server.post("/inferences", &body).error(422, "invalid");
    for body in [json!("a"), json!(1), json!(null), json!({}), json!({"question": "a"})] {
        refused(body);
    }
    for (name, values) in [
        ("top_k", &[json!(0), json!(-1), json!(1.5), json!("1"), json!(101), json!(1e30)][..]),
        ("doc_stride", &[json!(-1), json!(128), json!("1")]),
        ("max_answer_len", &[json!(0), json!(129)]),
        ("max_seq_len", &[json!(0), json!(129)]),
        ("max_question_len", &[json!(0), json!(true)]),
        ("handle_impossible_answer", &[json!(1), json!("true")]),
        ("no_answer_threshold", &[json!(-0.1), json!(1.5), json!("0.5"), json!(true)]),
        ("align_to_words", &[json!([])]),
        ("question", &[json!(1), json!(null)]),
    ] {
        for value in values {
            let mut body = question();
            body[name] = value.clone();
            let error = refused(body.clone());
            assert!(error.contains(name), "{value}: {error}");
            let list = server.post("/inferences", &json!([question(), body])).ok();
            assert!(list[0]["answer"].is_string());
            assert!(list[1]["error"].as_str().unwrap().contains(name), "{value}: {list}");
        }
    }
    let refused = |body: Value| server.post("/", &body).error(422, "invalid");
    refused(json!({"inputs": question(), "parameters": {"top_k": 0}}));
    refused(json!({"inputs": question(), "parameters": [1]}));
}

#[test]
fn too_large() {
    let server = Server::start(&["--max-body-bytes", "3000", "--max-rows", "3", "--max-context-chars", "500"]);
    let large = json!({"question": "a", "context": "x".repeat(4000)}).to_string();
    server.send("/inferences", &[JSON], large.as_bytes()).error(413, "too_large");
    // Also where the length is not announced.
    let mut stream = server.connect();
    let chunked = "content-type: application/json\r\ntransfer-encoding: chunked\r\nconnection: close\r\n";
    stream.write_all((head("/inferences", chunked) + &format!("{:x}\r\n{large}\r\n", large.len())).as_bytes()).unwrap();
    assert_eq!(read_raw(&mut stream).0, 413);

    server.post("/inferences", &vec![question(); 4].into()).error(413, "too_large");
    server.post("/", &json!({"inputs": vec![question(); 4]})).error(413, "too_large");
    server.post("/inferences", &vec![question(); 3].into()).ok();

    for name in ["question", "context"] {
        let mut long = question();
        long[name] = "あ".repeat(501).into();
        let error = server.post("/inferences", &long).error(422, "unanswerable");
        assert!(error.contains(name) && error.contains("500"), "{error}");
        assert!(server.post("/inferences", &json!([long])).ok()[0]["error"].is_string());
    }
    let mut fits = question();
    fits["context"] = "あ".repeat(500).into();
    server.post("/inferences", &fits).ok();
}

#[test]
fn too_many_windows() {
    let server = Server::start(&["--max-windows", "10"]);
    let error = server.post("/inferences", &heavy(20)).error(422, "unanswerable");
    assert!(error.contains("windows"), "{error}");
    server.post("/inferences", &heavy(2)).ok();
}

#[test]
fn slow_clients_are_not_waited_for() {
    let server = Server::start(&["--header-timeout", "0.3", "--body-timeout", "0.3"]);
    // Nothing, half a head, and half a body.
    let mut nothing = server.connect();
    let mut half = server.connect();
    half.write_all(b"POST /inferences HTTP/1.1\r\nhost: te").unwrap();
    let mut body = server.connect();
    let headers = "content-type: application/json\r\ncontent-length: 100\r\nconnection: close\r\n";
    body.write_all((head("/inferences", headers) + "{\"question\"").as_bytes()).unwrap();
    let mut text = String::new();
    for stream in [&mut nothing, &mut half] {
        // The server ends the connection; it need not say anything.
        std::io::Read::read_to_string(stream, &mut text).unwrap();
    }
    let (status, text) = read_raw(&mut body);
    assert_eq!(status, 408, "{text}");
    assert!(text.contains("body_timeout"), "{text}");
}

#[test]
fn an_answer_that_takes_too_long_is_given_up() {
    let server = Server::start(&["--request-timeout", "0.3", "--batch-size", "1", "--max-windows", "100000"]);
    let error = server.post("/inferences", &vec![heavy(700); 60].into()).error(504, "timeout");
    assert!(error.contains("0.3 seconds"), "{error}");
    // What was given up does not hold up others.
    wait_until("the queue is empty", || server.metric("bertqa_queue_rows", &[]) == 0.0);
    wait_until("an answer comes in time", || server.post("/inferences", &question()).status == 200);
}

#[test]
fn as_many_requests_as_the_server_takes_on() {
    let server = Server::start(&["--max-concurrent-requests", "1"]);
    let mut busy = server.connect();
    let body = question().to_string();
    let headers = format!("content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n", body.len());
    busy.write_all(head("/inferences", &headers).as_bytes()).unwrap();
    // Its body is waited for; another request finds no place.
    wait_until("the first request is there", || server.metric("bertqa_requests_in_flight", &[]) == 2.0);
    let refused = server.post("/inferences", &question());
    refused.error(429, "overloaded");
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(server.get("/health").status, 200);
    busy.write_all(body.as_bytes()).unwrap();
    assert_eq!(read_raw(&mut busy).0, 200);
    wait_until("there is a place again", || server.post("/inferences", &question()).status == 200);
}

#[test]
fn a_full_queue_refuses_and_recovers() {
    let options = ["--batch-size", "1", "--max-rows", "4", "--max-queued-rows", "4"];
    let long = ["--max-windows", "1000000", "--max-context-chars", "10000000"];
    let server = Server::start(&[&options[..], &long].concat());
    let busy = server.post_raw("/inferences", &heavy_list(4, 14_000));
    // Two of its rows are in the pipeline, and two wait; four more do not fit.
    wait_until("rows wait", || server.metric("bertqa_queue_rows", &[]) >= 1.0);
    let refused = server.post("/inferences", &vec![question(); 4].into());
    refused.error(429, "overloaded");
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    drop(busy);
    wait_until("there is room again", || server.post("/inferences", &vec![question(); 4].into()).status == 200);
    assert!(server.metric("bertqa_errors_total", &["overloaded"]) >= 1.0);
}

#[test]
fn the_memory_for_requests_is_bounded() {
    let server = Server::start(&["--max-body-bytes", "100000", "--max-buffered-bytes", "100000"]);
    let body = json!({"question": "a", "context": "x".repeat(60_000)}).to_string();
    let mut busy = server.connect();
    let headers = "content-type: application/json\r\ncontent-length: 90000\r\n";
    busy.write_all((head("/inferences", headers) + &body).as_bytes()).unwrap();
    // What came of it is held until the rest has come. Another body that were there at the same time could have the
    // room instead, so that the first one would be refused.
    wait_until("the first body is held", || server.metric("bertqa_buffered_bytes", &[]) >= 60_000.0);
    server.send("/inferences", &[JSON], body.as_bytes()).error(429, "overloaded");
    server.post("/inferences", &question()).ok();
    drop(busy);
    wait_until("there is room again", || server.send("/inferences", &[JSON], body.as_bytes()).status != 429);
}

const CHUNKED_ROWS: &str = "content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n";

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

#[test]
fn streams_leave_places_to_others() {
    let server = Server::start(&["--max-streams", "1"]);
    let mut stream = server.connect();
    stream
        .write_all((head("/inferences/stream", CHUNKED_ROWS) + &chunk(&format!("{}\n", question()))).as_bytes())
        .unwrap();
    wait_until("its row is answered", || server.metric("bertqa_rows_total", &[]) == 1.0);
    for path in ["/inferences/stream", "/invocations"] {
        let refused = server.send(path, &[("content-type", "application/x-ndjson")], b"{}\n");
        assert!(refused.error(429, "overloaded").contains("streams"));
        assert!(refused.header("retry-after").is_some());
    }
    server.post("/inferences", &question()).ok();
    drop(stream);
    let row = format!("{}\n", question());
    let again = || server.send("/inferences/stream", &[("content-type", "application/x-ndjson")], row.as_bytes());
    wait_until("there is a place again", || again().status == 200);
}

#[test]
fn what_drips_is_given_up() {
    let server = Server::start(&["--body-timeout", "0.3", "--min-body-rate", "5000"]);
    for (path, media_type) in [("/inferences/stream", "application/x-ndjson"), ("/inferences", "application/json")] {
        let mut drip = server.connect();
        let headers = format!("content-type: {media_type}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n");
        drip.write_all(head(path, &headers).as_bytes()).unwrap();
        drip.write_all(chunk("{\"question\": \"").as_bytes()).unwrap();
        // A byte now and then keeps within the time for a pause; the server ends it all the same.
        wait_until("the server ends it", || drip.write_all(chunk("a").as_bytes()).is_err());
    }
    // Others are not held up.
    server.post("/inferences", &question()).ok();
}

#[test]
fn a_row_that_is_still_arriving_takes_memory() {
    let server = Server::start(&["--max-body-bytes", "200000", "--max-buffered-bytes", "200000"]);
    let mut stream = server.connect();
    let part = format!("{{\"question\": \"{}", "x".repeat(150_000));
    stream.write_all((head("/inferences/stream", CHUNKED_ROWS) + &chunk(&part)).as_bytes()).unwrap();
    wait_until("it is held", || server.metric("bertqa_buffered_bytes", &[]) >= 120_000.0);
    let body = json!({"question": "a", "context": "x".repeat(90_000)}).to_string();
    server.send("/inferences", &[JSON], body.as_bytes()).error(429, "overloaded");
    drop(stream);
    wait_until("there is room again", || server.metric("bertqa_buffered_bytes", &[]) == 0.0);
    assert_ne!(server.send("/inferences", &[JSON], body.as_bytes()).status, 429);
}

#[test]
fn blank_lines_without_end_are_no_row() {
    let server = Server::start(&["--max-body-bytes", "100000"]);
    let row = format!("{}\n", question());
    // As many as a line may have bytes, and a row after them.
    let some = "\n".repeat(90_000) + &row;
    let found = server.send("/inferences/stream", &[("content-type", "application/x-ndjson")], some.as_bytes());
    assert_eq!((found.status, found.text.lines().count()), (200, 1));

    // What is read ahead of a row may be more than a line may have.
    let small = Server::start(&["--max-body-bytes", "1000"]);
    let found =
        small.send("/inferences/stream", &[("content-type", "application/x-ndjson")], row.repeat(900).as_bytes());
    assert_eq!((found.status, found.text.lines().count()), (200, 900));

    let mut stream = server.connect();
    stream.write_all(head("/inferences/stream", CHUNKED_ROWS).as_bytes()).unwrap();
    let (part, mut sent) = (chunk(&"\n".repeat(50_000)), 0);
    while stream.write_all(part.as_bytes()).is_ok() {
        sent += part.len();
        assert!(sent < 100 << 20, "it goes on for {sent} bytes");
        assert!(server.metric("bertqa_buffered_bytes", &[]) < 300_000.0);
    }
    // Some of it is on its way between the two.
    assert!(sent < 30 << 20, "{sent}");

    // A body of a few kilobytes that stands for a gigabyte of them.
    let mut packed = zstd::Encoder::new(Vec::new(), 3).unwrap();
    let part = vec![b'\n'; 1 << 20];
    (0..1024).for_each(|_| packed.write_all(&part).unwrap());
    let packed = packed.finish().unwrap();
    let mut stream = server.connect();
    let headers = format!("content-type: application/x-ndjson\r\ncontent-length: {}\r\n", packed.len());
    stream.write_all(&[head("/inferences/stream", &headers).as_bytes(), &packed].concat()).unwrap();
    let mut answer = Vec::new();
    // It breaks off, with a reset or without the end of its last part.
    let _ = std::io::Read::read_to_end(&mut stream, &mut answer);
    assert!(!answer.ends_with(b"0\r\n\r\n"), "{}", String::from_utf8_lossy(&answer));
    wait_until("nothing is held", || server.metric("bertqa_buffered_bytes", &[]) == 0.0);
}

#[test]
fn limits_that_cannot_be() {
    use crate::support::{ends, stderr, tiny};
    for (options, words) in [
        (&["--max-rows", "9", "--max-queued-rows", "8"][..], "hint: lower --max-rows or raise --max-queued-rows"),
        (
            &["--max-body-bytes", "9", "--max-buffered-bytes", "8"],
            "hint: lower --max-body-bytes or raise --max-buffered-bytes",
        ),
        (&["--api-key", ""], "--api-key"),
        (&["--cors-origin", "example.org"], "--cors-origin"),
        (&["--request-timeout=-1"], "--request-timeout"),
        (&["--grace", "soon"], "--grace"),
        (&["--max-seq-len", "1000"], "hint: give --max-seq-len 128 or less"),
        (&["--host", "256.0.0.1"], "cannot listen"),
    ] {
        let mut command = tiny("serve");
        command.args(["--port", "0"]).args(options);
        let output = ends(command, 2);
        assert!(stderr(&output).contains(words), "{words}: {}", stderr(&output));
    }
}

#[test]
fn large_requests_leave_memory_to_small_ones() {
    let limits = ["--max-body-bytes", "600000", "--max-buffered-bytes", "1000000", "--max-windows", "100000"];
    let server = Server::start(&limits);
    // Of the memory, 750,000 bytes are for such: these bodies are never whole.
    let part = "x".repeat(240_000);
    let held: Vec<_> = (1..=3)
        .map(|number| {
            let mut busy = server.connect();
            let headers = "content-type: application/json\r\ncontent-length: 500000\r\n";
            busy.write_all((head("/inferences", headers) + &part).as_bytes()).unwrap();
            wait_until("it is held", || server.metric("bertqa_buffered_bytes", &[]) >= number as f64 * 239_000.0);
            busy
        })
        .collect();
    let of = |characters: usize| json!({"question": "a", "context": "x".repeat(characters)}).to_string();
    server.send("/inferences", &[JSON], of(100_000).as_bytes()).error(429, "overloaded");
    // There would be memory for it, if it were not kept.
    server.send("/inferences", &[JSON], of(70_000).as_bytes()).error(429, "overloaded");
    assert_ne!(server.send("/inferences", &[JSON], of(60_000).as_bytes()).status, 429);
    drop(held);
    wait_until("there is room again", || server.send("/inferences", &[JSON], of(100_000).as_bytes()).status != 429);
}

#[test]
fn streams_never_take_all_places() {
    let server = Server::start(&["--max-concurrent-requests", "4", "--max-streams", "100"]);
    assert_eq!(server.get("/info").ok()["limits"]["max_streams"], 2);
}
