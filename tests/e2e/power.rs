//! What is left when the power goes: of each file as much as was forced to the disk, and no file that never was.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{project, tiny_model};

/// A run that notes in the file `synced` what it forces to the disk.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-o"]).arg(folder.path().join("shim.so"));
        compiler.arg(project("tests/e2e/power.c")).arg("-ldl");
        assert!(compiler.status().unwrap().success());
        std::fs::create_dir(folder.path().join("disk")).unwrap();
        let line = |id| json!({"id": id, "question": "Who won?", "context": format!("Ann won race {id}. ").repeat(9)});
        let lines: String = (0..600).map(|id| line(id).to_string() + "\n").collect();
        std::fs::write(folder.path().join("in.jsonl"), lines).unwrap();
        Self(folder)
    }

    fn disk(&self) -> std::path::PathBuf {
        self.0.path().join("disk")
    }

    fn run(&self, output: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bertqa"));
        command.args(["run", "../in.jsonl", "--resume", "--checkpoint-rows", "50", "--quiet", "-o", output]);
        command.arg("--model").arg(tiny_model()).current_dir(self.disk()).stdin(Stdio::null());
        command.env("LD_PRELOAD", self.0.path().join("shim.so")).env("SYNCED", self.synced_file());
        command.env("BERTQA_THREADS", "1");
        command
    }

    fn synced_file(&self) -> std::path::PathBuf {
        self.0.path().join("synced")
    }

    /// Inodes and sizes, in order.
    fn synced(&self) -> Vec<(u64, u64)> {
        let text = std::fs::read_to_string(self.synced_file()).unwrap_or_default();
        let number = |text: &str| text.parse().unwrap();
        text.lines().map(|line| line.split_once(' ').unwrap()).map(|(ino, size)| (number(ino), number(size))).collect()
    }

    fn lose_power(&self) {
        let synced = self.synced();
        for entry in std::fs::read_dir(self.disk()).unwrap() {
            let path = entry.unwrap().path();
            let inode = inode(&path);
            match synced.iter().rev().find(|(synced, _)| *synced == inode) {
                Some((_, size)) => std::fs::File::options().write(true).open(&path).unwrap().set_len(*size).unwrap(),
                None => std::fs::remove_file(&path).unwrap(),
            }
        }
    }
}

fn inode(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().ino()
}

#[test]
fn an_output_that_has_its_name_is_on_the_disk() {
    let machine = Machine::new();
    for output in ["out.jsonl", "out.parquet"] {
        let path = machine.disk().join(output);
        assert!(machine.run(output).status().unwrap().success());
        let written = std::fs::read(&path).unwrap();
        let synced = machine.synced();
        let place = |inode| synced.iter().rposition(|(synced, _)| *synced == inode);
        // First what is in it, then its name.
        assert!(place(inode(&path)) < place(inode(&machine.disk())), "{synced:?}");
        machine.lose_power();
        assert!(std::fs::read(&path).unwrap() == written, "{output}");
    }
}

#[test]
fn a_run_goes_on_after_a_power_failure() {
    let machine = Machine::new();
    for output in ["out.jsonl", "out.parquet"] {
        let path = machine.disk().join(output);
        let began = Instant::now();
        assert!(machine.run(output).status().unwrap().success());
        let takes = began.elapsed();
        let whole = std::fs::read(&path).unwrap();
        for part in [0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0] {
            std::fs::remove_file(&path).unwrap();
            // Inodes come again.
            let _ = std::fs::remove_file(machine.synced_file());
            let mut child = machine.run(output).spawn().unwrap();
            std::thread::sleep(Duration::from_secs_f64(takes.as_secs_f64() * part));
            child.kill().unwrap();
            child.wait().unwrap();
            machine.lose_power();
            if !path.exists() {
                assert!(machine.run(output).status().unwrap().success());
            }
            assert!(std::fs::read(&path).unwrap() == whole, "{output}");
        }
    }
}

#[test]
fn a_run_that_waits_for_rows_has_the_others_on_the_disk() {
    let machine = Machine::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bertqa"));
    command.args(["run", "-", "--checkpoint-interval", "2", "-o", "out.jsonl", "--model"]).arg(tiny_model());
    command.current_dir(machine.disk()).stdin(Stdio::piped()).stderr(Stdio::null());
    command.env("LD_PRELOAD", machine.0.path().join("shim.so")).env("SYNCED", machine.synced_file());
    let mut child = command.spawn().unwrap();
    let row = b"{\"question\":\"Who?\",\"context\":\"Ada did.\"}\n";
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), row).unwrap();
    let journal = machine.disk().join("out.jsonl.journal");
    let is_synced = || {
        let text = std::fs::read_to_string(&journal).unwrap_or_default();
        text.contains("{\"row\":") && machine.synced().contains(&(inode(&journal), text.len() as u64))
    };
    // No other row comes.
    let began = Instant::now();
    while !is_synced() {
        assert!(began.elapsed() < Duration::from_secs(120), "{:?}", machine.synced());
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}
