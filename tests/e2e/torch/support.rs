use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{bertqa, project, tiny_model};

/// A compiled model in a folder of its own, with a tokenizer and maybe a manifest.
pub(crate) struct Compiled {
    pub folder: TempDir,
    pub file: PathBuf,
}

impl Compiled {
    /// One of the fixtures, without a manifest.
    pub(crate) fn bare(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("model.pt");
        fs::copy(project("tests/fixtures/torch").join(name), &file).unwrap();
        for name in ["tokenizer.json", "tokenizer_config.json"] {
            fs::copy(tiny_model().join(name), folder.path().join(name)).unwrap();
        }
        Self { folder, file }
    }

    /// With a manifest, that of a small unpacked model but for some fields.
    pub(crate) fn with(name: &str, fields: Value) -> Self {
        let model = Self::bare(name);
        let mut manifest = json!({
            "format": 1, "model": name, "model_type": "xlm-roberta", "device": "cpu", "batch_size": 4, "seq_len": 128,
            "inputs": ["input_ids", "attention_mask"], "packed": false, "precision": "f32", "torch": "1.13.1",
            "sdk": null, "pad_token_id": 1,
        });
        manifest.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        fs::write(model.folder.path().join("model.json"), manifest.to_string()).unwrap();
        model
    }

    /// The tiny model, which takes several windows a row.
    pub(super) fn packed() -> Self {
        Self::with("packed.pt", json!({"inputs": ["input_ids", "position_ids", "sequence_ids"], "packed": true}))
    }

    pub(super) fn command(&self, command: &str) -> Command {
        let mut bertqa = bertqa();
        bertqa.arg(command).arg("--model").arg(&self.file);
        bertqa
    }
}

/// Rows of several lengths, as JSON Lines: those that the tiny model's golden answers are about. Without the one whose
/// text has a padding token: a compiled model is given positions, and counts it like any other.
pub(super) fn rows(times: usize) -> String {
    let golden: Value = serde_json::from_slice(&fs::read(tiny_model().join("golden.json")).unwrap()).unwrap();
    let rows: Vec<_> = golden["runs"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|run| !run["context"].as_str().unwrap().contains("<pad>"))
        .map(|run| json!({"question": run["question"], "context": run["context"]}).to_string() + "\n")
        .collect();
    rows.concat().repeat(times)
}

/// Where the libtorch is that the tests were built with.
pub(super) fn libtorch() -> PathBuf {
    let folder = std::env::var_os("LIBTORCH").expect("LIBTORCH is not set; docker/libtorch.sh says how");
    Path::new(&folder).to_owned()
}
