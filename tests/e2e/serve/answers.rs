//! Every route, and the answers that `bertqa run` gives.

use serde_json::{Value, json};

use super::support::{Server, question};
use crate::support::{assert_same_answer, bertqa, ends, project, rows, tiny};

fn samples() -> Vec<Value> {
    rows(&std::fs::read(project("samples/questions.jsonl")).unwrap())
}

/// What `bertqa run` answers to the samples.
fn run(options: &[&str]) -> Vec<Value> {
    let mut command = tiny("run");
    command.arg(project("samples/questions.jsonl")).args(["-o", "-", "--quiet"]).args(options);
    rows(&ends(command, 0).stdout)
}

fn asked(row: &Value, options: &Value) -> Value {
    let mut asked = options.clone();
    for name in ["id", "question", "context"] {
        asked[name] = row[name].clone();
    }
    asked
}

#[test]
fn answers_are_those_of_run() {
    let server = Server::start(&[]);
    for (flags, options) in [
        (&[][..], json!({})),
        (
            &["--top-k", "3", "--max-seq-len", "96", "--doc-stride", "20"],
            json!({"top_k": 3, "max_seq_len": 96, "doc_stride": 20}),
        ),
        (
            &["--max-answer-len", "4", "--handle-impossible-answer", "--align-to-words", "--max-question-len", "5"],
            json!({"max_answer_len": 4, "handle_impossible_answer": true, "align_to_words": true, "max_question_len": 5}),
        ),
        (&["--top-k", "2", "--no-answer-threshold", "0.1"], json!({"top_k": 2, "no_answer_threshold": 0.1})),
    ] {
        let expected = run(flags);
        let list: Vec<Value> = samples().iter().map(|row| asked(row, &options)).collect();
        let found = server.post("/inferences", &list.clone().into()).ok();
        assert_eq!(found.as_array().unwrap().len(), expected.len());
        let pipeline = json!({
            "inputs": samples().iter().map(|row| json!({"question": row["question"], "context": row["context"]})).collect::<Vec<_>>(),
            "parameters": options,
        });
        let pipeline = server.post("/predict", &pipeline).ok();
        for (number, expected) in expected.iter().enumerate() {
            let what = format!("{options} {}", expected["id"]);
            assert_same_answer(&found[number], expected, &what);
            assert_eq!(found[number]["id"], expected["id"]);
            assert!(found[number].get("error").is_none());
            let alone = server.post("/inferences", &list[number]).ok();
            assert_same_answer(&alone, expected, &what);
            let pipeline = &pipeline[number];
            let pipeline = if pipeline.is_array() { json!({"answers": pipeline}) } else { pipeline.clone() };
            assert_same_answer(&pipeline, expected, &what);
        }
    }
}

#[test]
fn the_default_model_answers() {
    let server = Server::spawn(&[], &[]);
    super::support::wait_until("the model is loaded", || server.get("/ready").status == 200);
    let mut command = bertqa();
    command.arg("run").arg(project("samples/questions.jsonl")).args(["-o", "-", "--quiet", "--limit", "1"]);
    let expected = rows(&ends(command, 0).stdout);
    let found = server.post("/inferences", &asked(&expected[0], &json!({}))).ok();
    assert_same_answer(&found, &expected[0], "first sample");
    assert_eq!(server.get("/info").ok()["model"]["model"], "default");
}

#[test]
fn flags_are_the_defaults_of_requests() {
    let server = Server::start(&["--top-k", "2", "--handle-impossible-answer", "--max-seq-len", "48"]);
    let found = server.post("/inferences", &question()).ok();
    assert_eq!(found["answers"].as_array().unwrap().len(), 2);
    let one = server.post("/inferences", &asked(&question(), &json!({"top_k": 1, "id": 5}))).ok();
    assert_eq!(one["answer"], found["answers"][0]["answer"]);
    let info = server.get("/info").ok();
    assert_eq!(info["defaults"]["max_seq_len"], 48);
    assert_eq!(info["defaults"]["doc_stride"], 24);
    assert_eq!(info["model"]["max_seq_len"], 128);
    assert_eq!(info["limits"]["max_rows"], 512);
}

#[test]
fn a_threshold_is_set_for_all_requests_and_for_one() {
    // Wherever it is possible, "no answer" wins.
    let server = Server::start(&["--no-answer-threshold", "0"]);
    let defaults = &server.get("/info").ok()["defaults"];
    assert_eq!((&defaults["handle_impossible_answer"], &defaults["no_answer_threshold"]), (&json!(true), &json!(0.0)));
    let answer = |options: Value| server.post("/inferences", &asked(&question(), &options)).ok()["answer"].clone();
    let span = answer(json!({"no_answer_threshold": 1}));
    assert_ne!(span, "");
    assert_eq!(answer(json!({})), "");
    assert_eq!(answer(json!({"handle_impossible_answer": false})), span);
    assert_eq!(answer(json!({"handle_impossible_answer": false, "no_answer_threshold": 0.0})), "");

    let stream = |query: &str| {
        let row = format!("{}\n", question());
        let path = format!("/inferences/stream{query}");
        server.send(&path, &[("content-type", "application/x-ndjson")], row.as_bytes())
    };
    assert_eq!(rows(stream("?no_answer_threshold=1").text.as_bytes())[0]["answer"], span);
    assert_eq!(rows(stream("").text.as_bytes())[0]["answer"], "");
    assert_eq!(stream("?no_answer_threshold=1.5").status, 422);
}

#[test]
fn shapes() {
    let server = Server::start(&[]);
    let Value::Object(one) = server.post("/inferences", &question()).ok() else { panic!() };
    assert_eq!(one.keys().collect::<Vec<_>>(), ["answer", "score", "start", "end"]);
    for id in [json!("a"), json!(7), json!({"deep": [1.50]})] {
        let mut question = question();
        question["id"] = id.clone();
        assert_eq!(server.post("/inferences", &question).ok()["id"], id);
    }
    assert_eq!(server.post("/inferences", &json!([])).ok(), json!([]));
    assert!(server.post("/inferences", &json!([question()])).ok().is_array());

    let pipeline =
        |inputs: Value, parameters: Value| server.post("/", &json!({"inputs": inputs, "parameters": parameters})).ok();
    assert_eq!(pipeline(question(), json!({})), Value::Object(one.clone()));
    assert_eq!(server.post("/", &json!({"inputs": question()})).ok(), Value::Object(one.clone()));
    assert_eq!(pipeline(json!([question()]), json!({})), json!([one]));
    assert_eq!(pipeline(question(), json!({"top_k": 2})).as_array().unwrap().len(), 2);
    assert_eq!(pipeline(json!([question()]), json!({"top_k": 2}))[0].as_array().unwrap().len(), 2);
}

#[test]
fn a_bad_row_of_a_list_is_not_a_lost_row() {
    let server = Server::start(&[]);
    let empty = json!({"question": "", "context": "Ada did.", "id": 1});
    let no_room = json!({"question": "why ".repeat(200), "context": "Ada did.".repeat(200), "id": 2});
    let list = server.post("/inferences", &json!([empty, question(), no_room])).ok();
    assert_eq!(
        list[0],
        json!({"id": 1, "answer": null, "score": null, "start": null, "end": null, "error": "the question is empty"})
    );
    assert!(list[1]["answer"].is_string());
    assert!(list[2]["error"].as_str().unwrap().contains("leaves"), "{list}");
    assert!(server.post("/inferences", &empty).error(422, "unanswerable").contains("empty"));
    assert!(server.post("/inferences", &no_room).error(422, "unanswerable").contains("question takes"));
    let pipeline = server.post("/", &json!({"inputs": [{"question": "", "context": "x"}, question()]})).ok();
    assert!(pipeline[0]["error"].is_string() && pipeline[1]["answer"].is_string());
}

#[test]
fn sagemaker() {
    let server = Server::start(&[]);
    assert_eq!(server.get("/ping").status, 200);
    let expected = server.post("/inferences", &question()).ok();
    assert_eq!(server.post("/invocations", &question()).ok(), expected);
    let line = question().to_string() + "\n";
    let lines = server.send("/invocations", &[("content-type", "application/jsonlines")], line.repeat(3).as_bytes());
    assert_eq!(lines.header("content-type"), Some("application/x-ndjson"));
    let lines = rows(lines.text.as_bytes());
    assert_eq!(lines.len(), 3);
    lines.iter().for_each(|line| assert_same_answer(line, &expected, "line"));
}

#[test]
fn what_the_server_is() {
    let server = Server::start(&[]);
    assert_eq!(server.get("/health").ok(), json!({"status": "ok"}));
    assert_eq!(server.get("/ready").ok(), json!({"status": "ready"}));
    let document = server.get("/openapi.json").ok();
    for path in [
        "/",
        "/predict",
        "/inferences",
        "/inferences/stream",
        "/invocations",
        "/ping",
        "/health",
        "/ready",
        "/info",
        "/metrics",
    ] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
    let docs = server.get("/docs/");
    assert_eq!(docs.status, 200);
    assert!(docs.text.contains("swagger-ui"));
    assert_eq!(server.get("/docs/swagger-ui.css").status, 200);
    server.get("/docs/absent.js").error(404, "not_found");
}

#[test]
fn the_page_is_served_with_care() {
    let server = Server::start(&[]);
    for (path, media_type) in [("/", "text/html"), ("/page/app.js", "text/javascript"), ("/page/base.css", "text/css")]
    {
        let file = server.get(path);
        assert_eq!(file.status, 200);
        assert_eq!(file.header("content-type"), Some(format!("{media_type}; charset=utf-8").as_str()));
        let policy = file.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(file.header("referrer-policy"), Some("no-referrer"));
        let tag = file.header("etag").unwrap();
        let again = server.get_with(path, &[("if-none-match", tag)]);
        assert_eq!((again.status, again.text.as_str()), (304, ""));
    }
}
