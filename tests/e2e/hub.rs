//! Models of the hub, from a local server that plays it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::models::without_tokenizer_json;
use crate::support::{assert_hint, bertqa, ends, project, rows, stderr, tiny_model};

const ROW: &str = "{\"question\":\"Who?\",\"context\":\"Ada did.\"}\n";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Paths that were asked for, each with its token.
type Asked = Arc<Mutex<Vec<(String, Option<String>)>>>;

/// Serves a folder as `org/name`, and notes what it was asked, with the token.
struct Hub {
    endpoint: String,
    asked: Asked,
}

impl Hub {
    fn start(folder: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let asked = Asked::default();
        thread::spawn({
            let asked = asked.clone();
            move || {
                for stream in listener.incoming() {
                    let (asked, folder) = (asked.clone(), folder.clone());
                    thread::spawn(move || serve(stream.unwrap(), &folder, &asked));
                }
            }
        });
        Self { endpoint, asked }
    }
}

fn serve(stream: TcpStream, folder: &Path, asked: &Asked) {
    let mut writer = stream.try_clone().unwrap();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    while let Some(request) = lines.next() {
        let path = request.split(' ').nth(1).unwrap().to_owned();
        let (mut token, mut range) = (None, None);
        for header in lines.by_ref().take_while(|line| !line.is_empty()) {
            let (name, value) = header.split_once(": ").unwrap();
            match name.to_ascii_lowercase().as_str() {
                "authorization" => token = Some(value.to_owned()),
                "range" => range = Some(value.to_owned()),
                _ => {}
            }
        }
        asked.lock().unwrap().push((path.clone(), token));
        let body = path
            .strip_prefix("/org/name/resolve/")
            .and_then(|rest| rest.split_once('/'))
            .filter(|(revision, _)| matches!(*revision, "main" | "v2"))
            .and_then(|(_, name)| fs::read(folder.join(name)).ok());
        let answer = match (body, range) {
            (None, _) => b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec(),
            (Some(body), range) => {
                let (status, part, extra) = match range.and_then(|range| bounds(&range, body.len())) {
                    Some((first, last)) => {
                        let extra = format!("content-range: bytes {first}-{last}/{}\r\n", body.len());
                        ("206 Partial Content", &body[first..=last], extra)
                    }
                    None => ("200 OK", &body[..], String::new()),
                };
                let etag = path.replace('/', "-");
                let head = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\n{extra}x-repo-commit: {COMMIT}\r\netag: \"{etag}\"\r\n\r\n",
                    part.len()
                );
                [head.as_bytes(), part].concat()
            }
        };
        if writer.write_all(&answer).is_err() {
            return;
        }
    }
}

fn bounds(range: &str, length: usize) -> Option<(usize, usize)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    Some((first.parse().ok()?, last.parse().unwrap_or(length - 1).min(length - 1)))
}

#[test]
fn a_model_is_fetched_once() {
    let hub = Hub::start(tiny_model());
    let home = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = bertqa();
        command.args(["stdin", "--model", "org/name"]).args(arguments).write_stdin(ROW);
        command.env("HF_HOME", home.path()).env("HF_ENDPOINT", &hub.endpoint).env("HF_TOKEN", "secret");
        command.env_remove("HF_HUB_CACHE").env_remove("HF_HUB_OFFLINE").envs(variables.iter().copied());
        command
    };

    // Nothing is in the cache yet.
    let output = ends(run(&[], &[("HF_HUB_OFFLINE", "1")]), 2);
    assert!(stderr(&output).contains("hint: unset HF_HUB_OFFLINE"), "{}", stderr(&output));
    assert!(hub.asked.lock().unwrap().is_empty());

    assert!(rows(&ends(run(&[], &[]), 0).stdout)[0]["answer"].is_string());
    let asked = hub.asked.lock().unwrap().clone();
    assert!(asked.iter().any(|(path, _)| path == "/org/name/resolve/main/model.safetensors"), "{asked:?}");
    assert!(asked.iter().all(|(_, token)| token.as_deref() == Some("Bearer secret")), "{asked:?}");

    ends(run(&[], &[("HF_HUB_OFFLINE", "1")]), 0);
    assert_eq!(hub.asked.lock().unwrap().len(), asked.len(), "the cache is used");

    ends(run(&["--revision", "v2"], &[]), 0);
    let asked = hub.asked.lock().unwrap().clone();
    assert!(asked.iter().any(|(path, _)| path == "/org/name/resolve/v2/model.safetensors"), "{asked:?}");
}

#[test]
fn a_damaged_file_of_the_cache_is_named_and_can_be_fetched_again() {
    let hub = Hub::start(tiny_model());
    let home = tempfile::tempdir().unwrap();
    let command = |arguments: &[&str]| {
        let mut command = bertqa();
        command.args(arguments).args(["org/name"]).write_stdin(ROW);
        command.env("HF_HOME", home.path()).env("HF_ENDPOINT", &hub.endpoint);
        command.env_remove("HF_HUB_CACHE").env_remove("HF_HUB_OFFLINE");
        command
    };
    let folder = home.path().join("hub/models--org--name");
    for file in ["config.json", "model.safetensors", "tokenizer.json"] {
        ends(command(&["stdin", "--model"]), 0);
        fs::write(folder.join("snapshots").join(COMMIT).join(file), "<!doctype html><title>Log in</title>").unwrap();
        for arguments in [&["stdin", "--model"][..], &["models", "check"]] {
            let said = stderr(&ends(command(arguments), 2)).to_owned();
            let named = format!("the files in {}: ", folder.display());
            assert!(said.contains(&named) && said.contains(file), "{said}");
            assert!(said.contains(&format!("rm -r '{}'", folder.display())), "{said}");
        }
        // As it says.
        fs::remove_dir_all(&folder).unwrap();
    }
    ends(command(&["stdin", "--model"]), 0);
}

#[test]
fn a_model_without_tokenizer_json() {
    let folder = without_tokenizer_json("roberta");
    let hub = Hub::start(folder.path().to_owned());
    let home = tempfile::tempdir().unwrap();
    for offline in ["", "1"] {
        let mut command = bertqa();
        command.args(["stdin", "--model", "org/name"]).write_stdin(ROW);
        command.env("HF_HOME", home.path()).env("HF_ENDPOINT", &hub.endpoint).env_remove("HF_HUB_CACHE");
        command.env("HF_HUB_OFFLINE", offline);
        assert!(rows(&ends(command, 0).stdout)[0]["answer"].is_string());
    }
}

#[test]
fn a_model_that_is_not_there() {
    let hub = Hub::start(tiny_model());
    let home = tempfile::tempdir().unwrap();
    let mut command = bertqa();
    command.args(["stdin", "--model", "org/other"]);
    command.env("HF_HOME", home.path()).env("HF_ENDPOINT", &hub.endpoint).env_remove("HF_HUB_OFFLINE");
    assert_hint(command, "org/other has no model.safetensors on the hub", "HF_TOKEN");
}

#[test]
fn weights_of_torch_in_several_files() {
    let folder = tempfile::tempdir().unwrap();
    for (from, names) in [
        ("families/bert", &["config.json", "tokenizer.json", "tokenizer_config.json"][..]),
        (
            "weights/sharded",
            &["pytorch_model.bin.index.json", "pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"],
        ),
    ] {
        for name in names {
            fs::copy(project("tests/fixtures").join(from).join(name), folder.path().join(name)).unwrap();
        }
    }
    let hub = Hub::start(folder.path().to_owned());
    let home = tempfile::tempdir().unwrap();
    let run = || {
        let mut command = bertqa();
        command.args(["stdin", "--model", "org/name", "--precision", "f32"]).write_stdin(ROW);
        command.env("HF_HOME", home.path()).env("HF_ENDPOINT", &hub.endpoint);
        command.env_remove("HF_HUB_CACHE").env_remove("HF_HUB_OFFLINE");
        ends(command, 0)
    };
    let output = run();
    assert!(rows(&output.stdout)[0]["answer"].is_string());
    assert!(stderr(&output).contains("the weights are those of pytorch_model.bin.index.json"), "{}", stderr(&output));
    let weights = |from: usize| {
        let asked = hub.asked.lock().unwrap();
        asked[from..].iter().filter(|(path, _)| path.contains("model")).count()
    };
    assert!(weights(0) >= 6, "the best files are asked for first");
    let before = hub.asked.lock().unwrap().len();
    run();
    assert_eq!(weights(before), 0, "what is in the cache is not looked for");
}
