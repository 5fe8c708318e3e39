//! A server to ask, and ways to ask it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::tiny_model;

/// So long that only what never happens takes longer.
const FOREVER: Duration = Duration::from_secs(240);

/// Waits until something is so.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < FOREVER, "in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// `bertqa serve` on a free port, until it is dropped.
pub(crate) struct Server {
    child: Child,
    address: String,
    agent: ureq::Agent,
    log: Arc<Mutex<Vec<String>>>,
}

/// What a server says.
pub(crate) struct Response {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub text: String,
}

impl Response {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The answer of a request that went well.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()
    }

    /// Checks an error, and gives its message.
    #[track_caller]
    pub(crate) fn error(&self, status: u16, kind: &str) -> String {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), Some("application/json"));
        assert_eq!(self.json()["kind"], kind, "{}", self.text);
        let message = self.json()["error"].as_str().unwrap().to_owned();
        assert!(!message.contains("--"), "names a flag: {message}");
        message
    }
}

impl Server {
    /// A server with the tiny model that answers.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::with_model(&tiny_model(), options)
    }

    pub(crate) fn with_model(model: &Path, options: &[&str]) -> Self {
        let server = Self::spawn(&[&["--model", model.to_str().unwrap()], options].concat(), &[]);
        wait_until("the server is ready", || server.get("/ready").status == 200);
        server
    }

    /// A server that listens.
    pub(crate) fn spawn(options: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_bertqa"))
            .args(["serve", "--port", "0"])
            .args(options)
            .env_remove("BERTQA_MODEL")
            .env("BERTQA_THREADS", "2")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let stderr = BufReader::new(child.stderr.take().unwrap());
        thread::spawn({
            let log = log.clone();
            move || stderr.lines().map_while(Result::ok).for_each(|line| log.lock().unwrap().push(line))
        });
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_idle_connections(0)
            .timeout_global(Some(FOREVER))
            .build();
        let mut server = Self { child, address: String::new(), agent: config.into(), log };
        wait_until("the server listens", || {
            let line = server.log.lock().unwrap().iter().find(|line| line.contains("listening on")).cloned();
            let address = line.and_then(|line| {
                let (_, address) = line.split_once("http://")?;
                Some(address.trim_end_matches(['"', '}']).split('"').next()?.to_owned())
            });
            address.is_some_and(|address| {
                server.address = address;
                true
            })
        });
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.get_with(path, &[])
    }

    pub(crate) fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let request = self.agent.get(self.url(path));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        response(request.call().unwrap())
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Response {
        self.send(path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    pub(crate) fn send(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        let request = self.agent.post(self.url(path));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        response(request.send(body).unwrap())
    }

    /// A connection on which anything may be said.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(FOREVER)).unwrap();
        stream
    }

    /// A connection on which a request is sent, whose answer is not waited for.
    pub(crate) fn post_raw(&self, path: &str, body: &str) -> TcpStream {
        let mut stream = self.connect();
        let head = head(path, &format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
        stream.write_all((head + body).as_bytes()).unwrap();
        stream
    }

    /// The sum of a metric over those of its labels that have all of `labels`.
    pub(crate) fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.get("/metrics").text;
        let lines = text.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' '])) && labels.iter().all(|label| line.contains(label))
        });
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    /// The lines on stderr so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("sh").args(["-c", &format!("kill -{signal} {}", self.child.id())]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the end, and gives the exit status.
    #[track_caller]
    pub(crate) fn ends(&mut self) -> i32 {
        let mut status = None;
        wait_until("the server ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().code().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let log = self.log();
            eprintln!("{}", log[log.len().saturating_sub(50)..].join("\n"));
        }
    }
}

fn response(mut response: ureq::http::Response<ureq::Body>) -> Response {
    Response {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        text: response.body_mut().with_config().limit(1 << 30).read_to_string().unwrap(),
    }
}

/// The head of a POST request.
pub(crate) fn head(path: &str, headers: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: test\r\n{headers}\r\n")
}

/// The status of an answer that ends with its connection, and all of its text.
#[track_caller]
pub(crate) fn read_raw(stream: &mut TcpStream) -> (u16, String) {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let status = text.split(' ').nth(1).unwrap_or_else(|| panic!("no answer: {text:?}")).parse().unwrap();
    (status, text)
}

pub(crate) fn question() -> Value {
    json!({"question": "Who built it?", "context": "Ada built the lighthouse on the island."})
}

/// A row of about as many windows of the tiny model, which is much work where there are many.
pub(crate) fn heavy(windows: usize) -> Value {
    let sentence = "Ada built the lighthouse on the island in 1874. ";
    let context = sentence.repeat(windows * 14 / 5);
    json!({"question": "Who built it?", "context": context, "doc_stride": 0, "max_seq_len": 64})
}

pub(crate) fn heavy_list(rows: usize, windows: usize) -> String {
    Value::from(vec![heavy(windows); rows]).to_string()
}
