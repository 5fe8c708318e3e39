use bertqa::batch::Batch;
use bertqa::engine::Engine;
use bertqa::engine::torch::{Compiled as Model, TorchEngine};
use serde_json::json;

use super::support::{Compiled, rows};
use crate::support::{assert_same_answer, ends, rows as parse, stderr, tiny};

/// With windows of which several fit a row.
const WINDOWS: [&str; 4] = ["--max-seq-len", "48", "--doc-stride", "8"];

/// Whether a compiled model gives the answers of the native engine.
#[track_caller]
fn answers_as_native(model: &Compiled, engine: &str) {
    let mut native = tiny("stdin");
    native.args(["--precision", "f32"]).args(WINDOWS).write_stdin(rows(2));
    let expected = parse(&ends(native, 0).stdout);
    let mut command = model.command("stdin");
    command.args(WINDOWS).write_stdin(rows(2));
    let output = ends(command, 0);
    let found = parse(&output.stdout);
    assert_eq!(found.len(), expected.len());
    found.iter().zip(&expected).for_each(|(found, expected)| assert_same_answer(found, expected, engine));
    assert!(stderr(&output).contains(engine), "{}", stderr(&output));
}

#[test]
fn a_packed_model_answers_as_native() {
    answers_as_native(&Compiled::packed(), "torch f32 [4, 128], packed, cpu, 2 threads");
}

#[test]
fn an_unpacked_model_answers_as_native() {
    let inputs = ["input_ids", "position_ids", "sequence_ids"];
    answers_as_native(&Compiled::with("packed.pt", json!({"inputs": inputs})), "torch f32 [4, 128], cpu, 2 threads");
    // As an exact shape is, which has empty rows.
    let model = Compiled::with("packed.pt", json!({"inputs": inputs, "batch_size": 1}));
    answers_as_native(&model, "torch f32 [1, 128], cpu, 2 threads");
}

#[test]
fn a_folder_is_its_compiled_model() {
    let model = Compiled::packed();
    let by_folder = Compiled { file: model.folder.path().to_owned(), ..model };
    answers_as_native(&by_folder, "packed");
}

fn engine(model: &Compiled) -> TorchEngine {
    let compiled = Model::open(&model.file, None).unwrap();
    compiled.load(&"cpu".parse().unwrap(), None, 2).unwrap().remove(0)
}

#[test]
fn a_packed_window_is_as_the_lone_one() {
    let mut engine = engine(&Compiled::packed());
    let window = |first: u32, length: u32| (0..length).map(|place| 5 + (first + 13 * place) % 200).collect::<Vec<_>>();
    let windows = [window(1, 30), window(2, 50), window(3, 48), window(4, 1), window(5, 127), window(6, 128)];
    let mut packed = Batch::default();
    for (place, window) in windows.iter().enumerate() {
        let types = vec![0; window.len()];
        // Three in the first row, two in the second, and one in the third.
        if matches!(place, 0 | 3 | 5) { packed.push(window, &types) } else { packed.push_beside(window, &types) }
    }
    let together = engine.forward(&packed).unwrap();
    for (window, bounds) in windows.iter().zip(packed.cu_seq_lengths().windows(2)) {
        let mut lone = Batch::default();
        lone.push(window, &vec![0; window.len()]);
        let alone = engine.forward(&lone).unwrap();
        let place = bounds[0]..bounds[1];
        for (alone, together) in [(alone.start, &together.start), (alone.end, &together.end)] {
            let difference = alone.iter().zip(&together[place.clone()]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(difference < 1e-4, "{} tokens: {difference}", window.len());
        }
    }
}

#[test]
fn logits_are_found_in_dicts_and_lists_and_half_precision() {
    let window: Vec<u32> = (0..20).map(|place| place * 7 % 90).collect();
    let mut batch = Batch::default();
    for window in window.chunks(8) {
        batch.push(window, &vec![0; window.len()]);
    }
    // The rule of fixtures/torch/make.py.
    let logits = |by_id: usize, by_place: usize, modulus: usize| -> Vec<f32> {
        let rule =
            |(place, id): (usize, &u32)| ((*id as usize * by_id + (place + 1) * by_place) % modulus) as f32 / 16.0;
        window.chunks(8).flat_map(|window| window.iter().enumerate().map(rule)).collect()
    };
    for name in ["dicts.pt", "bf16.pt", "f16.pt"] {
        let found = engine(&Compiled::with(name, json!({}))).forward(&batch).unwrap();
        assert_eq!(found.start, logits(37, 11, 97), "{name}");
        assert_eq!(found.end, logits(53, 7, 89), "{name}");
    }
}

#[test]
fn a_model_without_manifest_takes_a_row_of_512() {
    let model = Compiled::bare("dicts.pt");
    let mut command = model.command("stdin");
    command.write_stdin(rows(1));
    let output = ends(command, 0);
    assert!(stderr(&output).contains("torch [1, 512], cpu"), "{}", stderr(&output));
    let mut named = model.command("stdin");
    named.args(["--inputs", "input_ids,attention_mask"]).write_stdin(rows(1));
    assert_eq!(ends(named, 0).stdout, output.stdout);
    // Those say as well what is padding.
    let mut numbered = model.command("stdin");
    numbered.args(["--inputs", "input_ids,sequence_ids"]).write_stdin(rows(1));
    assert_eq!(ends(numbered, 0).stdout, output.stdout);
    let mut swapped = model.command("stdin");
    swapped.args(["--inputs", "attention_mask,input_ids"]).write_stdin(rows(1));
    assert_ne!(swapped.output().unwrap().stdout, output.stdout);
}

#[test]
fn the_engine_is_measured_at_its_shape() {
    let model = Compiled::packed();
    let mut command = model.command("bench");
    command.args(["--duration", "0.01", "--json"]);
    let measurements: serde_json::Value = serde_json::from_slice(&ends(command, 0).stdout).unwrap();
    assert_eq!(measurements.as_array().unwrap().len(), 1);
    assert_eq!((&measurements[0]["length"], &measurements[0]["batch_size"]), (&json!(128), &json!(4)));
}
