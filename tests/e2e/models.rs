//! Where models come from.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::support::{bertqa, ends, project, rows, stderr, tiny_model};

const ROW: &str =
    "{\"question\":\"グラハム・ベルはどこで生まれましたか?\",\"context\":\"ベルはエディンバラで生まれた。\"}\n";

fn copy_model(to: &Path, without: &str) {
    for entry in fs::read_dir(tiny_model()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        if name != without && name != "golden.json" {
            fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

/// What is said of a model that cannot be loaded.
fn refused(model: &Path) -> String {
    let mut command = bertqa();
    command.args(["stdin", "--model"]).arg(model).write_stdin(ROW);
    stderr(&ends(command, 2)).to_owned()
}

#[cfg(feature = "bundled")]
#[test]
fn the_binary_alone_has_its_model() {
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("bertqa");
    fs::copy(env!("CARGO_BIN_EXE_bertqa"), &binary).unwrap();
    let mut command = assert_cmd::Command::new(&binary);
    command.current_dir(folder.path()).env_clear().arg("stdin").write_stdin(ROW);
    assert_eq!(rows(&ends(command, 0).stdout)[0]["answer"], "エディンバラ");
}

#[test]
fn a_normalizer_that_multiplies_texts_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    copy_model(folder.path(), "");
    let path = folder.path().join("tokenizer.json");
    let mut tokenizer: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    // A trie of one letter, with a text in its place.
    let table = |text: &str| {
        let mut units = vec![0u32; 512];
        units[0] = 0x100 << 10;
        units[0x100 ^ 0x65] = 0x65 | 1 << 8 | (0x65 ^ 0x80) << 10;
        units[0x180] = 1 << 31;
        let trie: Vec<u8> = units.into_iter().flat_map(u32::to_le_bytes).collect();
        let size = u32::try_from(trie.len()).unwrap().to_le_bytes();
        let table = [&size[..], &trie, text.as_bytes(), b"\0"].concat();
        json!({"type": "Precompiled", "precompiled_charsmap": BASE64_STANDARD.encode(table)})
    };
    let double = json!({"type": "Replace", "pattern": {"String": "e"}, "content": "ee"});
    let bytes = json!({"type": "ByteLevel"});
    let sequence = |part: Value, times| json!({"type": "Sequence", "normalizers": vec![part; times]});
    for (normalizer, is_refused) in [
        // 2^40 times as long.
        (sequence(double, 40), true),
        (sequence(bytes, 40), true),
        (sequence(json!({"type": "Prepend", "prepend": "eeee"}), 40), true),
        (table("ee"), false),
        (sequence(table("ee"), 40), true),
        (table(&"long".repeat(1000)), true),
    ] {
        tokenizer["normalizer"] = normalizer;
        fs::write(&path, tokenizer.to_string()).unwrap();
        if is_refused {
            let message = refused(folder.path());
            assert!(message.contains("tokenizer.json") && message.contains("normalizer"), "{message}");
        } else {
            let mut command = bertqa();
            command.args(["stdin", "--model"]).arg(folder.path()).write_stdin(ROW);
            ends(command, 0);
        }
    }
}

#[test]
fn another_family_is_named() {
    let folder = tempfile::tempdir().unwrap();
    copy_model(folder.path(), "");
    let config = fs::read_to_string(folder.path().join("config.json")).unwrap();
    fs::write(folder.path().join("config.json"), config.replace("xlm-roberta", "xlnet")).unwrap();
    let message = refused(folder.path());
    for word in ["xlnet", "bert", "roberta", "distilbert", "electra", "albert"] {
        assert!(message.contains(word), "{word}: {message}");
    }
}

#[test]
fn a_folder_with_weights_of_torch() {
    let answer = |model: &Path| {
        let mut command = bertqa();
        command.args(["stdin", "--precision", "f32", "--model"]).arg(model).write_stdin(ROW);
        ends(command, 0)
    };
    let usual = project("tests/fixtures/families/bert");
    let folder = tempfile::tempdir().unwrap();
    for name in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
        fs::copy(usual.join(name), folder.path().join(name)).unwrap();
    }
    let weights = project("tests/fixtures/weights/zip/pytorch_model.bin");
    fs::copy(weights, folder.path().join("pytorch_model.bin")).unwrap();
    let (found, expected) = (answer(folder.path()), answer(&usual));
    assert_eq!(rows(&found.stdout), rows(&expected.stdout));
    let line = "the weights are those of pytorch_model.bin";
    assert!(stderr(&found).contains(line) && !stderr(&expected).contains(line), "{}", stderr(&found));
}

/// What is said of a model by a process with little memory.
#[cfg(target_os = "linux")]
fn refused_in_little_memory(model: &Path) -> String {
    let mut command = assert_cmd::Command::new("sh");
    command.args(["-c", "ulimit -v 600000; exec \"$0\" stdin --precision f32 --model \"$1\""]);
    command.arg(env!("CARGO_BIN_EXE_bertqa")).arg(model).env("BERTQA_THREADS", "1").write_stdin(ROW);
    stderr(&ends(command, 2)).to_owned()
}

/// 8 MB that ask for gigabytes.
#[cfg(target_os = "linux")]
#[test]
fn hostile_weights_get_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    copy_model(folder.path(), "model.safetensors");
    let head = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.";
    for (pickle, message) in [
        (b"]".repeat(8 << 20), "longer than that of any state dict"),
        (b"h\0".repeat(8 << 20), "malformed"),
        (b"X\xff\xff\xff\x7f".to_vec(), "cut"),
        ([b")q\0".as_slice(), &b"h\0h\0\x86q\0".repeat(8 << 20)].concat(), "longer than that of any state dict"),
        (b"\x85".repeat(8 << 20), "malformed"),
        ([b")".as_slice(), &b"\x85".repeat(8 << 20)].concat(), "longer than that of any state dict"),
    ] {
        fs::write(folder.path().join("pytorch_model.bin"), [head.as_slice(), &pickle].concat()).unwrap();
        let said = refused_in_little_memory(folder.path());
        assert!(said.contains(message), "{message}: {said}");
    }
    // A header that is longer than any, and one that is too long for the file.
    for length in [1u64 << 40, u64::MAX, 90 << 20] {
        let bytes = [&length.to_le_bytes()[..], &b"[".repeat(1 << 20)].concat();
        fs::write(folder.path().join("model.safetensors"), bytes).unwrap();
        let said = refused_in_little_memory(folder.path());
        assert!(said.contains("model.safetensors: "), "{said}");
    }
}

/// A copy of a family's folder with another tokenizer.json.
fn with_tokenizer(family: &str, change: impl FnOnce(&mut Value)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let from = project("tests/fixtures/families").join(family);
    for name in ["config.json", "model.safetensors", "tokenizer_config.json"] {
        fs::copy(from.join(name), folder.path().join(name)).unwrap();
    }
    let mut tokenizer: Value = serde_json::from_slice(&fs::read(from.join("tokenizer.json")).unwrap()).unwrap();
    change(&mut tokenizer);
    fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    folder
}

/// It can be loaded, and fails on every text.
#[test]
fn a_tokenizer_that_reads_no_text_is_refused() {
    let folder = with_tokenizer("bert", |tokenizer| {
        let vocab = tokenizer["model"]["vocab"].clone();
        tokenizer["model"] = json!({"type": "WordLevel", "vocab": vocab, "unk_token": "there is no such token"});
        tokenizer["normalizer"] = Value::Null;
        tokenizer["pre_tokenizer"] = Value::Null;
    });
    for precision in ["f32", "auto"] {
        let mut command = bertqa();
        command.args(["stdin", "--precision", precision, "--model"]).arg(folder.path()).write_stdin(ROW);
        let said = stderr(&ends(command, 2)).to_owned();
        let name = folder.path().display().to_string();
        assert!(said.contains(&format!("cannot run {name}: its tokenizer reads none of 4 sample texts: ")), "{said}");
        assert!(said.contains("hint: ") && said.contains("--tokenizer"), "{said}");
    }
    let mut check = bertqa();
    check.args(["models", "check"]).arg(folder.path());
    assert!(stderr(&ends(check, 2)).contains("its tokenizer reads none of"));
}

#[test]
fn token_types_that_the_network_does_not_have_are_refused() {
    let folder = with_tokenizer("bert", |tokenizer| {
        let token = |name: &str| json!({"SpecialToken": {"id": name, "type_id": 0}});
        let text = |name: &str, id: u32| json!({"Sequence": {"id": name, "type_id": id}});
        let special = |name: &str, id: u32| json!({"id": name, "ids": [id], "tokens": [name]});
        tokenizer["post_processor"] = json!({
            "type": "TemplateProcessing",
            "single": [token("[CLS]"), text("A", 0), token("[SEP]")],
            "pair": [token("[CLS]"), text("A", 0), token("[SEP]"), text("B", 7), token("[SEP]")],
            "special_tokens": {"[CLS]": special("[CLS]", 2), "[SEP]": special("[SEP]", 3)},
        });
    });
    let said = refused(folder.path());
    let name = folder.path().display().to_string();
    assert!(
        said.contains(&format!("cannot run {name}: its tokenizer is that of another model: token type 7")),
        "{said}"
    );
    assert!(said.contains("--tokenizer"), "{said}");
}

#[test]
fn weights_of_another_shape_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    copy_model(folder.path(), "model.safetensors");
    let other = project("tests/fixtures/families/roberta/model.safetensors");
    fs::copy(other, folder.path().join("model.safetensors")).unwrap();
    let message = refused(folder.path());
    assert!(message.contains("has shape"), "{message}");
}

/// A copy of a family's folder with the vocabulary in the files that models had before there was tokenizer.json.
pub(crate) fn without_tokenizer_json(family: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let from = project("tests/fixtures/families").join(family);
    for name in ["config.json", "model.safetensors", "tokenizer_config.json"] {
        fs::copy(from.join(name), folder.path().join(name)).unwrap();
    }
    let tokenizer: Value = serde_json::from_slice(&fs::read(from.join("tokenizer.json")).unwrap()).unwrap();
    let (vocab, merges) = (&tokenizer["model"]["vocab"], &tokenizer["model"]["merges"]);
    let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
    match merges.as_array() {
        Some(merges) => {
            let line = |merge: &Value| format!("{} {}\n", merge[0].as_str().unwrap(), merge[1].as_str().unwrap());
            write("vocab.json", vocab.to_string());
            write("merges.txt", format!("#version: 0.2\n{}", merges.iter().map(line).collect::<String>()));
        }
        None => {
            let mut tokens: Vec<_> = vocab.as_object().unwrap().iter().collect();
            tokens.sort_by_key(|(_, id)| id.as_u64());
            write("vocab.txt", tokens.into_iter().map(|(token, _)| format!("{token}\n")).collect());
        }
    }
    folder
}

#[test]
fn a_folder_without_tokenizer_json() {
    let answer = |model: &Path| {
        let mut command = bertqa();
        command.args(["stdin", "--precision", "f32", "--model"]).arg(model).write_stdin(
            "{\"question\":\"Who built the lighthouse?\",\"context\":\"It was built by Ada Moreau, in a café.\"}\n",
        );
        rows(&ends(command, 0).stdout)
    };
    for family in ["bert", "distilbert", "electra", "roberta"] {
        let expected = answer(&project("tests/fixtures/families").join(family));
        assert!(expected[0]["answer"].is_string());
        assert_eq!(answer(without_tokenizer_json(family).path()), expected, "{family}");
    }
    // The tokenizer of another folder need not have one either.
    let other = without_tokenizer_json("bert");
    let mut command = bertqa();
    command.args(["stdin", "--model"]).arg(project("tests/fixtures/families/bert"));
    command.arg("--tokenizer").arg(other.path()).write_stdin(ROW);
    assert!(rows(&ends(command, 0).stdout)[0]["answer"].is_string());
}

#[test]
fn a_tokenizer_of_another_folder() {
    let folder = tempfile::tempdir().unwrap();
    copy_model(folder.path(), "tokenizer.json");
    let mut command = bertqa();
    command.args(["stdin", "--model"]).arg(folder.path()).arg("--tokenizer").arg(tiny_model()).write_stdin(ROW);
    assert!(rows(&ends(command, 0).stdout)[0]["answer"].is_string());
}

/// What `models check --json` says of a model, and the other output.
fn checked(model: &Path, status: i32) -> (Value, String) {
    let mut command = bertqa();
    command.args(["models", "check", "--json"]).arg(model);
    let output = ends(command, status);
    (serde_json::from_slice(&output.stdout).unwrap(), stderr(&output).to_owned())
}

#[test]
fn a_model_is_described() {
    let (report, said) = checked(&tiny_model(), 0);
    assert_eq!(said, "");
    assert_eq!((&report["loads"], &report["model_type"]), (&json!(true), &json!("xlm-roberta")));
    assert_eq!((&report["kind"], &report["max_seq_len"]), (&json!("hugging_face"), &json!(128)));
    for file in report["files"].as_array().unwrap() {
        let size = fs::metadata(tiny_model().join(file["name"].as_str().unwrap())).unwrap().len();
        assert_eq!(file["bytes"], size, "{file}");
    }
    let weights = fs::read(tiny_model().join("model.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&weights).unwrap();
    let numbers: usize = tensors.iter().map(|(_, tensor)| tensor.shape().iter().product::<usize>()).sum();
    let bytes: usize = tensors.iter().map(|(_, tensor)| tensor.data().len()).sum();
    assert_eq!((&report["parameters"], &report["parameter_bytes"]), (&json!(numbers), &json!(bytes)));

    let precisions = report["precisions"].as_array().unwrap();
    assert_eq!(precisions.iter().map(|report| &report["precision"]).collect::<Vec<_>>(), ["f32", "bf16", "int8"]);
    let chosen: Vec<_> = precisions.iter().filter(|report| report["chosen"] == true).collect();
    assert_eq!(chosen.len(), 1);
    for report in precisions {
        assert_eq!(report["drift"] == 0.0, report["precision"] == "f32", "{report}");
    }
    // It is what runs where none is asked for.
    let mut command = bertqa();
    command.args(["stdin", "--model"]).arg(tiny_model()).write_stdin(ROW);
    let precision = chosen[0]["precision"].as_str().unwrap();
    let output = ends(command, 0);
    assert!(stderr(&output).contains(&format!("native {precision}")), "{}", stderr(&output));

    let mut command = bertqa();
    command.args(["models", "check"]).arg(tiny_model());
    let text = String::from_utf8(ends(command, 0).stdout).unwrap();
    for part in ["family        xlm-roberta", "up to 128 tokens", "int8          ", "--precision auto takes it"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_model_that_cannot_be_run_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    copy_model(folder.path(), "model.safetensors");
    let (report, said) = checked(folder.path(), 2);
    assert_eq!((&report["loads"], &report["model"]), (&json!(false), &json!(folder.path().to_str().unwrap())));
    let (error, hint) = (report["error"].as_str().unwrap(), report["hint"].as_str().unwrap());
    assert!(error.contains("model.safetensors"), "{report}");
    assert_eq!(said, format!("bertqa: {error}\nhint: {hint}\n"));

    let mut command = bertqa();
    command.args(["models", "check", "org/name", "--json"]).env("HF_HUB_OFFLINE", "1").env("HF_HOME", folder.path());
    let report: Value = serde_json::from_slice(&ends(command, 2).stdout).unwrap();
    assert!(report["error"].as_str().unwrap().contains("HF_HUB_OFFLINE"), "{report}");
}

#[test]
fn what_a_tokenizer_is_made_of_is_named() {
    let folder = without_tokenizer_json("bert");
    let (report, _) = checked(folder.path(), 0);
    let files = report["files"].as_array().unwrap();
    let of = |part: &str| -> Vec<&str> {
        files.iter().filter(|file| file["part"] == part).map(|file| file["name"].as_str().unwrap()).collect()
    };
    assert!(of("tokenizer").contains(&"vocab.txt") && !of("tokenizer").contains(&"tokenizer.json"), "{report}");
    assert_eq!(report["tokenizer"]["class"], "BertTokenizer");
    assert_eq!(report["tokenizer"]["kind"], "WordPiece");
}

#[test]
fn the_families_are_listed() {
    let list = |options: &[&str]| {
        let mut command = bertqa();
        command.args(["models", "list"]).args(options);
        String::from_utf8(ends(command, 0).stdout).unwrap()
    };
    let families: Vec<Value> = serde_json::from_str(&list(&["--json"])).unwrap();
    let names: Vec<&str> = families
        .iter()
        .flat_map(|family| family["model_types"].as_array().unwrap())
        .map(|name| name.as_str().unwrap())
        .collect();
    let text = list(&[]);
    assert_eq!(text.lines().map(|line| line.split_once(' ').unwrap().0).collect::<Vec<_>>(), names);
    for family in fs::read_dir(project("tests/fixtures/families")).unwrap() {
        let Ok(config) = fs::read(family.unwrap().path().join("config.json")) else { continue };
        let config: Value = serde_json::from_slice(&config).unwrap();
        assert!(names.contains(&config["model_type"].as_str().unwrap()), "{config}");
    }
}
