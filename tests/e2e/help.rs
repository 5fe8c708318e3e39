//! The examples of the help run as they are printed.

use std::path::Path;
use std::process::Command;

use crate::support::{bertqa, ends, project, tiny, tiny_model};

/// The lines of the examples in a command's help.
fn examples(command: &str) -> Vec<String> {
    let mut help = bertqa();
    help.args([command, "--help"]);
    let help = String::from_utf8(ends(help, 0).stdout).unwrap();
    let (_, examples) = help.split_once("Examples:\n").unwrap();
    examples.lines().take_while(|line| line.starts_with("  ")).map(|line| line.trim().to_owned()).collect()
}

/// A folder with a file under each name that examples have.
fn files(folder: &Path) {
    let copy = |sample: &str, name: &str| {
        std::fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
        std::fs::copy(project("samples").join(sample), folder.join(name)).unwrap();
    };
    for name in ["squad-dev.json", "dev-v2.0.json", "gold.json", "jaquad/dev/one.json"] {
        copy("questions.json", name);
    }
    let text = std::fs::read_to_string(project("samples/questions.jsonl")).unwrap();
    let first: String = text.lines().take(3).map(|line| format!("{line}\n")).collect();
    for name in ["rows.jsonl", "questions.jsonl"] {
        std::fs::write(folder.join(name), &first).unwrap();
    }
    std::fs::write(folder.join("gold.jsonl"), first.replace("\"gold\":", "\"answers\":")).unwrap();
    let named = first.replace("\"question\":", "\"q\":").replace("\"context\":", "\"passage\":");
    std::fs::write(folder.join("named.jsonl"), named).unwrap();
    std::fs::create_dir(folder.join("data")).unwrap();
    let mut command = tiny("run");
    command.arg(folder.join("named.jsonl")).arg("-o").arg(folder.join("data/a.parquet"));
    command.args(["--question", "q", "--context", "passage", "--prefix", "old_"]);
    ends(command, 0);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, first.as_bytes()).unwrap();
    std::fs::write(folder.join("rows.jsonl.gz"), gzip.finish().unwrap()).unwrap();
}

#[test]
fn every_example_runs_as_printed() {
    let program = Path::new(env!("CARGO_BIN_EXE_bertqa")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    for command in ["run", "stdin", "eval"] {
        for example in examples(command) {
            let folder = tempfile::tempdir().unwrap();
            files(folder.path());
            // Models of the hub are not here, jq need not be, and the end of a file that grows never comes.
            let line = example
                .replace("tail -f", "cat")
                .replace("| jq -r .answer", "")
                .replace("| jq .f1", "")
                .replace("deepset/roberta-base-squad2", tiny_model().to_str().unwrap());
            let mut shell = Command::new("sh");
            shell.args(["-c", &line]).current_dir(folder.path()).env("PATH", &path);
            let output = shell.env("BERTQA_MODEL", tiny_model()).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{line}: {said}");
        }
    }
}
