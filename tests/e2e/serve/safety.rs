//! Keys, other origins, request ids, metrics and logs.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::support::{Server, question, wait_until};

#[test]
fn a_key_is_asked_for() {
    let server =
        Server::spawn(&["--model", crate::support::tiny_model().to_str().unwrap()], &[("BERTQA_API_KEY", "s3cret")]);
    wait_until("the server is ready", || server.get("/ready").status == 200);
    for open in ["/health", "/ready", "/ping", "/", "/page/app.js", "/docs/", "/openapi.json"] {
        assert_eq!(server.get(open).status, 200, "{open}");
    }
    let body = question().to_string();
    let json = ("content-type", "application/json");
    for path in ["/inferences", "/", "/predict", "/invocations", "/inferences/stream"] {
        let refused = server.send(path, &[json], body.as_bytes());
        refused.error(401, "unauthorized");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    }
    for path in ["/info", "/metrics"] {
        server.get(path).error(401, "unauthorized");
        assert_eq!(server.get_with(path, &[("x-api-key", "s3cret")]).status, 200);
    }
    for (name, value) in [
        ("x-api-key", "s3cre"),
        ("x-api-key", "s3cret2"),
        ("x-api-key", ""),
        ("authorization", "s3cret"),
        ("authorization", "Basic s3cret"),
        ("authorization", "Bearer wrong"),
        ("authorization", "Bearer"),
    ] {
        server.send("/inferences", &[json, (name, value)], body.as_bytes()).error(401, "unauthorized");
    }
    for key in [("x-api-key", "s3cret"), ("authorization", "Bearer s3cret"), ("authorization", "bearer s3cret")] {
        server.send("/inferences", &[json, key], body.as_bytes()).ok();
    }
    assert!(!server.log().iter().any(|line| line.contains("s3cret")));
}

/// The status of an answer to a request by some name.
fn asked_by(server: &Server, host: &str) -> String {
    let mut stream = server.connect();
    stream.write_all(format!("GET /health HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn a_local_server_is_asked_by_local_names() {
    let server = Server::start(&["--allowed-host", "qa.example.org"]);
    for host in [
        "localhost",
        "LOCALHOST:8080",
        "127.0.0.1:80",
        "127.1.2.3",
        "[::1]:8080",
        "a.localhost",
        "a-service",
        "QA.example.org:1",
    ] {
        assert_eq!(asked_by(&server, host), "200", "{host}");
    }
    for host in ["example.org", "qa.example.org.evil.com", "127.0.0.1.evil.com", "localhost.evil.com:80", "8.8.8.8"] {
        assert_eq!(asked_by(&server, host), "421", "{host}");
    }
    assert_eq!(asked_by(&Server::start(&["--allowed-host", "*"]), "example.org"), "200");
    assert_eq!(asked_by(&Server::start(&["--host", "0.0.0.0"]), "example.org"), "200");
}

/// The status of an answer to a request with this request line and these headers.
fn status_of(server: &Server, head: &str) -> String {
    let mut stream = server.connect();
    stream.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn a_request_names_its_host_once() {
    for server in [Server::start(&[]), Server::start(&["--allowed-host", "*"])] {
        for head in [
            "GET /health HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n",
            "GET /health HTTP/1.1\r\nhost: localhost\r\nhost: evil.com\r\n",
            "GET /health HTTP/1.1\r\nhost:\r\n",
            "GET /health HTTP/1.1\r\nhost:  \r\n",
            "GET /health HTTP/1.1\r\n",
            "GET http://localhost/health HTTP/1.1\r\n",
            "GET /health HTTP/1.0\r\nhost: a\r\nhost: a\r\n",
        ] {
            assert_eq!(status_of(&server, head), "400", "{head}");
        }
        for head in [
            "GET /health HTTP/1.1\r\nhost: localhost\r\n",
            "GET http://localhost/health HTTP/1.1\r\nhost:\r\n",
            "GET /health HTTP/1.0\r\n",
        ] {
            assert_eq!(status_of(&server, head), "200", "{head}");
        }
    }
}

#[test]
fn other_origins_are_let_in_by_name_only() {
    let origin = ("origin", "https://example.org");
    let allowed = "access-control-allow-origin";
    let closed = Server::start(&[]);
    assert_eq!(closed.get_with("/health", &[origin]).header(allowed), None);

    let server = Server::start(&["--cors-origin", "https://example.org", "--cors-origin", "http://localhost:3000"]);
    assert_eq!(server.get_with("/health", &[origin]).header(allowed), Some("https://example.org"));
    assert_eq!(server.get_with("/health", &[("origin", "https://example.com")]).header(allowed), None);
    // An error has to be readable too.
    assert_eq!(server.get_with("/absent", &[origin]).header(allowed), Some("https://example.org"));

    let any = Server::start(&["--cors-origin", "*"]);
    assert_eq!(any.get_with("/health", &[origin]).header(allowed), Some("*"));
}

#[test]
fn preflights_need_no_key() {
    use std::io::Write;
    let server = Server::start(&["--cors-origin", "https://example.org", "--api-key", "k"]);
    let mut stream = server.connect();
    let head = "OPTIONS /inferences HTTP/1.1\r\nhost: test\r\norigin: https://example.org\r\n\
        access-control-request-method: POST\r\naccess-control-request-headers: content-type,x-api-key\r\n\
        connection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let (status, text) = super::support::read_raw(&mut stream);
    assert_eq!(status, 200, "{text}");
    assert!(text.contains("access-control-allow-headers") && text.contains("x-api-key"), "{text}");
}

#[test]
fn request_ids_come_back() {
    let server = Server::start(&[]);
    let id =
        |sent: &str| server.get_with("/health", &[("x-request-id", sent)]).header("x-request-id").unwrap().to_owned();
    assert_eq!(id("abc-123_4.5:6"), "abc-123_4.5:6");
    for bad in ["", "a b", "a\"b", &"x".repeat(129)] {
        let new = id(bad);
        assert_eq!(new.len(), 36, "{bad}: {new}");
    }
    assert_ne!(server.get("/health").header("x-request-id"), server.get("/health").header("x-request-id"));
    assert!(server.get("/absent").header("x-request-id").is_some());
}

#[test]
fn one_line_a_request() {
    let server = Server::start(&["--log-format", "json"]);
    let json = ("content-type", "application/json");
    let list = Value::from(vec![question(); 3]).to_string();
    server.send("/inferences", &[json, ("x-request-id", "good")], list.as_bytes()).ok();
    server.send("/inferences", &[json, ("x-request-id", "bad")], b"{\"a\\nb\": 1}").error(422, "invalid");
    let lines = |id: &str| -> Vec<Value> {
        let log = server.log();
        let lines = log.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")));
        lines.filter(|line: &Value| line["id"] == id).collect()
    };
    wait_until("both are logged", || !lines("good").is_empty() && !lines("bad").is_empty());
    let (good, bad) = (lines("good"), lines("bad"));
    assert_eq!((good.len(), bad.len()), (1, 1));
    assert_eq!((&good[0]["method"], &good[0]["path"]), (&"POST".into(), &"/inferences".into()));
    assert_eq!((&good[0]["status"], &good[0]["rows"], &good[0]["level"]), (&200.into(), &3.into(), &"INFO".into()));
    assert!(good[0]["milliseconds"].as_f64().unwrap() > 0.0);
    assert_eq!(
        (&bad[0]["status"], &bad[0]["kind"], &bad[0]["level"]),
        (&422.into(), &"invalid".into(), &"WARN".into())
    );
}

#[test]
fn metrics_tell_what_happened() {
    let server = Server::start(&["--batch-size", "4"]);
    let before = server.metric("bertqa_tokens_total", &[]);
    server.post("/inferences", &vec![question(); 8].into()).ok();
    server.post("/inferences", &serde_json::json!([{"question": "", "context": "x"}])).ok();
    server.post("/inferences", &serde_json::json!({"question": "a"})).error(422, "invalid");
    server.get("/made-up").error(404, "not_found");
    let route = ["method=\"POST\"", "route=\"/inferences\""];
    wait_until("requests are counted", || {
        server.metric("bertqa_requests_total", &route) == 3.0
            && server.metric("bertqa_requests_total", &["none", "404"]) == 1.0
    });
    assert_eq!(server.metric("bertqa_requests_total", &["\"/inferences\"", "status=\"422\""]), 1.0);
    assert_eq!(server.metric("bertqa_rows_total", &["answered"]), 8.0);
    assert_eq!(server.metric("bertqa_rows_total", &["failed"]), 1.0);
    assert_eq!(server.metric("bertqa_errors_total", &["invalid"]), 1.0);
    assert_eq!(server.metric("bertqa_request_seconds_count", &["\"/inferences\""]), 3.0);
    // One of the rows is the one that warms up.
    assert_eq!(server.metric("bertqa_queue_wait_seconds_count", &[]), 9.0);
    assert_eq!(server.metric("bertqa_queue_rows", &[]), 0.0);
    assert_eq!(server.metric("bertqa_requests_in_flight", &[]), 1.0);
    assert!(server.metric("bertqa_tokens_total", &[]) > before);
    let passes = server.metric("bertqa_forward_seconds_count", &[]);
    assert!((3.0..=9.0).contains(&passes), "{passes}");
    assert_eq!(server.metric("bertqa_batch_fill_sum", &[]), 9.0 / 4.0);
}

/// A reader of stderr that stops reading stops nothing else.
#[test]
fn a_log_that_nobody_reads() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_bertqa"))
        .args(["serve", "--port", "0", "--model", crate::support::tiny_model().to_str().unwrap()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let address = log.find_map(|line| Some(line.split_once("listening on http://")?.1.to_owned())).unwrap();
    assert!(log.any(|line| line.contains("ready: ")));
    // Each line names its path: far more than a pipe holds.
    let path = format!("/{}", "x".repeat(4000));
    for _ in 0..100 {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    }
    let killed = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(killed.success());
    wait_until("the server ends", || child.try_wait().unwrap().is_some());
}
