//! `bertqa devices`, with programs on PATH that take the place of nvidia-smi and neuron-ls.

use assert_cmd::Command;
use serde_json::{Value, json};

use crate::support::{bertqa, ends, project};

/// `bertqa devices` where these programs are all that there are.
fn devices(machine: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = bertqa();
    command.arg("devices").env("PATH", project("tests/fixtures/machines").join(machine).join("bin"));
    for name in ["CUDA_VISIBLE_DEVICES", "NEURON_RT_VISIBLE_CORES", "NEURON_RT_NUM_CORES"] {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied());
    command
}

#[track_caller]
fn figures(machine: &str, variables: &[(&str, &str)]) -> Value {
    let mut command = devices(machine, variables);
    command.arg("--json");
    serde_json::from_slice(&ends(command, 0).stdout).unwrap()
}

#[track_caller]
fn text(machine: &str, variables: &[(&str, &str)]) -> String {
    String::from_utf8(ends(devices(machine, variables), 0).stdout).unwrap()
}

#[test]
fn the_processor_is_always_there() {
    let found = figures("bare", &[]);
    assert!(found["cpu"]["cores"].as_u64() > Some(0), "{found}");
    assert!(found["cpu"]["instructions"]["f32"].is_string(), "{found}");
    assert_eq!(found["auto"]["hugging_face"]["devices"], json!(["cpu"]));
    assert!(text("bare", &[]).starts_with("cpu "));
}

#[test]
fn cuda_devices_are_shown_and_chosen() {
    let found = figures("gpus", &[]);
    assert_eq!(found["cuda"][0]["name"], "NVIDIA H100 80GB HBM3");
    assert_eq!(found["cuda"][0]["memory_bytes"], 81559u64 << 20);
    assert_eq!(found["auto"]["compiled"]["devices"], json!(["cuda:0", "cuda:1"]));
    // The native engine is for the processor.
    assert_eq!(found["auto"]["hugging_face"]["devices"], json!(["cpu"]));

    let text = text("gpus", &[("CUDA_VISIBLE_DEVICES", "0")]);
    assert!(text.contains("NVIDIA H100 80GB HBM3, 79.65 GiB (77.78 GiB free)") && text.contains("cuda:0 "), "{text}");
    assert!(!text.contains("cuda:1"), "{text}");
}

#[test]
fn neuron_cores_are_shown_and_chosen() {
    let found = figures("inf2", &[("NEURON_RT_VISIBLE_CORES", "1-2")]);
    assert_eq!(found["neuron"][1], json!({"index": 1, "cores": 2, "memory_bytes": 34359738368u64}));
    assert_eq!(found["auto"]["compiled"]["devices"], json!(["neuron:1", "neuron:2"]));

    let text = text("inf2", &[]);
    assert!(text.contains("NeuronCores 0, 1, 2, 3"), "{text}");
    assert!(text.contains("neuron:0 to neuron:3"), "{text}");
}

#[test]
fn unknown_devices_are_reported_as_unknown() {
    let text = text("no-driver", &[("NEURON_RT_NUM_CORES", "many")]);
    assert!(text.contains("couldn't communicate with the NVIDIA driver"), "{text}");
    assert!(text.contains("NEURON_RT_NUM_CORES=many is no number of cores"), "{text}");
}
