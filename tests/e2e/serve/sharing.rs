//! Many requests at once.

use std::thread;

use serde_json::{Value, json};

use super::support::{Server, heavy_list, question, wait_until};
use crate::support::{assert_same_answer, ends, project, rows, tiny};

#[test]
fn every_request_gets_its_own_answers() {
    let server = Server::start(&["--batch-size", "8"]);
    let samples = rows(&std::fs::read(project("samples/questions.jsonl")).unwrap());
    let run = |options: &[&str]| {
        let mut command = tiny("run");
        command.arg(project("samples/questions.jsonl")).args(["-o", "-", "--quiet"]).args(options);
        rows(&ends(command, 0).stdout)
    };
    let settings = [
        (run(&[]), json!({})),
        (
            run(&["--top-k", "2", "--max-seq-len", "64", "--doc-stride", "16"]),
            json!({"top_k": 2, "max_seq_len": 64, "doc_stride": 16}),
        ),
        (run(&["--max-answer-len", "3"]), json!({"max_answer_len": 3})),
    ];
    thread::scope(|scope| {
        for client in 0..16 {
            let (server, samples, settings) = (&server, &samples, &settings);
            scope.spawn(move || {
                for turn in 0..20 {
                    let (expected, options) = &settings[(client + turn) % settings.len()];
                    let asked = |place: usize| {
                        let mut asked = options.clone();
                        asked["question"] = samples[place]["question"].clone();
                        asked["context"] = samples[place]["context"].clone();
                        asked["id"] = format!("{client}-{turn}-{place}").into();
                        asked
                    };
                    // Some ask one thing, some many.
                    let places: Vec<_> =
                        (0..1 + client % 4).map(|step| (client * 7 + turn + step) % samples.len()).collect();
                    let list: Vec<Value> = places.iter().map(|place| asked(*place)).collect();
                    let found = match &list[..] {
                        [one] => vec![server.post("/inferences", one).ok()],
                        _ => server.post("/inferences", &list.clone().into()).ok().as_array().unwrap().clone(),
                    };
                    assert_eq!(found.len(), places.len());
                    for ((found, asked), place) in found.iter().zip(&list).zip(places) {
                        assert_eq!(found["id"], asked["id"]);
                        assert_same_answer(found, &expected[place], &format!("{options} {place}"));
                    }
                }
            });
        }
    });
}

#[test]
fn a_small_request_does_not_wait_for_a_huge_list() {
    let server = Server::start(&[]);
    let _huge = server.post_raw("/inferences", &heavy_list(200, 200));
    wait_until("the list is queued", || server.metric("bertqa_queue_rows", &[]) > 50.0);
    server.post("/inferences", &question()).ok();
    // The list is still being worked on: none of its rows is counted before all are answered.
    assert_eq!(server.metric("bertqa_rows_total", &[]), 1.0);
    assert!(server.metric("bertqa_queue_rows", &[]) > 0.0);
}

#[test]
fn a_small_request_does_not_wait_for_a_long_document() {
    let server = Server::start(&["--batch-size", "4", "--max-windows", "1000000", "--max-context-chars", "10000000"]);
    let _long = server.post_raw("/inferences", &heavy_list(1, 14_000));
    wait_until("the document runs", || server.metric("bertqa_forward_seconds_count", &[]) > 2.0);
    server.post("/inferences", &question()).ok();
    assert_eq!(server.metric("bertqa_rows_total", &[]), 1.0);
    assert_eq!(server.metric("bertqa_requests_in_flight", &[]), 2.0);
}

#[test]
fn a_client_that_is_gone_frees_its_rows() {
    let server = Server::start(&[]);
    let huge = server.post_raw("/inferences", &heavy_list(200, 200));
    wait_until("the list is queued", || server.metric("bertqa_queue_rows", &[]) > 50.0);
    drop(huge);
    wait_until("its rows are out of the queue", || server.metric("bertqa_queue_rows", &[]) == 0.0);
    wait_until("it is counted", || server.metric("bertqa_errors_total", &["client_gone"]) == 1.0);
    // Those in the pipeline are dropped as well: far fewer windows are run than the list's 40,000.
    server.post("/inferences", &question()).ok();
    let windows = 32.0 * server.metric("bertqa_batch_fill_sum", &[]);
    assert!(windows < 20_000.0, "{windows} windows were run");
    assert_eq!(server.metric("bertqa_rows_total", &[]), 1.0);
}
