//! What is said of models and devices that cannot be had, and the `hint:` line that says what to do.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{assert_hint, bertqa, ends, project, rows, stderr, tiny, tiny_model};

#[track_caller]
fn assert_model_hint(model: impl AsRef<Path>, message: &str, hint: &str) {
    let mut command = bertqa();
    command.args(["stdin", "--model"]).arg(model.as_ref());
    assert_hint(command, message, hint);
}

/// A folder with these files of the tiny model, and others without content.
fn folder(files: &[&str], others: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in files {
        fs::copy(tiny_model().join(name), folder.path().join(name)).unwrap();
    }
    others.iter().for_each(|name| fs::write(folder.path().join(name), "").unwrap());
    folder
}

#[test]
fn a_folder_that_lacks_a_file() {
    const FILES: [&str; 3] = ["config.json", "model.safetensors", "tokenizer.json"];
    for lacks in ["config.json", "model.safetensors"] {
        let files: Vec<_> = FILES.into_iter().filter(|name| *name != lacks).collect();
        let folder = folder(&files, &[]);
        assert_model_hint(folder.path(), &format!("has no {lacks}"), "a model folder has config.json, weights");
    }
}

#[test]
fn weights_that_cannot_be_used() {
    let folder = folder(&["config.json", "tokenizer.json"], &["pytorch_model.bin"]);
    let path = folder.path().join("pytorch_model.bin");
    assert_model_hint(folder.path(), "pytorch_model.bin: this is no file of torch.save", "fetch the file again");
    fs::write(&path, "version https://git-lfs.github.com/spec/v1\n").unwrap();
    assert_model_hint(folder.path(), "only Git LFS's pointer", "git lfs pull");

    // It would make a file in the folder that it is unpickled in.
    fs::copy(project("tests/fixtures/weights/hostile/zip.bin"), &path).unwrap();
    let mut command = bertqa();
    command.current_dir(folder.path()).args(["stdin", "--model", "."]);
    assert_hint(command, "the pickle wants to call posix.system", "do not use this file");
    assert!(!folder.path().join("hostile").exists());
}

#[test]
fn a_tokenizer_whose_table_of_characters_is_damaged() {
    let folder = folder(&["config.json", "model.safetensors", "tokenizer.json"], &[]);
    let path = folder.path().join("tokenizer.json");
    let mut tokenizer: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    tokenizer["normalizer"] = json!({"type": "Precompiled", "precompiled_charsmap": "//8A"});
    fs::write(&path, tokenizer.to_string()).unwrap();
    assert_model_hint(
        folder.path(),
        "tokenizer.json: its table of characters (precompiled_charsmap) points outside",
        "--tokenizer",
    );
}

#[test]
fn an_added_token_of_which_nothing_is_left() {
    let folder = folder(&["config.json", "model.safetensors", "tokenizer.json"], &[]);
    let path = folder.path().join("tokenizer.json");
    let mut tokenizer: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    tokenizer["normalizer"] = json!({"type": "Replace", "pattern": {"String": "x"}, "content": ""});
    fs::write(&path, tokenizer.to_string()).unwrap();
    let config = json!({"added_tokens_decoder": {"5": {"content": "xx", "normalized": true}}});
    fs::write(folder.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    assert_model_hint(folder.path(), "its normalizer leaves nothing of the added token \"xx\"", "--tokenizer");
}

#[test]
fn a_folder_without_a_tokenizer() {
    let without = folder(&["config.json", "model.safetensors"], &[]);
    assert_model_hint(without.path(), "has no sentencepiece.bpe.model", "--tokenizer");
    let config = |class: &str| fs::write(without.path().join("tokenizer_config.json"), class).unwrap();
    config(r#"{"tokenizer_class": "PreTrainedTokenizerFast"}"#);
    assert_model_hint(without.path(), "has no tokenizer.json", "--tokenizer");
    config(r#"{"tokenizer_class": "CanineTokenizer"}"#);
    assert_model_hint(without.path(), "the class CanineTokenizer is not supported", "--tokenizer");
    config(r#"{"tokenizer_class": "BertTokenizer"}"#);
    fs::write(without.path().join("vocab.txt"), "[PAD]\n[CLS]\n[SEP]\n").unwrap();
    assert_model_hint(without.path(), "vocab.txt: it has no token `[UNK]`", "--tokenizer");
}

#[test]
fn what_is_no_model() {
    assert_model_hint("no/such/folder", "there is no folder no/such/folder", "--model");
    let file = tiny_model().join("config.json");
    assert_model_hint(file, "config.json is neither a folder nor a compiled model", "--model");
    let several = folder(&["tokenizer.json"], &["a.pt", "b.pt"]);
    assert_model_hint(several.path(), "several compiled models, such as", "--model");
    #[cfg(not(feature = "torch"))]
    assert_model_hint(folder(&[], &["a.pt"]).path(), "a.pt is TorchScript", "--features torch");
}

#[test]
fn options_that_do_not_fit_the_model() {
    for (options, message, hint) in [
        (["--revision", "main"], "which is not a model of the hub", "leave --revision out"),
        (["--inputs", "input_ids"], "which is not a compiled model", "leave --inputs out"),
        (["--device", "cuda:1"], "runs on the processor, not on cuda:1", "leave --device out"),
    ] {
        let mut command = tiny("stdin");
        command.args(options);
        assert_hint(command, message, hint);
    }
    #[cfg(not(feature = "torch"))]
    {
        let mut command = tiny("stdin");
        command.args(["--device", "neuron"]);
        assert_hint(command, "not on neuron", "build with --features torch");
    }
}

#[test]
fn a_tokenizer_of_another_model() {
    // Its vocabulary is larger than the network's.
    let mut command = tiny("stdin");
    command.arg("--tokenizer").arg(project("tokenizer"));
    assert_hint(command, "is outside the model's vocabulary", "--tokenizer");
}

/// A token that somebody added, and the network never got: a row that has it fails, and the others are answered.
#[test]
fn a_token_that_the_network_does_not_have() {
    let folder = folder(&["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"], &[]);
    let path = folder.path().join("tokenizer.json");
    let mut tokenizer: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let added = json!({"id": 99_999, "content": "<new>", "special": true, "normalized": false, "lstrip": false,
        "rstrip": false, "single_word": false});
    tokenizer["added_tokens"].as_array_mut().unwrap().push(added);
    fs::write(&path, tokenizer.to_string()).unwrap();
    let mut command = bertqa();
    command.args(["stdin", "--model"]).arg(folder.path());
    let context = "Ada did it in the old barn. ".repeat(3);
    let rows_in = [format!("{context}<new>"), context].map(|context| json!({"question": "Who?", "context": context}));
    command.write_stdin(rows_in.map(|row| row.to_string()).join("\n"));
    let found = rows(&ends(command, 1).stdout);
    assert!(found[0]["error"].as_str().unwrap().contains("that the network does not have"), "{}", found[0]);
    assert!(found[1]["answer"].is_string(), "{}", found[1]);
}

/// A server says it as well: it loads the model once it listens.
#[test]
fn a_server_without_a_model() {
    let mut command = bertqa();
    command.args(["serve", "--port", "0", "--model", "no/such/folder"]);
    let output = ends(command, 2);
    let said = stderr(&output);
    assert!(said.contains("there is no folder") && said.contains("hint: give --model"), "{said}");
}
