//! Requests in the shapes that clients send.

use std::io::Write as _;

use serde_json::{Value, json};

use super::support::{Server, question};
use crate::support::{assert_same_answer, rows};

const JSON: (&str, &str) = ("content-type", "application/json");

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn every_route_takes_every_shape_and_answers_in_it() {
    let server = Server::start(&[]);
    let expected = server.post("/inferences", &question()).ok();
    let mut with_id = question();
    with_id["id"] = json!("a");
    for path in ["/inferences", "/", "/predict", "/invocations"] {
        let post = |body: Value| server.post(path, &body).ok();
        assert_eq!(post(question()), expected, "{path}");
        assert_eq!(post(json!([question()])), json!([expected]), "{path}");
        assert_eq!(post(json!({"inputs": question()})), expected, "{path}");
        assert_eq!(post(json!({"inputs": [with_id]})), json!([expected]), "{path}");
        let both =
            post(json!({"inputs": question(), "parameters": {"top_k": 2, "padding": true}, "options": {"x": 1}}));
        assert_eq!(both.as_array().map(Vec::len), Some(2), "{path}: {both}");
    }
    let line = json!({"inputs": question()}).to_string() + "\n";
    let lines = server.send("/invocations", &[("content-type", "application/jsonlines")], line.repeat(2).as_bytes());
    let lines = rows(lines.text.as_bytes());
    assert_eq!(lines.len(), 2);
    lines.iter().for_each(|line| assert_same_answer(line, &expected, "line"));
}

#[test]
fn what_else_a_client_sends_does_not_matter() {
    let server = Server::start(&[]);
    let expected = server.post("/inferences", &question()).ok();
    let mut body = question();
    for name in ["model", "options", "user", "stream"] {
        body[name] = json!({"deep": [1, 1.5e300]});
    }
    assert_eq!(server.post("/inferences", &body).ok(), expected);
    body["topk"] = json!(2);
    assert_eq!(server.post("/inferences", &body).ok()["answers"].as_array().unwrap().len(), 2);
    body["topk"] = json!(0);
    server.post("/inferences", &body).error(422, "invalid");
}

#[test]
fn several_questions_on_one_context() {
    let server = Server::start(&[]);
    let Value::String(context) = question()["context"].clone() else { panic!() };
    let ask = |question: &str| server.post("/inferences", &json!({"question": question, "context": context})).ok();
    let (who, when) = (ask("Who?"), ask("When was it?"));
    let post = |body: Value| server.post("/inferences", &body);
    let both = post(json!({"question": ["Who?", "When was it?"], "context": context, "id": [1, "b"]})).ok();
    for (found, (expected, id)) in both.as_array().unwrap().iter().zip([(&who, json!(1)), (&when, json!("b"))]) {
        assert_same_answer(found, expected, "of several");
        assert_eq!(found["id"], id);
    }
    let contexts = json!([context, "Ada did."]);
    let pairs = post(json!({"question": "Who?", "context": contexts})).ok();
    assert_eq!(pairs.as_array().unwrap().len(), 2);
    assert_same_answer(&pairs[0], &who, "of several contexts");
    let pipeline =
        server.post("/", &json!({"inputs": {"question": ["Who?", "When was it?"], "context": context}})).ok();
    assert_eq!(pipeline, json!([who, when]));
    assert_eq!(post(json!({"question": [], "context": context})).ok(), json!([]));
    let error = post(json!({"question": ["a", "b"], "context": ["c"]})).error(422, "invalid");
    assert!(error.contains("2 questions for 1 contexts"), "{error}");
    // One that is wrong has its own error.
    let bad = post(json!({"question": ["", "Who?"], "context": context})).ok();
    assert!(bad[0]["error"].is_string() && bad[1]["answer"].is_string(), "{bad}");
}

#[test]
fn texts_that_stand_for_many_are_counted_as_many() {
    let server = Server::start(&["--max-body-bytes", "20000", "--max-rows", "30"]);
    let context = "Ada did. ".repeat(100);
    let body = |questions: usize| json!({"question": vec!["Who?"; questions], "context": context});
    server.post("/inferences", &body(10)).ok();
    let error = server.post("/inferences", &body(25)).error(413, "too_large");
    assert!(error.contains("20000 bytes"), "{error}");
    server.post("/inferences", &json!({"question": vec!["Who?"; 31], "context": "Ada."})).error(413, "too_large");
}

#[test]
fn a_row_that_is_none_has_an_error_in_its_place() {
    let server = Server::start(&[]);
    let mut wrong = question();
    wrong["top_k"] = json!(0);
    let mut large = question();
    large["top_k"] = json!(10_000);
    large["id"] = json!(4);
    let list = json!([{"question": "a"}, 1, null, wrong, large, question()]);
    let found = server.post("/inferences", &list).ok();
    let words = ["context", "expected an object", "expected an object", "top_k", "top_k"];
    for (row, words) in found.as_array().unwrap().iter().zip(words) {
        let error = row["error"].as_str().unwrap();
        assert!(error.contains(words) && row["answer"].is_null(), "{row}");
    }
    assert_eq!(found[4]["id"], 4);
    assert!(found[5]["answer"].is_string());
    let pipeline = server.post("/", &json!({"inputs": list})).ok();
    assert!(pipeline[0]["error"].is_string() && pipeline[5]["answer"].is_string(), "{pipeline}");
}

#[test]
fn compressed_bodies() {
    let server = Server::start(&["--max-body-bytes", "100000"]);
    let expected = server.post("/inferences", &question()).ok();
    let body = gzip(question().to_string().as_bytes());
    let gzipped = ("content-encoding", "gzip");
    for path in ["/inferences", "/", "/predict", "/invocations"] {
        assert_eq!(server.send(path, &[JSON, gzipped], &body).ok(), expected, "{path}");
    }
    let line = gzip((question().to_string() + "\n").repeat(2).as_bytes());
    for path in ["/inferences/stream", "/invocations"] {
        // By its header, and by its first bytes.
        for headers in
            [&[("content-type", "application/x-ndjson"), gzipped][..], &[("content-type", "application/x-ndjson")]]
        {
            let lines = rows(server.send(path, headers, &line).text.as_bytes());
            assert_eq!(lines.len(), 2, "{path}");
            lines.iter().for_each(|line| assert_same_answer(line, &expected, path));
        }
    }
    // As long as its window takes no more memory than those of HTTP.
    let zstd = |window_log: u32| {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(window_log).unwrap();
        encoder.write_all((question().to_string() + "\n").as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let send = |body: Vec<u8>| server.send("/inferences/stream", &[("content-type", "application/x-ndjson")], &body);
    assert_same_answer(&rows(send(zstd(23)).text.as_bytes())[0], &expected, "zstd");
    assert!(send(zstd(27)).error(422, "invalid").contains("2^23 bytes"));
    // What is inside counts.
    let bomb = gzip(json!({"question": "a", "context": "x".repeat(5_000_000)}).to_string().as_bytes());
    assert!(bomb.len() < 50_000);
    server.send("/inferences", &[JSON, gzipped], &bomb).error(413, "too_large");
    server.send("/inferences", &[JSON, gzipped], b"no gzip").error(400, "malformed");
    server.send("/inferences", &[JSON, gzipped], &body[..body.len() / 2]).error(400, "malformed");
    let error =
        server.send("/inferences", &[JSON, ("content-encoding", "br")], b"x").error(415, "unsupported_media_type");
    assert!(error.contains("br") && error.contains("gzip"), "{error}");
    let rows = ("content-type", "application/x-ndjson");
    server.send("/inferences/stream", &[rows, ("content-encoding", "br")], b"x").error(415, "unsupported_media_type");
}

#[test]
fn byte_order_marks_and_trailing_slashes() {
    let server = Server::start(&[]);
    let expected = server.post("/inferences", &question()).ok();
    let marked = format!("\u{feff}{}", question());
    assert_eq!(server.send("/inferences", &[JSON], marked.as_bytes()).ok(), expected);
    for path in ["/inferences/", "/invocations/", "/predict/"] {
        assert_eq!(server.post(path, &question()).ok(), expected, "{path}");
    }
    for path in ["/health/", "/ready/", "/ping/", "/info/?x=1", "/docs/"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
    server.get("/absent/").error(404, "not_found");
    assert!(server.metric("bertqa_requests_total", &["/inferences\"", "200"]) >= 3.0);
}
