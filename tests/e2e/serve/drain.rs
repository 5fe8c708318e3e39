//! The beginning and the end of a server.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::thread;

use serde_json::{Value, json};

use super::support::{Server, head, heavy, heavy_list, question, read_raw, wait_until};
use crate::support::{ends, stderr, tiny};

#[test]
fn it_listens_while_the_model_is_loaded() {
    // A hub that takes for ever.
    let hub = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", hub.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let environment = [("HF_ENDPOINT", endpoint.as_str()), ("HF_HOME", folder.path().to_str().unwrap())];
    let mut server = Server::spawn(&["--model", "someone/something"], &environment);
    assert_eq!(server.get("/health").status, 200);
    for path in ["/ready", "/info", "/ping"] {
        server.get(path).error(503, "not_ready");
    }
    let refused = server.post("/inferences", &question());
    refused.error(503, "not_ready");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(server.get("/").status, 200);
    server.signal("TERM");
    assert_eq!(server.ends(), 0);
}

#[test]
fn a_model_that_cannot_be_loaded_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = crate::support::bertqa();
    command.args(["serve", "--port", "0", "--model"]).arg(folder.path());
    assert!(stderr(&ends(command, 2)).contains("config.json"));
}

#[test]
fn a_port_in_use_is_an_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = tiny("serve");
    command.args(["--port", &taken.local_addr().unwrap().port().to_string()]);
    assert!(stderr(&ends(command, 2)).contains("--port"));
}

#[test]
fn an_idle_server_ends_at_once() {
    for signal in ["TERM", "INT", "HUP"] {
        let mut server = Server::start(&["--grace", "100000"]);
        // A connection that asks for nothing is not waited for.
        let _silent = server.connect();
        server.get("/health").ok();
        server.signal(signal);
        assert_eq!(server.ends(), 0);
    }
}

#[test]
fn requests_that_are_there_are_finished() {
    let mut server = Server::start(&["--batch-size", "4", "--grace", "100000"]);
    let list = |client: usize| heavy_list(2 + client, 30);
    let expected = server.send("/inferences", &[("content-type", "application/json")], list(0).as_bytes()).ok();
    // Requests that have yet to send the end of their body, one that streams, and one that has sent half a head.
    let mut clients: Vec<TcpStream> = (0..4)
        .map(|client| {
            let mut stream = server.connect();
            let body = list(client);
            let headers = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
            stream.write_all((head("/inferences", &headers) + &body[..body.len() - 1]).as_bytes()).unwrap();
            stream
        })
        .collect();
    let mut upload = server.connect();
    let headers = "content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n";
    upload.write_all(head("/inferences/stream", headers).as_bytes()).unwrap();
    let mut asking = server.connect();
    asking.write_all(b"GET /ready HTTP/1.1\r\nhost: test\r\n").unwrap();
    wait_until("the requests are there", || server.metric("bertqa_requests_in_flight", &[]) == 6.0);
    // And some that are whole: in work, or not even accepted.
    clients.extend((4..8).map(|client| server.post_raw("/inferences", &list(client))));

    server.signal("TERM");
    let address = server.url("").trim_start_matches("http://").to_owned();
    wait_until("nobody is let in", || TcpStream::connect(&address).is_err());
    asking.write_all(b"connection: close\r\n\r\n").unwrap();
    let (status, text) = read_raw(&mut asking);
    assert_eq!(status, 503, "{text}");
    // A stream goes on until its client ends it.
    let line = question().to_string() + "\n";
    upload.write_all(format!("{:x}\r\n{line}\r\n0\r\n\r\n", line.len()).as_bytes()).unwrap();
    let (status, text) = read_raw(&mut upload);
    assert!(status == 200 && text.contains("\"answer\":"), "{text}");
    for (client, mut stream) in clients.into_iter().enumerate() {
        if client < 4 {
            stream.write_all(b"]").unwrap();
        }
        let (status, text) = read_raw(&mut stream);
        assert_eq!(status, 200, "{text}");
        let answers: Value = serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert_eq!(answers.as_array().unwrap().len(), 2 + client);
        assert!(answers.as_array().unwrap().iter().all(|answer| *answer == expected[0]));
    }
    assert_eq!(server.ends(), 0);
}

#[test]
fn under_load_no_accepted_request_is_lost() {
    let mut server = Server::start(&["--grace", "100000"]);
    let address = server.url("").trim_start_matches("http://").to_owned();
    let answered = thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|_| {
                let address = &address;
                scope.spawn(move || {
                    let body = question().to_string();
                    let headers = format!(
                        "content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n",
                        body.len()
                    );
                    let mut answered = 0;
                    // Until nobody is let in any more; whoever is let in is answered.
                    while let Ok(mut stream) = TcpStream::connect(address) {
                        if stream.write_all((head("/inferences", &headers) + &body).as_bytes()).is_err() {
                            break;
                        }
                        let mut text = String::new();
                        match std::io::Read::read_to_string(&mut stream, &mut text) {
                            Ok(_) if text.starts_with("HTTP/1.1 200 ") => answered += 1,
                            // Let in by the system, not by the server: that had closed its listener already.
                            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
                            other => panic!("{other:?}: {text}"),
                        }
                    }
                    answered
                })
            })
            .collect();
        wait_until("there is load", || server.metric("bertqa_rows_total", &[]) > 100.0);
        server.signal("TERM");
        clients.into_iter().map(|client| client.join().unwrap()).sum::<u64>()
    });
    assert_eq!(server.ends(), 0);
    assert!(answered > 100);
    let logged = || server.log().iter().filter(|line| line.contains("path=\"/inferences\" status=200")).count() as u64;
    wait_until("the server has logged as many as the clients", || logged() == answered);
}

#[test]
fn what_takes_longer_than_the_grace_time_is_cut_off() {
    let mut server = Server::start(&[
        "--batch-size",
        "1",
        "--grace",
        "0.2",
        "--max-windows",
        "1000000",
        "--max-context-chars",
        "10000000",
    ]);
    let mut long = server.post_raw("/inferences", &json!([heavy(35_000)]).to_string());
    wait_until("it runs", || server.metric("bertqa_forward_seconds_count", &[]) > 1.0);
    server.signal("TERM");
    assert_eq!(server.ends(), 1);
    assert!(std::io::read_to_string(&mut long).map_or(true, |text| text.is_empty()));
}
