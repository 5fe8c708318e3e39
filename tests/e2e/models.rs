//! Where models come from.

use std::fs;
use std::path::Path;

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
fn another_family_is_named() {
    let folder = tempfile::tempdir().unwrap();
    copy_model(folder.path(), "");
    let config = fs::read_to_string(folder.path().join("config.json")).unwrap();
    fs::write(folder.path().join("config.json"), config.replace("xlm-roberta", "longformer")).unwrap();
    let message = refused(folder.path());
    for word in ["longformer", "bert", "roberta", "distilbert", "electra", "albert"] {
        assert!(message.contains(word), "{word}: {message}");
    }
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

#[test]
fn a_tokenizer_of_another_folder() {
    let folder = tempfile::tempdir().unwrap();
    copy_model(folder.path(), "tokenizer.json");
    let mut command = bertqa();
    command.args(["stdin", "--model"]).arg(folder.path()).arg("--tokenizer").arg(tiny_model()).write_stdin(ROW);
    assert!(rows(&ends(command, 0).stdout)[0]["answer"].is_string());
}
