//! Japanese BERT, whose words are MeCab's.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::{assert_hint, bertqa, ends, project, rows};

/// A model with the tokenizer of tests/fixtures/mecab, whose tokenizer_config.json has these entries.
pub(crate) fn model(options: &serde_json::Value) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["config.json", "model.safetensors"] {
        fs::copy(project("tests/fixtures/families/bert").join(name), folder.path().join(name)).unwrap();
    }
    fs::copy(project("tests/fixtures/mecab/vocab.txt"), folder.path().join("vocab.txt")).unwrap();
    let mut config = json!({
        "tokenizer_class": "BertJapaneseTokenizer",
        "word_tokenizer_type": "mecab",
        "mecab_kwargs": { "mecab_dic": "unidic_lite" },
    });
    config.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    fs::write(folder.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    folder
}

/// `stdin` with a model, on a PATH without Python.
fn stdin(model: &Path) -> assert_cmd::Command {
    let mut command = bertqa();
    command.env("PATH", model).env_remove("BERTQA_MECAB_DICT").arg("stdin").arg("--model").arg(model);
    command
}

#[test]
fn answers_are_spans_of_the_context_as_it_is_written() {
    let contexts = [
        "東京都に住む猫は大きな犬が走る。",
        "ｶﾞｽは５㌔ﾒｰﾄﾙ、㍿のｶﾌｪ",
        "cafe\u{301} か\u{3099}猫　㍿㌔ ﾊﾟﾊﾟ",
        "ＫＭ　１０ｋｍ[SEP]猫 \u{1112}\u{1161}\u{11ab} 😀",
    ];
    let input: String =
        contexts.iter().map(|context| json!({ "question": "猫は？", "context": context }).to_string() + "\n").collect();
    for subwords in ["wordpiece", "character"] {
        let model = model(&json!({ "subword_tokenizer_type": subwords }));
        let mut command = stdin(model.path());
        command.args(["--top-k", "20", "--max-seq-len", "24", "--doc-stride", "6", "--precision", "f32"]);
        command.arg("--mecab-dict").arg(project("tests/fixtures/mecab/dictionary")).write_stdin(input.clone());
        let found = rows(&ends(command, 0).stdout);
        assert_eq!(found.len(), contexts.len());
        for (row, context) in found.iter().zip(contexts) {
            let answers = row["answers"].as_array().unwrap();
            assert!(!answers.is_empty(), "{row}");
            for answer in answers {
                let [start, end] = ["start", "end"].map(|key| answer[key].as_u64().unwrap() as usize);
                let span: String = context.chars().skip(start).take(end - start).collect();
                assert_eq!(answer["answer"], span, "{context}");
                assert!(!span.starts_with(['\u{301}', '\u{3099}', 'ﾞ', 'ﾟ']), "{span:?} begins within a character");
            }
        }
    }
}

#[test]
fn the_dictionary_is_named_by_a_variable_too() {
    let model = model(&json!({}));
    let mut command = stdin(model.path());
    command.env("BERTQA_MECAB_DICT", project("tests/fixtures/mecab/dictionary"));
    command.write_stdin("{\"question\":\"猫は？\",\"context\":\"猫が走る。\"}\n");
    assert!(rows(&ends(command, 0).stdout)[0]["answer"].is_string());
}

#[test]
fn hints_say_how_to_get_the_dictionary() {
    let unidic_lite = model(&json!({}));
    assert_hint(stdin(unidic_lite.path()), "dictionary unidic_lite, which is not installed", "pip install unidic-lite");
    let mut command = stdin(unidic_lite.path());
    command.args(["--mecab-dict", "/none"]);
    assert_hint(command, "cannot read /none/matrix.bin", "sys.dic");
    let sudachi = model(&json!({ "word_tokenizer_type": "sudachi" }));
    assert_hint(stdin(sudachi.path()), "is `sudachi`, which is not supported", "tokenizer.json");
}
