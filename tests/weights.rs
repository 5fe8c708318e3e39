//! Every format and naming of weights gives the logits of the same model in `fixtures/families/bert`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bertqa::batch::Batch;
use bertqa::engine::native::LoadError;
use bertqa::engine::{Engine, Logits, Precision};
use bertqa::model::weights::{StateDictError, WeightsError};
use bertqa::model::{LoadOptions, ModelError};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use tempfile::TempDir;

#[derive(Deserialize)]
struct Golden {
    windows: Vec<Window>,
}

#[derive(Deserialize)]
struct Window {
    input_ids: Vec<u32>,
    token_type_ids: Vec<u32>,
    start: Vec<f32>,
    end: Vec<f32>,
}

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(path)
}

/// A folder with all of the model but its weights.
fn without_weights() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
        fs::copy(fixture("families/bert").join(name), folder.path().join(name)).unwrap();
    }
    folder
}

/// A folder with the model, and its weights as those of `fixtures/weights/NAME`.
fn with_weights_of(name: &str) -> TempDir {
    let folder = without_weights();
    for entry in fs::read_dir(fixture("weights").join(name)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    folder
}

fn load(folder: &Path) -> Result<Box<dyn Engine>, ModelError> {
    let model = Some(folder.to_str().unwrap().to_owned());
    let options = LoadOptions { model, precision: Some(Precision::F32), ..LoadOptions::default() };
    Ok(options.load()?.engines.into_boxes().remove(0))
}

fn error(folder: &Path) -> ModelError {
    load(folder).err().expect("loaded")
}

fn golden() -> (Batch, Logits) {
    let json = fs::read(fixture("families/bert/golden.json")).unwrap();
    let (mut batch, mut logits) = (Batch::default(), Logits { start: vec![], end: vec![] });
    for window in serde_json::from_slice::<Golden>(&json).unwrap().windows {
        batch.push(&window.input_ids, &window.token_type_ids);
        logits.start.extend(window.start);
        logits.end.extend(window.end);
    }
    (batch, logits)
}

#[track_caller]
fn assert_same(folder: &Path, what: &str) {
    let (batch, expected) = golden();
    let found = load(folder).unwrap().forward(&batch).unwrap();
    let pairs = found.start.iter().zip(&expected.start).chain(found.end.iter().zip(&expected.end));
    let largest = pairs.map(|(found, expected)| (found - expected).abs()).fold(0f32, f32::max);
    assert!(largest < 1e-4, "{what}: {largest}");
}

/// Tensors to be written, all of f32.
type State = BTreeMap<String, (Vec<usize>, Vec<u8>)>;

fn state() -> State {
    let bytes = fs::read(fixture("families/bert/model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap().tensors();
    tensors.into_iter().map(|(name, view)| (name, (view.shape().to_vec(), view.data().to_vec()))).collect()
}

fn renamed(change: impl Fn(&str) -> String) -> State {
    state().into_iter().map(|(name, tensor)| (change(&name), tensor)).collect()
}

fn save(state: &State, dtype: Dtype, path: &Path) {
    let views = state.iter().map(|(name, (shape, data))| (name, TensorView::new(dtype, shape.clone(), data).unwrap()));
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

fn with_state(state: &State) -> TempDir {
    let folder = without_weights();
    save(state, Dtype::F32, &folder.path().join("model.safetensors"));
    folder
}

#[test]
fn files_of_torch() {
    for name in ["zip", "legacy", "sharded"] {
        assert_same(with_weights_of(name).path(), name);
    }
}

#[test]
fn safetensors_in_several_files() {
    let folder = without_weights();
    let (mut index, mut shards) = (serde_json::Map::new(), [State::new(), State::new()]);
    for (place, (name, tensor)) in state().into_iter().enumerate() {
        index.insert(name.clone(), format!("model-{}.safetensors", place % 2).into());
        shards[place % 2].insert(name, tensor);
    }
    let list = serde_json::json!({"metadata": {"total_size": 1}, "weight_map": index});
    fs::write(folder.path().join("model.safetensors.index.json"), list.to_string()).unwrap();
    save(&shards[0], Dtype::F32, &folder.path().join("model-0.safetensors"));
    assert!(matches!(error(folder.path()), ModelError::MissingFile { file, .. } if file == "model-1.safetensors"));
    save(&shards[1], Dtype::F32, &folder.path().join("model-1.safetensors"));
    assert_same(folder.path(), "two files");
}

#[test]
fn double_precision() {
    let mut state = state();
    for (_, data) in state.values_mut() {
        let numbers = data.as_chunks().0.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes)));
        *data = numbers.flat_map(f64::to_le_bytes).collect();
    }
    let folder = without_weights();
    save(&state, Dtype::F64, &folder.path().join("model.safetensors"));
    assert_same(folder.path(), "f64");
}

#[test]
fn other_names_and_more_tensors() {
    let bare = |name: &str| name.strip_prefix("bert.").unwrap_or(name).to_owned();
    for (what, state) in [
        ("module.", renamed(|name| format!("module.{name}"))),
        ("no prefix", renamed(bare)),
        ("module. without the encoder's prefix", renamed(|name| format!("module.{}", bare(name)))),
        ("gamma and beta", renamed(|name| name.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"))),
    ] {
        assert_same(with_state(&state).path(), what);
    }
    let mut state = state();
    state.insert("bert.pooler.dense.bias".to_owned(), (vec![1], vec![0; 4]));
    state.insert("teacher.weight".to_owned(), (vec![2], vec![0; 8]));
    assert_same(with_state(&state).path(), "more tensors");
}

#[test]
fn a_head_without_bias() {
    let (batch, _) = golden();
    let mut state = state();
    let (_, bias) = state.get_mut("qa_outputs.bias").unwrap();
    bias.fill(0);
    let expected = load(with_state(&state).path()).unwrap().forward(&batch).unwrap();
    state.remove("qa_outputs.bias");
    assert_eq!(load(with_state(&state).path()).unwrap().forward(&batch).unwrap(), expected);
    state.remove("qa_outputs.weight");
    let source = error(with_state(&state).path());
    assert!(matches!(source, ModelError::Native { source: LoadError::MissingHead(_), .. }), "{source:?}");
}

#[test]
fn errors_name_the_file() {
    let folder = with_weights_of("sharded");
    let path = folder.path();
    let config = fs::read_to_string(path.join("config.json")).unwrap();
    let with_config = |old: &str, new: &str| {
        assert!(config.contains(old));
        fs::write(path.join("config.json"), config.replace(old, new)).unwrap();
        match error(path) {
            ModelError::Native { source, .. } => source,
            other => panic!("{other:?}"),
        }
    };
    match with_config("\"intermediate_size\": 80", "\"intermediate_size\": 81") {
        LoadError::Shape { file, .. } => assert!(file.starts_with("pytorch_model-0000"), "{file}"),
        other => panic!("{other:?}"),
    }
    match with_config("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3") {
        LoadError::MissingTensor { weights, .. } => assert_eq!(weights, "pytorch_model.bin.index.json"),
        other => panic!("{other:?}"),
    }

    let second = path.join("pytorch_model-00002-of-00002.bin");
    let whole = fs::read(&second).unwrap();
    fs::write(&second, &whole[..whole.len() - 1]).unwrap();
    match error(path) {
        ModelError::Weights { path, source: WeightsError::StateDict(StateDictError::Storages) } => {
            assert_eq!(path, second);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_best_file_is_taken() {
    let folder = with_weights_of("hostile");
    let path = folder.path();
    // Which would fail.
    fs::rename(path.join("zip.bin"), path.join("pytorch_model.bin")).unwrap();
    assert!(matches!(error(path), ModelError::Weights { .. }));
    fs::copy(fixture("families/bert/model.safetensors"), path.join("model.safetensors")).unwrap();
    assert_same(path, "safetensors beside others");
}
