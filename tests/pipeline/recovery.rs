//! A server whose model fails.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use bertqa::engine::{Engine, Layout};
use bertqa::qa::Options;
use bertqa::serve::{self, Config, Limits, Loaded, ModelInfo};
use clap::Parser;
use serde_json::{Value, json};

use crate::support::*;

/// So long that only what never happens takes longer.
const FOREVER: Duration = Duration::from_secs(120);

/// A server on a free port, until the test ends.
struct Server {
    address: String,
    agent: ureq::Agent,
    ended: Receiver<anyhow::Result<serve::Ended>>,
}

impl Server {
    /// Serves the engines that `load` gives, each time that it is asked.
    fn start(load: impl Fn() -> anyhow::Result<Vec<Box<dyn Engine>>> + Send + 'static) -> Self {
        #[derive(Parser)]
        struct Defaults {
            #[command(flatten)]
            limits: Limits,
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = Config {
            host: "127.0.0.1".to_owned(),
            port,
            limits: Defaults::parse_from(["test"]).limits,
            api_key: None,
            cors_origins: Vec::new(),
            allowed_hosts: Vec::new(),
        };
        let load = move || {
            let info = ModelInfo {
                model: "test".to_owned(),
                model_type: "bert".to_owned(),
                engine: "test".to_owned(),
                max_seq_len: 64,
                batch_size: 4,
            };
            let defaults = Options { max_seq_len: 64, doc_stride: 8, ..Options::default() };
            Ok(Loaded { pipeline: pipeline_of(load()?, 4), defaults, info })
        };
        let (done, ended) = channel();
        thread::spawn(move || done.send(serve::run(config, load)));
        let agent = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(FOREVER)).build();
        Self { address: format!("http://127.0.0.1:{port}"), agent: agent.into(), ended }
    }

    /// Status and body; `None` while nobody listens.
    fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut response = self.agent.get(format!("{}{path}", self.address)).call().ok()?;
        Some((response.status().as_u16(), response.body_mut().read_to_string().unwrap()))
    }

    #[track_caller]
    fn wait_for(&self, path: &str, status: u16) -> String {
        let began = Instant::now();
        loop {
            match self.get(path) {
                Some((found, body)) if found == status => return body,
                found => assert!(began.elapsed() < FOREVER, "{path} is {found:?}"),
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn ask(&self) -> (u16, Value) {
        let row = json!({"question": "who?", "context": "ada built the lighthouse."}).to_string();
        let request = self.agent.post(format!("{}/inferences", self.address)).content_type("application/json");
        let mut response = request.send(row).unwrap();
        if response.status() == 503 {
            assert!(response.headers().contains_key("retry-after"));
        }
        let body = response.body_mut().read_to_string().unwrap();
        (response.status().as_u16(), serde_json::from_str(&body).unwrap())
    }
}

#[test]
fn a_model_that_never_answers_ends_the_server() {
    let server =
        Server::start(|| Ok((0..3).map(|_| Scripted::boxed("dead", Layout::Ragged, |_| Err(lost()))).collect()));
    let error = server.ended.recv_timeout(FOREVER).expect("the server goes on").unwrap_err();
    assert_eq!(format!("{error:#}"), "dead: the device failed: the cable is cut");
}

#[test]
fn a_model_that_fails_is_loaded_again() {
    let (cut, back, loads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)), AtomicUsize::new(0));
    let server = Server::start({
        let (cut, back) = (cut.clone(), back.clone());
        move || {
            let cut = cut.clone();
            let engine = match loads.fetch_add(1, Ordering::SeqCst) {
                0 => Scripted::boxed("first", Layout::Ragged, move |_| {
                    if cut.load(Ordering::SeqCst) { Err(lost()) } else { Ok(()) }
                }),
                _ if !back.load(Ordering::SeqCst) => anyhow::bail!("the device is gone"),
                _ => Scripted::boxed("next", Layout::Ragged, |_| Ok(())),
            };
            Ok(vec![engine])
        }
    });
    server.wait_for("/ready", 200);
    let (status, answer) = server.ask();
    assert_eq!(status, 200, "{answer}");

    cut.store(true, Ordering::SeqCst);
    // One whose row the model had, and one that comes after.
    for _ in 0..2 {
        let (status, error) = server.ask();
        assert_eq!((status, &error["kind"]), (503, &json!("not_ready")), "{error}");
        assert!(error["error"].as_str().unwrap().contains("the model failed"), "{error}");
    }
    assert!(server.wait_for("/ready", 503).contains("loaded again"));
    assert_eq!(server.get("/health").unwrap().0, 200);

    back.store(true, Ordering::SeqCst);
    server.wait_for("/ready", 200);
    assert_eq!(server.ask(), (200, answer));
    let metrics = server.get("/metrics").unwrap().1;
    let failures = metrics.lines().find_map(|line| line.strip_prefix("bertqa_model_failures_total ")).unwrap();
    assert!(failures.parse::<u64>().unwrap() >= 1, "{failures}");
    assert!(server.ended.try_recv().is_err(), "the server has ended");
}

#[test]
fn one_of_several_that_is_lost_is_loaded_again_while_the_others_answer() {
    let (attempts, batches) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let server = Server::start({
        let (attempts, batches) = (attempts.clone(), batches.clone());
        move || {
            let (attempts, batches) = (attempts.clone(), batches.clone());
            let lost = Scripted::lost("lost", move || {
                if attempts.fetch_add(1, Ordering::SeqCst) == 0 {
                    return Err("the device is gone".into());
                }
                let batches = batches.clone();
                Ok(Scripted::boxed("back", Layout::Ragged, move |_| {
                    batches.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                }))
            });
            Ok(vec![lost, Scripted::boxed("calm", Layout::Ragged, |_| Ok(()))])
        }
    });
    server.wait_for("/ready", 200);
    let began = Instant::now();
    while batches.load(Ordering::SeqCst) == 0 {
        let (status, answer) = server.ask();
        assert_eq!(status, 200, "{answer}");
        assert_eq!(server.get("/ready").unwrap().0, 200);
        assert!(began.elapsed() < FOREVER, "{} attempts", attempts.load(Ordering::SeqCst));
    }
    let metrics = server.get("/metrics").unwrap().1;
    let failures = metrics.lines().find_map(|line| line.strip_prefix("bertqa_device_failures_total ")).unwrap();
    assert!(failures.parse::<u64>().unwrap() >= 2, "{failures}");
    assert!(metrics.contains("\nbertqa_devices "), "{metrics}");
    assert!(server.ended.try_recv().is_err(), "the server has ended");
}

#[test]
fn what_panics_is_loaded_again() {
    let loads = AtomicUsize::new(0);
    let server = Server::start(move || {
        let mut batches = 0;
        let first = loads.fetch_add(1, Ordering::SeqCst) == 0;
        Ok(vec![Scripted::boxed("panics", Layout::Ragged, move |_| {
            batches += 1;
            assert!(!first || batches < 2, "trouble");
            Ok(())
        })])
    });
    server.wait_for("/ready", 200);
    assert_eq!(server.ask().0, 503);
    server.wait_for("/ready", 503);
    server.wait_for("/ready", 200);
    assert_eq!(server.ask().0, 200);
}
