use std::fs;

use serde_json::json;

use super::support::{Compiled, rows};
use crate::support::{ends, rows as parse, stderr, tiny, tiny_model};

/// What is said of a model that can't be run so.
#[track_caller]
fn refused(model: &Compiled, options: &[&str]) -> String {
    let mut command = model.command("stdin");
    command.args(options).env_remove("NEURON_RT_NUM_CORES").env_remove("NEURON_RT_VISIBLE_CORES").write_stdin(rows(1));
    stderr(&ends(command, 2)).to_owned()
}

#[track_caller]
fn assert_has(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn a_manifest_that_does_not_fit_the_file() {
    let inputs = ["input_ids", "attention_mask", "position_ids"];
    let message = refused(&Compiled::with("dicts.pt", json!({"inputs": inputs})), &[]);
    assert_has(&message, &["model.pt", "dicts.pt, compiled with torch 1.13.1", "does its manifest belong to it?"]);
    // More positions than the network has.
    let inputs = ["input_ids", "position_ids", "sequence_ids"];
    let message = refused(&Compiled::with("packed.pt", json!({"inputs": inputs, "seq_len": 512})), &[]);
    assert_has(&message, &["does its manifest belong to it?", "(512) must match the existing size (130)"]);
    let message = refused(&Compiled::with("single.pt", json!({})), &[]);
    assert_has(&message, &["one tensor of [1, 128, 2], where (start_logits, end_logits) of [1, 128] were expected"]);
}

#[test]
fn a_manifest_that_is_wrong() {
    let message = refused(&Compiled::with("dicts.pt", json!({"seq_len": null})), &[]);
    assert_has(&message, &["model.json", "seq_len"]);
    let message = refused(&Compiled::with("dicts.pt", json!({"packed": true})), &[]);
    assert_has(&message, &["model.json", "inputs", "sequence_ids"]);
    let message = refused(&Compiled::with("dicts.pt", json!({})), &["--inputs", "input_ids,attention_mask"]);
    assert_has(&message, &["whose manifest", "model.json", "hint: leave --inputs out"]);
    let message = refused(&Compiled::bare("dicts.pt"), &["--inputs", "position_ids"]);
    assert_has(&message, &["inputs: input_ids is missing", "hint: ", "--inputs"]);
}

#[test]
fn a_file_that_is_no_model() {
    let model = Compiled::with("dicts.pt", json!({}));
    fs::write(&model.file, "PK").unwrap();
    assert_has(&refused(&model, &[]), &["model.pt", "can't be loaded on cpu"]);
}

#[test]
fn a_tokenizer_that_is_elsewhere() {
    let model = Compiled::with("dicts.pt", json!({}));
    fs::remove_file(model.folder.path().join("tokenizer.json")).unwrap();
    assert_has(
        &refused(&model, &[]),
        &["has no sentencepiece.bpe.model", "hint: name a folder that has it, or a tokenizer.json, with --tokenizer"],
    );
    let mut command = model.command("stdin");
    command.arg("--tokenizer").arg(tiny_model()).write_stdin(rows(1));
    ends(command, 0);
}

#[test]
fn a_folder_with_several_models() {
    let model = Compiled::bare("dicts.pt");
    fs::copy(&model.file, model.folder.path().join("other.pt")).unwrap();
    let by_folder = Compiled { file: model.folder.path().to_owned(), ..model };
    assert_has(&refused(&by_folder, &[]), &["several compiled models", "model.pt", "other.pt", "hint: ", "--model"]);
}

#[test]
fn a_device_that_does_not_fit_the_model() {
    let model = Compiled::with("dicts.pt", json!({}));
    assert_has(
        &refused(&model, &["--device", "cuda"]),
        &["compiled for cpu", "can't run on cuda", "hint: give --device cpu"],
    );
    assert_has(&refused(&model, &["--device", "tpu"]), &["--device", "cuda:N"]);
    assert_has(&refused(&model, &["--precision", "int8"]), &["compiled in f32", "hint: give --precision f32"]);
    let bare = Compiled::bare("dicts.pt");
    assert_has(&refused(&bare, &["--precision", "f32"]), &["has no manifest", "hint: leave --precision out"]);
    let mut native = tiny("stdin");
    native.args(["--device", "neuron:0"]).write_stdin(rows(1));
    assert_has(stderr(&ends(native, 2)), &["not on neuron:0", "hint: leave --device out", "docker/trace.py"]);
}

#[test]
fn a_gpu_that_is_not_there() {
    // Hides those that there are.
    let model = Compiled::with("dicts.pt", json!({"device": "gpu"}));
    let mut command = model.command("stdin");
    command.env("CUDA_VISIBLE_DEVICES", "").write_stdin(rows(1));
    assert_has(stderr(&ends(command, 2)), &["no CUDA device was found", "hint: ", "driver"]);
}

#[test]
fn neuron_cores_that_are_not_there() {
    let message = refused(&Compiled::bare("dicts.pt"), &["--device", "neuron"]);
    assert_has(&message, &["no NeuronCore was found", "NEURON_RT_NUM_CORES", "hint: ", "bertqa devices"]);
}

#[test]
fn a_batch_for_which_memory_is_not_enough() {
    let (calm, hungry) = (Compiled::with("dicts.pt", json!({})), Compiled::with("hungry.pt", json!({})));
    let mut expected = calm.command("stdin");
    expected.write_stdin(rows(4));
    let mut command = hungry.command("stdin");
    command.write_stdin(rows(4));
    let output = ends(command, 0);
    assert_has(stderr(&output), &["not enough memory", "can't allocate memory"]);
    assert_eq!(parse(&output.stdout), parse(&ends(expected, 0).stdout));
}

#[test]
fn a_device_that_fails_and_is_the_last() {
    let model = Compiled::with("fragile.pt", json!({"batch_size": 1}));
    let mut command = model.command("stdin");
    command.write_stdin(rows(1));
    let output = ends(command, 2);
    assert_has(stderr(&output), &["cpu: the device failed: ", "token 7 is more than this device can bear"]);
}
