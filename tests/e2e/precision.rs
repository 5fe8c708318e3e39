//! `--precision` and `--profile`.

use crate::support::{ends, project, rows, stderr, tiny};

fn run(options: &[&str]) -> (Vec<serde_json::Value>, String) {
    let mut command = tiny("run");
    command.arg(project("samples/questions.jsonl")).args(["-o", "-", "--limit", "5"]).args(options);
    let output = ends(command, 0);
    (rows(&output.stdout), stderr(&output).to_owned())
}

#[test]
fn the_summary_names_what_ran() {
    for (precision, named) in [("f32", "native f32, "), ("bf16", "native bf16, "), ("int8", "native int8 (")] {
        let (rows, said) = run(&["--precision", precision]);
        assert_eq!(rows.len(), 5);
        assert!(said.contains(named), "{said}");
    }
    let (auto, said) = run(&[]);
    let chosen = if said.contains("native int8") { "int8" } else { "f32" };
    assert_eq!(auto, run(&["--precision", chosen]).0);
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
