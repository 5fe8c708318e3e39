//! Models that are padded or truncated on the left, against transformers (`fixtures/sides/make.py`).

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{assert_same_answer, bertqa, ends, project, rows, stderr};

/// A copy of the small BERT, with what is done to its tokenizer_config.json and tokenizer.json.
fn model(change: impl Fn(&mut Value, &mut Value)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let from = project("tests/fixtures/families/bert");
    for name in ["config.json", "model.safetensors"] {
        fs::copy(from.join(name), folder.path().join(name)).unwrap();
    }
    let read = |name: &str| -> Value { serde_json::from_slice(&fs::read(from.join(name)).unwrap()).unwrap() };
    let (mut config, mut tokenizer) = (read("tokenizer_config.json"), read("tokenizer.json"));
    change(&mut config, &mut tokenizer);
    fs::write(folder.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    folder
}

fn golden() -> Value {
    serde_json::from_slice(&fs::read(project("tests/fixtures/sides/golden.json")).unwrap()).unwrap()
}

#[track_caller]
fn assert_answers(model: &Path, golden: &Value, case: &Value, what: &str) {
    let expected = case["rows"].as_array().unwrap();
    let input: String = expected.iter().map(|row| format!("{row}\n")).collect();
    let answered = |flags: &[&str]| {
        let mut command = bertqa();
        command.args(["stdin", "--quiet", "--precision", "f32", "--columns", "", "--model"]).arg(model).args(flags);
        for flag in ["max_seq_len", "doc_stride"] {
            let value = golden["options"][flag].to_string();
            command.arg(format!("--{}", flag.replace('_', "-"))).arg(value);
        }
        command.write_stdin(input.clone());
        rows(&ends(command, 0).stdout)
    };
    let spans = answered(&[]);
    // "No answer" wins wherever it is possible.
    let nulls = answered(&["--no-answer-threshold", "0"]);
    for ((expected, span), null) in expected.iter().zip(&spans).zip(&nulls) {
        assert_same_answer(span, expected, what);
        let expected = json!({"answer": "", "start": 0, "end": 0, "score": expected["null_score"]});
        assert_same_answer(null, &expected, what);
    }
}

#[test]
fn sides_of_tokenizer_config() {
    let golden = golden();
    for case in golden["cases"].as_array().unwrap() {
        let model = model(|config, _| {
            for side in ["padding_side", "truncation_side"] {
                config[side] = case[side].clone();
            }
        });
        let what = format!("{} {}", case["padding_side"], case["truncation_side"]);
        assert_answers(model.path(), &golden, case, &what);
    }
}

/// As a trainer leaves them there. tokenizer_config.json has the last word.
#[test]
fn sides_of_tokenizer_json() {
    let golden = golden();
    let [right, .., left] = golden["cases"].as_array().unwrap().as_slice() else { panic!("{golden}") };
    let leave = |tokenizer: &mut Value| {
        tokenizer["padding"] = json!({"strategy": "BatchLongest", "direction": "Left", "pad_to_multiple_of": null,
            "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"});
        tokenizer["truncation"] = json!({"direction": "Left", "max_length": 32, "strategy": "OnlyFirst", "stride": 0});
    };
    let model_of_json = model(|_, tokenizer| leave(tokenizer));
    assert_answers(model_of_json.path(), &golden, left, "left in tokenizer.json");
    let model_of_both = model(|config, tokenizer| {
        leave(tokenizer);
        config["padding_side"] = json!("right");
        config["truncation_side"] = json!("right");
    });
    assert_answers(model_of_both.path(), &golden, right, "right in tokenizer_config.json");
}

#[test]
fn another_side_is_an_error() {
    let model = model(|config, _| config["padding_side"] = json!("top"));
    let mut command = bertqa();
    command.args(["stdin", "--model"]).arg(model.path()).write_stdin("");
    let output = ends(command, 2);
    let said = stderr(&output);
    for part in ["padding_side", "top", "left", "right"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}
