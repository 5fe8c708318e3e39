//! Rows in and answers out at the same time.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::support::{Server, head, question, wait_until};
use crate::support::{ends, project, rows, tiny};

const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

/// A request whose body goes on.
struct Upload(TcpStream);

impl Upload {
    fn start(server: &Server, path: &str) -> Self {
        let mut stream = server.connect();
        let headers = "content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n";
        stream.write_all(head(path, headers).as_bytes()).unwrap();
        Self(stream)
    }

    fn send(&mut self, text: &str) {
        write!(self.0, "{:x}\r\n{text}\r\n", text.len()).unwrap();
    }

    fn end(&mut self) {
        self.0.write_all(b"0\r\n\r\n").unwrap();
    }

    /// The lines of the answer that hold rows.
    fn rows(&self) -> impl Iterator<Item = Value> + use<> {
        let lines = BufReader::new(self.0.try_clone().unwrap()).lines();
        lines
            .map_while(Result::ok)
            .filter(|line| line.starts_with('{'))
            .map(|line| serde_json::from_str(&line).unwrap())
    }
}

#[test]
fn rows_come_out_as_those_of_stdin() {
    let server = Server::start(&[]);
    let mut text = std::fs::read(project("samples/questions.jsonl")).unwrap();
    text.extend(std::fs::read(project("samples/bad-rows.jsonl")).unwrap());
    text.extend(
        br#"{"z":1.50,"question":"Who?","big":123456789012345678901234567890,"context":"Ada did.","a":{"b":[1, 2]}}"#,
    );
    let answers = |flags: &[&str]| {
        let mut stdin = tiny("stdin");
        stdin.args(flags).write_stdin(text.clone());
        String::from_utf8(ends(stdin, 1).stdout).unwrap().replace("<stdin>:", "body:")
    };
    let found = server.send("/inferences/stream", &[NDJSON], &text);
    assert_eq!(found.status, 200);
    assert_eq!(found.text, answers(&[]));
    let path = "/inferences/stream?top_k=2&max_seq_len=96&doc_stride=8&handle_impossible_answer=true";
    let flags = ["--top-k", "2", "--max-seq-len", "96", "--doc-stride", "8", "--handle-impossible-answer"];
    assert_eq!(server.send(path, &[NDJSON], &text).text, answers(&flags));
}

#[test]
fn answers_flow_before_the_input_ends() {
    let server = Server::start(&[]);
    let mut upload = Upload::start(&server, "/inferences/stream");
    let mut answers = upload.rows();
    for id in 0..3 {
        let mut row = question();
        row["id"] = id.into();
        upload.send(&(row.to_string() + "\n"));
        // This waits for ever if the row waits for others, or its answer in a buffer.
        let answer = answers.next().unwrap();
        assert_eq!(answer["id"], id);
        assert!(answer["answer"].is_string(), "{answer}");
    }
    upload.end();
    drop(upload);
}

#[test]
fn many_rows_keep_their_order() {
    let server = Server::start(&["--batch-size", "3"]);
    let text: String = (0..3000)
        .map(|id| {
            let context = "The lighthouse was built in 1874. ".repeat(if id % 97 == 0 { 60 } else { 1 });
            let question = if id % 11 == 0 { "" } else { "When?" };
            json!({"id": id, "question": question, "context": context}).to_string() + "\n"
        })
        .collect();
    let found = rows(server.send("/inferences/stream", &[NDJSON], text.as_bytes()).text.as_bytes());
    assert_eq!(found.len(), 3000);
    for (id, row) in found.iter().enumerate() {
        assert_eq!(row["id"], id);
        assert_eq!(row["answer"].is_null(), id % 11 == 0, "{row}");
    }
    wait_until("rows are counted", || server.metric("bertqa_rows_total", &[]) == 3000.0);
    assert_eq!(
        server.metric("bertqa_rows_total", &["failed"]),
        found.iter().filter(|row| row["answer"].is_null()).count() as f64
    );
}

#[test]
fn csv_and_compressed_bodies() {
    let server = Server::start(&[]);
    let csv = ("content-type", "text/csv; charset=utf-8");
    let found = server.send("/inferences/stream", &[csv], b"n,question,context\n007,Who?,\"Ada, she did.\"\n");
    let found = rows(found.text.as_bytes());
    assert_eq!((found.len(), &found[0]["n"]), (1, &json!("007")));
    assert!(found[0]["answer"].is_string());
    let absent = server.send("/inferences/stream", &[csv], b"q,context\na,b\n");
    assert!(absent.error(422, "invalid").contains("question"));

    let line = question().to_string() + "\n";
    let packed = zstd::encode_all(line.repeat(5).as_bytes(), 1).unwrap();
    let found = server.send("/inferences/stream", &[NDJSON], &packed);
    assert_eq!(rows(found.text.as_bytes()).len(), 5);
}

#[test]
fn an_empty_body_has_an_empty_answer() {
    let server = Server::start(&[]);
    let found = server.send("/inferences/stream", &[NDJSON], b"");
    assert_eq!((found.status, found.text.as_str()), (200, ""));
}

#[test]
fn what_cannot_be_streamed_is_an_error() {
    let server = Server::start(&["--max-body-bytes", "2000"]);
    server
        .send("/inferences/stream", &[("content-type", "application/json")], b"{}")
        .error(415, "unsupported_media_type");
    for query in ["top_k=0", "top_k=101", "doc_stride=200", "nonsense=1", "align_to_words=2"] {
        server.send(&format!("/inferences/stream?{query}"), &[NDJSON], b"").error(422, "invalid");
    }
    // A line over the limit is a failed row, and those after it are answered.
    let text = format!("{{\"question\": \"{}\"}}\n{}\n", "x".repeat(3000), question());
    let found = rows(server.send("/inferences/stream", &[NDJSON], text.as_bytes()).text.as_bytes());
    assert!(found[0]["error"].as_str().unwrap().contains("body:1: the line is longer"), "{}", found[0]);
    assert!(found[1]["answer"].is_string());
}

#[test]
fn a_body_that_breaks_off_breaks_off_the_answer() {
    let server = Server::start(&["--body-timeout", "0.5"]);
    let mut upload = Upload::start(&server, "/inferences/stream");
    upload.send(&(question().to_string() + "\n"));
    let mut text = String::new();
    // The row is answered; then the connection ends without the end of the answer.
    upload.0.read_to_string(&mut text).unwrap();
    assert!(text.contains("\"answer\":"), "{text}");
    assert!(!text.ends_with("0\r\n\r\n"), "{text}");
    wait_until("it is logged", || server.log().iter().any(|line| line.contains("broken_off")));
}

/// Chunks that are none: the answer breaks off, and the server goes on, and ends when it is told to.
#[test]
fn chunks_that_are_malformed() {
    let mut server = Server::start(&["--body-timeout", "0.5"]);
    let row = question().to_string() + "\n";
    let size = row.len();
    for bad in [
        "xyz\r\n".to_owned(),
        "-1\r\nab".to_owned(),
        "ffffffffffffffffff\r\nab".to_owned(),
        format!("{:x}\r\n{row}no end of a line\r\n", size - 5),
        "\r\n\r\n".to_owned(),
        format!("5;{}\r\n", "x".repeat(100_000)),
    ] {
        for path in ["/inferences/stream", "/inferences"] {
            let media_type = if path == "/inferences" { "application/json" } else { "application/x-ndjson" };
            let headers = format!("content-type: {media_type}\r\ntransfer-encoding: chunked\r\n");
            let mut stream = server.connect();
            stream.write_all((head(path, &headers) + &format!("{size:x}\r\n{row}\r\n")).as_bytes()).unwrap();
            // It may be refused before all of it is sent.
            let _ = stream.write_all(bad.as_bytes());
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            let answer = String::from_utf8_lossy(&answer);
            assert!(!answer.ends_with("0\r\n\r\n"), "{bad:.20}: {answer}");
        }
    }
    server.post("/inferences", &question()).ok();
    wait_until("nothing is held", || server.metric("bertqa_buffered_bytes", &[]) == 0.0);
    server.signal("TERM");
    assert_eq!(server.ends(), 0);
}

#[test]
fn what_is_not_taken_is_not_read() {
    let server = Server::start(&["--batch-size", "1"]);
    let mut upload = Upload::start(&server, "/inferences/stream");
    upload.0.set_write_timeout(Some(std::time::Duration::from_secs(2))).unwrap();
    let mut row = question();
    row["padding"] = "x".repeat(100_000).into();
    let chunk = row.to_string() + "\n";
    // Nobody reads the answers. Writing stops when all buffers between here and there are full; there are some
    // megabytes of those in the system, and a bounded number of rows in the server.
    let mut sent = 0;
    while write!(upload.0, "{:x}\r\n{chunk}\r\n", chunk.len()).is_ok() {
        sent += 1;
        assert!(sent < 2000, "the server reads on");
    }
    // Others are answered.
    server.post("/inferences", &question()).ok();
}

#[test]
fn a_client_that_is_gone_frees_its_rows() {
    let server = Server::start(&[]);
    let mut upload = Upload::start(&server, "/inferences/stream");
    upload.send(&(question().to_string() + "\n"));
    assert!(upload.rows().next().is_some());
    drop(upload);
    wait_until("the request is over", || server.metric("bertqa_requests_in_flight", &[]) == 1.0);
    // Its answer was begun with 200, and nobody had the whole of it.
    let cut_off = |kind| server.metric("bertqa_errors_total", &[kind]);
    assert_eq!(cut_off("client_gone") + cut_off("broken_off"), 1.0);
}
