//! Hubs that lie, stall or break off: nothing is written outside the cache, nothing broken is kept, and nobody waits
//! for ever.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use assert_cmd::Command;

use crate::support::{bertqa, ends, rows, stderr, tiny_model};

const ROW: &str = "{\"question\":\"Who?\",\"context\":\"Ada did.\"}\n";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What a hub is asked.
struct Request<'a> {
    file: &'a str,
    /// Whether only the first byte is asked for, for what is said beside it.
    first_byte: bool,
    /// Whether it is asked for with a token.
    with_token: bool,
    /// How many requests came before.
    number: usize,
}

struct Hub {
    endpoint: String,
    asked: Arc<AtomicUsize>,
}

impl Hub {
    /// `answer` writes the answer, after which the connection ends.
    fn start(answer: impl Fn(&Request, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let (answer, counter) = (Arc::new(answer), asked.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (answer, counter) = (answer.clone(), counter.clone());
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                    let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
                    let Some(path) = head.first().and_then(|line| line.split(' ').nth(1)) else { return };
                    let has = |header: &str| head.iter().any(|line| line.to_ascii_lowercase().starts_with(header));
                    let request = Request {
                        file: path.rsplit('/').next().unwrap(),
                        first_byte: has("range: bytes=0-0"),
                        with_token: has("authorization: "),
                        number: counter.fetch_add(1, Ordering::Relaxed),
                    };
                    answer(&request, &mut stream);
                });
            }
        });
        Self { endpoint, asked }
    }

    fn command(&self, home: &Path) -> Command {
        let mut command = bertqa();
        command.args(["stdin", "--model", "org/name", "--precision", "f32"]).write_stdin(ROW);
        command.env("HF_HOME", home).env("HF_ENDPOINT", &self.endpoint).env("HF_TOKEN", "secret");
        command.env("HF_HUB_ETAG_TIMEOUT", "1").env("HF_HUB_DOWNLOAD_TIMEOUT", "1");
        command.env_remove("HF_HUB_CACHE").env_remove("HF_HUB_OFFLINE");
        command
    }
}

/// What a hub that tells the truth has.
fn body(file: &str) -> Option<Vec<u8>> {
    fs::read(tiny_model().join(file)).ok()
}

fn write(stream: &mut TcpStream, status: &str, headers: &[(&str, &str)], body: &[u8]) {
    let mut head = format!("HTTP/1.1 {status}\r\nconnection: close\r\n");
    headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
    let _ = stream.write_all(&[head.as_bytes(), b"\r\n", body].concat());
}

/// As a true hub, but for the headers that are given instead.
fn answer(request: &Request, stream: &mut TcpStream, instead: &[(&str, &str)]) {
    let Some(body) = body(request.file) else { return write(stream, "404 Not Found", &[("content-length", "0")], &[]) };
    let etag = format!("\"{}\"", request.file);
    let (length, range) = (body.len().to_string(), format!("bytes 0-0/{}", body.len()));
    let mut headers = vec![("x-repo-commit", COMMIT), ("etag", &*etag)];
    let (status, body) = if request.first_byte {
        headers.extend([("content-length", "1"), ("content-range", &*range)]);
        ("206 Partial Content", &body[..1])
    } else {
        headers.push(("content-length", &*length));
        ("200 OK", &body[..])
    };
    headers.retain(|(name, _)| instead.iter().all(|(other, _)| other != name));
    headers.extend(instead.iter().filter(|(_, value)| !value.is_empty()));
    write(stream, status, &headers, body);
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<String> = entries
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() { files(&path) } else { vec![path.display().to_string()] }
        })
        .collect();
    found.sort();
    found
}

/// The run fails with the message, and then goes well with a hub that is true: nothing broken was kept.
#[track_caller]
fn assert_refused(hub: &Hub, home: &Path, message: &str) {
    let output = ends(hub.command(home), 2);
    assert!(stderr(&output).contains(message), "{}", stderr(&output));
    let kept = home.join("hub/models--org--name/snapshots").join(COMMIT).join("model.safetensors");
    assert!(!kept.exists());
    let honest = Hub::start(|request, stream| answer(request, stream, &[]));
    assert!(rows(&ends(honest.command(home), 0).stdout)[0]["answer"].is_string());
}

#[test]
fn names_that_lead_out_of_the_cache() {
    let absolute = tempfile::tempdir().unwrap().path().join("x").display().to_string();
    for (header, value) in [
        ("etag", "\"../../../../../outside\""),
        ("etag", absolute.as_str()),
        ("x-repo-commit", "../../../../outside"),
        ("x-repo-commit", absolute.as_str()),
        ("x-linked-etag", "\"../outside\""),
    ] {
        let root = tempfile::tempdir().unwrap();
        let home = root.path().join("home");
        let value = value.to_owned();
        let hub = Hub::start(move |request, stream| answer(request, stream, &[(header, &value)]));
        let message = format!("the header {} is missing or unusable", header.replace("x-linked-", ""));
        let output = ends(hub.command(&home), 2);
        assert!(stderr(&output).contains(&message), "{}", stderr(&output));
        assert_eq!(files(root.path()), Vec::<String>::new());
        assert!(!Path::new(&absolute).exists());
    }
}

#[test]
fn revisions_that_lead_out_of_the_cache() {
    let hub = Hub::start(|request, stream| answer(request, stream, &[]));
    let root = tempfile::tempdir().unwrap();
    for revision in ["../../x", "/etc/x", "a/../../../x", "x y"] {
        let mut command = hub.command(&root.path().join("home"));
        command.args(["--revision", revision]);
        let output = ends(command, 2);
        assert!(stderr(&output).contains("is not the name of a branch, tag or commit"), "{}", stderr(&output));
    }
    assert_eq!(files(root.path()), Vec::<String>::new());
    assert_eq!(hub.asked.load(Ordering::Relaxed), 0);
}

#[test]
fn downloads_that_are_not_the_file() {
    /// Says how it answers for the weights instead of the truth, and what is said of it.
    type Case = (&'static str, fn(&Request, &mut TcpStream));
    let cases: [Case; 5] = [
        ("bytes, and should have", |request, stream| match (request.file, body(request.file)) {
            ("model.safetensors", Some(body)) if !request.first_byte => {
                write(stream, "200 OK", &[("content-length", "100")], &body[..100]);
            }
            _ => answer(request, stream, &[]),
        }),
        // Cut, and without a length.
        ("bytes, and should have", |request, stream| match (request.file, body(request.file)) {
            ("model.safetensors", Some(body)) if !request.first_byte => write(stream, "200 OK", &[], &body[..100]),
            _ => answer(request, stream, &[]),
        }),
        // Nothing says how long it is.
        ("content-length is missing", |request, stream| match (request.file, body(request.file)) {
            ("model.safetensors", Some(body)) => {
                let headers: &[_] = if request.first_byte {
                    &[("x-repo-commit", COMMIT), ("etag", "x"), ("content-length", "1")]
                } else {
                    &[]
                };
                write(stream, "200 OK", headers, if request.first_byte { &body[..1] } else { &body[..100] });
            }
            _ => answer(request, stream, &[]),
        }),
        // A proxy that wants a login.
        ("does not answer as a hub does", |request, stream| {
            if request.file == "model.safetensors" {
                write(stream, "200 OK", &[("content-length", "5")], b"login");
            } else {
                answer(request, stream, &[]);
            }
        }),
        ("has another content than the hub says", |request, stream| match request.file {
            "model.safetensors" => answer(request, stream, &[("x-linked-etag", &"ab".repeat(32))]),
            _ => answer(request, stream, &[]),
        }),
    ];
    for (message, answer) in cases {
        let home = tempfile::tempdir().unwrap();
        assert_refused(&Hub::start(answer), home.path(), message);
    }
}

/// A proxy that sends its page with everything that a hub says of a file.
#[test]
fn a_page_with_the_headers_of_a_file() {
    const PAGE: &[u8] = b"<!doctype html><title>Log in</title>";
    for (file, etag, kind, message) in [
        ("config.json", "\"some\"", "text/plain", "it is not JSON"),
        ("model.safetensors", "\"some\"", "text/plain", "it is not of the format safetensors"),
        ("config.json", "\"some\"", "text/html; charset=utf-8", "the header content-type is missing or unusable"),
        ("config.json", "\"0123456789abcdef0123456789abcdef01234567\"", "text/plain", "its hash is not the one"),
        ("model.safetensors", "\"0123456789abcdef0123456789abcdef01234567\"", "text/plain", "its hash is not the one"),
    ] {
        let hub = Hub::start(move |request, stream| {
            if request.file != file {
                return answer(request, stream, &[]);
            }
            let (length, range) = (PAGE.len().to_string(), format!("bytes 0-0/{}", PAGE.len()));
            let headers = [("x-repo-commit", COMMIT), ("etag", etag), ("content-type", kind)];
            if request.first_byte {
                let more = [("content-length", "1"), ("content-range", &*range)];
                write(stream, "206 Partial Content", &[&headers[..], &more].concat(), &PAGE[..1]);
            } else {
                write(stream, "200 OK", &[&headers[..], &[("content-length", &*length)]].concat(), PAGE);
            }
        });
        let home = tempfile::tempdir().unwrap();
        let said = ends(hub.command(home.path()), 2);
        assert!(stderr(&said).contains(message), "{file}: {}", stderr(&said));
        assert!(stderr(&said).contains(file), "{file}: {}", stderr(&said));
        let kept = home.path().join("hub/models--org--name/snapshots").join(COMMIT).join(file);
        assert!(!kept.exists());
        // Nothing of it is in the way of a hub that is true.
        let honest = Hub::start(move |request, stream| match request.file {
            name if name == file => answer(request, stream, &[("etag", etag)]),
            _ => answer(request, stream, &[]),
        });
        let status = if message.contains("its hash") { 2 } else { 0 };
        ends(honest.command(home.path()), status);
    }
}

#[test]
fn a_hub_that_stalls() {
    let cases: [fn(&Request, &mut TcpStream); 2] = [
        |_, _| thread::sleep(Duration::from_secs(600)),
        |request, stream| match request.file {
            "model.safetensors" if !request.first_byte => {
                write(stream, "200 OK", &[("content-length", "100000000")], b"a beginning");
                thread::sleep(Duration::from_secs(600));
            }
            _ => answer(request, stream, &[]),
        },
    ];
    for answer in cases {
        let (hub, home) = (Hub::start(answer), tempfile::tempdir().unwrap());
        let began = Instant::now();
        let output = ends(hub.command(home.path()), 2);
        assert!(stderr(&output).contains("model.safetensors of org/name cannot be fetched"), "{}", stderr(&output));
        assert!(began.elapsed() < Duration::from_secs(120));
    }
}

#[test]
fn redirections() {
    for (location, message) in [
        (None, "the header location is missing"),
        (Some("/org/name/resolve/main/model.safetensors"), "without end"),
        (Some("ftp://elsewhere/x"), "the header location is missing"),
    ] {
        let hub = Hub::start(move |_, stream| {
            let headers: Vec<_> = location.iter().map(|location| ("location", *location)).collect();
            write(stream, "302 Found", &headers, &[]);
        });
        let home = tempfile::tempdir().unwrap();
        let output = ends(hub.command(home.path()), 2);
        assert!(stderr(&output).contains(message), "{}", stderr(&output));
        assert!(hub.asked.load(Ordering::Relaxed) < 50);
    }
}

#[test]
fn the_place_of_the_content_does_not_see_the_token() {
    let content = Hub::start(|request, stream| {
        assert!(!request.with_token);
        let body = body(request.file).unwrap();
        write(stream, "200 OK", &[("content-length", &body.len().to_string())], &body);
    });
    let place = content.endpoint.clone();
    let hub = Hub::start(move |request, stream| {
        assert!(request.with_token);
        match (request.file, body(request.file)) {
            ("model.safetensors", Some(body)) => {
                let (location, size) = (format!("{place}/model.safetensors"), body.len().to_string());
                let headers = [
                    ("location", &*location),
                    ("x-repo-commit", COMMIT),
                    ("x-linked-etag", "\"weights\""),
                    ("x-linked-size", &*size),
                ];
                write(stream, "302 Found", &headers, &[]);
            }
            _ => answer(request, stream, &[]),
        }
    });
    let home = tempfile::tempdir().unwrap();
    assert!(rows(&ends(hub.command(home.path()), 0).stdout)[0]["answer"].is_string());
    assert_eq!(content.asked.load(Ordering::Relaxed), 1);
}

#[test]
fn a_download_that_breaks_off_goes_on() {
    let hub = Hub::start(|request, stream| match (request.file, body(request.file)) {
        ("model.safetensors", Some(body)) if !request.first_byte && request.number < 4 => {
            let length = body.len().to_string();
            write(stream, "200 OK", &[("content-length", &length)], &body[..1000]);
        }
        _ => answer(request, stream, &[]),
    });
    let home = tempfile::tempdir().unwrap();
    assert!(rows(&ends(hub.command(home.path()), 0).stdout)[0]["answer"].is_string());
}
