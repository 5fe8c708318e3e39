//! `bertqa health`, which containers ask whether their server answers.

use crate::serve::support::Server;
use crate::support::{bertqa, ends, stderr};

/// What it says with these options and variables, on the stream that is for this status.
#[track_caller]
fn health(options: &[&str], environment: &[(&str, &str)], status: i32) -> String {
    let mut command = bertqa();
    command.arg("health").args(options).envs(environment.iter().copied());
    let output = ends(command, status);
    match status {
        0 => String::from_utf8(output.stdout).unwrap(),
        _ => stderr(&output).to_owned(),
    }
}

#[test]
fn a_server_that_answers_is_healthy() {
    let server = Server::start(&["--api-key", "secret"]);
    let url = server.url("");
    let port = url.rsplit_once(':').unwrap().1;
    // As `serve` reads them in a container, and by no proxy.
    let environment = [("BERTQA_HOST", "0.0.0.0"), ("BERTQA_PORT", port), ("http_proxy", "http://127.0.0.1:1")];
    assert_eq!(health(&[], &environment, 0), format!("{url}/ready: {{\"status\":\"ready\"}}\n"));
    health(&["--port", port], &[], 0);
    health(&["--url", &format!("{url}/")], &environment[..1], 0);
}

#[test]
fn a_server_that_loads_its_model_is_not() {
    // What it fetches never comes.
    let hub = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (folder, endpoint) = (tempfile::tempdir().unwrap(), format!("http://{}", hub.local_addr().unwrap()));
    let environment = [("HF_HOME", folder.path().to_str().unwrap()), ("HF_ENDPOINT", &endpoint)];
    let server = Server::spawn(&["--model", "org/name"], &environment);
    let said = health(&["--url", &server.url("")], &[], 1);
    assert!(said.contains("/ready: status 503: ") && said.contains("hint: "), "{said}");
}

#[test]
fn nobody_is_not_either() {
    let said = health(&["--port", "1"], &[], 1);
    assert!(said.contains("http://127.0.0.1:1/ready: ") && said.contains("--port"), "{said}");

    // One who listens and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port().to_string();
    health(&["--port", &port, "--timeout", "1"], &[], 1);
}
