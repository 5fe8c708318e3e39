//! `--precision` and `--profile`.

use crate::support::{bertqa, ends, project, rows, stderr, tiny, tiny_model};

fn run(options: &[&str]) -> (Vec<serde_json::Value>, String) {
    let mut command = tiny("run");
    command.arg(project("samples/questions.jsonl")).args(["-o", "-", "--limit", "5"]).args(options);
    let output = ends(command, 0);
    (rows(&output.stdout), stderr(&output).to_owned())
}

#[test]
fn the_summary_names_what_ran() {
    for (precision, named) in [("f32", "native f32, "), ("bf16", "native bf16"), ("int8", "native int8 (")] {
        let (rows, said) = run(&["--precision", precision]);
        assert_eq!(rows.len(), 5);
        assert!(said.contains(named), "{said}");
    }
}

#[test]
fn lesser_instructions_can_be_asked_for() {
    let run = |isa: &str, status: i32| {
        let mut command = tiny("run");
        command.arg(project("samples/questions.jsonl")).args(["-o", "-", "--limit", "5", "--precision", "int8"]);
        let output = ends(
            {
                command.env("BERTQA_ISA", isa);
                command
            },
            status,
        );
        (rows(&output.stdout), stderr(&output).to_owned())
    };
    let (rows, said) = run("portable", 0);
    assert_eq!(rows.len(), 5);
    assert!(said.contains("native int8 (portable)"), "{said}");
    let (rows, said) = run("avx1024", 2);
    assert!(rows.is_empty());
    assert!(said.contains("BERTQA_ISA is \"avx1024\", but has to be one of portable, "), "{said}");
}

/// The precision that the summary names.
fn chosen(said: &str) -> &str {
    let (_, engine) = said.rsplit_once("native ").unwrap();
    engine.split([' ', ',']).next().unwrap()
}

#[test]
fn auto_takes_a_precision_that_keeps_the_answers() {
    let (auto, said) = run(&[]);
    assert_eq!(auto, run(&["--precision", chosen(&said)]).0);
    assert!(!said.contains("would move"), "{said}");

    // Logits a hundred times as large: what rounding changes in them decides.
    let folder = tempfile::tempdir().unwrap();
    let source = tiny_model();
    for file in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(source.join(file), folder.path().join(file)).unwrap();
    }
    let weights = std::fs::read(source.join("model.safetensors")).unwrap();
    std::fs::write(folder.path().join("model.safetensors"), multiplied(&weights, "qa_outputs.weight", 100.0)).unwrap();
    let mut command = bertqa();
    command.arg("run").arg(project("samples/questions.jsonl")).args(["-o", "-", "--limit", "5", "--model"]);
    command.arg(folder.path());
    // Whether rows then have answers is another matter.
    let output = command.output().unwrap();
    let said = stderr(&output);
    assert_ne!(chosen(said), "int8", "{said}");
    // Where there are faster ones, it says why they were not taken.
    let fast = run(&["--precision", "int8"]).1;
    assert!(fast.contains("(portable)") || said.contains("int8 would move"), "{said}");
}

/// A safetensors file with one of its tensors, of f32, multiplied.
fn multiplied(file: &[u8], name: &str, factor: f32) -> Vec<u8> {
    let tensors = safetensors::SafeTensors::deserialize(file).unwrap();
    let data = tensors.tensor(name).unwrap().data();
    let first = data.as_ptr().addr() - file.as_ptr().addr();
    let mut result = file.to_vec();
    for bytes in result[first..first + data.len()].as_chunks_mut::<4>().0 {
        *bytes = (f32::from_le_bytes(*bytes) * factor).to_le_bytes();
    }
    result
}

#[test]
fn scores_of_rounded_weights_are_near() {
    let (exact, _) = run(&["--precision", "f32"]);
    for precision in ["bf16", "int8"] {
        for (row, exact) in run(&["--precision", precision]).0.iter().zip(&exact) {
            let difference = (row["score"].as_f64().unwrap() - exact["score"].as_f64().unwrap()).abs();
            assert!(difference < 0.1, "{precision}: {row} for {exact}");
        }
    }
}

#[test]
fn a_profile_has_stages_and_operators() {
    for precision in ["f32", "int8"] {
        let (_, said) = run(&["--profile", "--precision", precision]);
        for line in ["read ", "encode ", "infer ", "decode ", "write ", "attention ", "intermediate ", "forward pass "]
        {
            assert!(said.lines().any(|said| said.starts_with(line)), "no {line}in:\n{said}");
        }
    }
}
