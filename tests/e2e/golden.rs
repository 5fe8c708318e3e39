//! The reference's answers to the samples, with the built-in models.

use crate::support::{assert_same_answer, bertqa, ends, file_rows, project, rows};

fn check(setting: &str, options: &[&str]) {
    let mut command = bertqa();
    command
        .arg("run")
        .arg(project("samples/questions.jsonl"))
        .args(["-o", "-", "--precision", "f32", "--compat", "transformers"])
        .args(options);
    let found = rows(&ends(command, 0).stdout);
    let expected = file_rows(project("tests/fixtures/golden").join(setting).with_extension("jsonl"));
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found["id"], expected["id"]);
        assert_eq!(found["error"], serde_json::Value::Null);
        assert_same_answer(found, expected, &format!("{setting} {}", expected["id"]));
    }
}

#[test]
fn by_default() {
    check("default", &[]);
}

#[test]
fn several_windows() {
    check("windows", &["--max-seq-len", "128", "--doc-stride", "32"]);
}

#[test]
fn top_k() {
    check("top-k", &["--top-k", "5"]);
}

#[test]
fn top_k_of_several_windows() {
    check("top-k-windows", &["--top-k", "5", "--max-seq-len", "128", "--doc-stride", "32"]);
}

#[test]
fn impossible_answers() {
    check("impossible", &["--handle-impossible-answer"]);
}

#[test]
fn impossible_answers_of_several_windows() {
    check("impossible-windows", &["--handle-impossible-answer", "--max-seq-len", "128", "--doc-stride", "32"]);
}

#[test]
fn aligned_to_words() {
    check("align-to-words", &["--align-to-words"]);
}

#[test]
fn short_answers() {
    check("max-answer-len", &["--max-answer-len", "5"]);
}

#[test]
fn the_fast_model() {
    let model = project("models/fast");
    check("fast", &["--model", model.to_str().unwrap()]);
}
