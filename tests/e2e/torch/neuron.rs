//! NeuronCores, with a library in the place of AWS's (`fixtures/torch/neuron.cpp`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Output};
use std::sync::OnceLock;

use assert_cmd::Command;
use serde_json::json;

use super::support::{Compiled, libtorch, rows};
use crate::support::{ends, project, rows as parse, stderr};

/// The library, built against the libtorch of these tests.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let (libtorch, source) = (libtorch(), project("tests/fixtures/torch/neuron.cpp"));
        let abi = std::env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".to_owned());
        let name = libtorch.display().to_string().replace('/', "-");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("neuron{name}"));
        let library = folder.join("libtorchneuron.so");
        let changed = |path: &Path| path.metadata().and_then(|metadata| metadata.modified());
        if changed(&library).is_ok_and(|built| built > changed(&source).unwrap()) {
            return library;
        }
        fs::create_dir_all(&folder).unwrap();
        // Under a name of its own until it is whole, for those who build at the same time.
        let built = tempfile::Builder::new().suffix(".so").tempfile_in(&folder).unwrap().into_temp_path();
        let include = |path: &str| format!("-I{}", libtorch.join(path).display());
        let status = Process::new("c++")
            .args(["-shared", "-fPIC", "-std=c++17", "-w", &format!("-D_GLIBCXX_USE_CXX11_ABI={abi}")])
            .args([include("include"), include("include/torch/csrc/api/include")])
            .arg(source)
            .arg("-o")
            .arg(&built)
            .arg(format!("-L{}", libtorch.join("lib").display()))
            .args(["-lc10", "-ltorch_cpu"])
            .status()
            .unwrap();
        assert!(status.success());
        built.persist(&library).unwrap();
        library
    })
}

/// A machine with NeuronCores.
struct Machine {
    model: Compiled,
    cores: usize,
}

impl Machine {
    fn new(cores: usize) -> Self {
        let fields = json!({"device": "inf2", "batch_size": 1, "sdk": "2.9.0"});
        Self { model: Compiled::with("neuron.pt", fields), cores }
    }

    fn command(&self) -> Command {
        let mut command = self.model.command("stdin");
        command
            .env("NEURON_RT_NUM_CORES", self.cores.to_string())
            .env("BERTQA_NEURON_LIB", library())
            .env("STANDIN_LOG", self.log())
            .env_remove("NEURON_RT_VISIBLE_CORES")
            .write_stdin(rows(3));
        command
    }

    fn log(&self) -> PathBuf {
        self.model.folder.path().join("log")
    }

    /// The cores that did something, in order of time.
    fn cores_of(&self, event: &str) -> Vec<usize> {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        log.lines().filter_map(|line| line.strip_prefix(event)?.trim().parse().ok()).collect()
    }

    /// Whether every row was answered as by the same rule on the processor.
    #[track_caller]
    fn assert_answered(&self, output: &Output) {
        let model = Compiled::with("dicts.pt", json!({}));
        let mut command = model.command("stdin");
        command.write_stdin(rows(3));
        assert_eq!(parse(&output.stdout), parse(&ends(command, 0).stdout));
    }
}

#[test]
fn each_core_has_a_worker_and_a_copy_of_the_model() {
    let machine = Machine::new(3);
    let output = ends(machine.command(), 0);
    machine.assert_answered(&output);
    assert!(stderr(&output).contains("NeuronCore 0 to NeuronCore 2 (3)"), "{}", stderr(&output));
    assert_eq!(machine.cores_of("load"), [0, 1, 2]);
    let forwards = machine.cores_of("forward");
    // A trial each, and a row at a time.
    assert!(forwards.starts_with(&[0, 1, 2]));
    assert!(forwards.len() >= 3 + parse(&output.stdout).len());
}

#[test]
fn a_core_that_does_not_load_is_left_out() {
    let machine = Machine::new(3);
    let mut command = machine.command();
    command.env("STANDIN_FAIL", "load 1");
    let output = ends(command, 0);
    machine.assert_answered(&output);
    let message = stderr(&output);
    assert!(message.contains("left out") && message.contains("NeuronCore 1: nrt_load failed"), "{message}");
    assert_eq!(machine.cores_of("load"), [0, 1, 2]);
    assert!(!machine.cores_of("forward").contains(&1));
}

#[test]
fn a_core_that_fails_is_survived() {
    let machine = Machine::new(2);
    let mut command = machine.command();
    // The first after the two trials.
    command.env("STANDIN_FAIL", "forward 3");
    let output = ends(command, 0);
    machine.assert_answered(&output);
    let message = stderr(&output);
    assert!(message.contains("nrt_execute failed") && message.contains("goes on without it"), "{message}");
    let forwards = machine.cores_of("forward");
    let survivor = 1 - forwards[2];
    assert!(forwards[3..].iter().all(|core| *core == survivor), "{forwards:?}");
}

#[test]
fn a_run_without_cores_ends() {
    for (failure, expected) in [("load 0", "nrt_load failed"), ("forward 1", "can't run on NeuronCore 0")] {
        let machine = Machine::new(1);
        let mut command = machine.command();
        command.env("STANDIN_FAIL", failure);
        let output = ends(command, 2);
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
    let machine = Machine::new(1);
    let mut command = machine.command();
    command.env("STANDIN_FAIL", "forward 2");
    let output = ends(command, 2);
    assert!(stderr(&output).contains("NeuronCore 0: the device failed: nrt_execute failed"), "{}", stderr(&output));
}

#[test]
fn the_library_is_found_in_the_package_of_python() {
    let machine = Machine::new(1);
    let packages = tempfile::tempdir().unwrap();
    let package = packages.path().join("torch_neuronx");
    fs::create_dir_all(package.join("lib")).unwrap();
    // Looking must not run it.
    fs::write(package.join("__init__.py"), "raise SystemExit('imported')").unwrap();
    fs::copy(library(), package.join("lib/libtorchneuron.so")).unwrap();
    let mut command = machine.command();
    command.env_remove("BERTQA_NEURON_LIB").env("PYTHONPATH", packages.path());
    machine.assert_answered(&ends(command, 0));
}

#[test]
fn the_library_is_found_on_the_loaders_path() {
    let machine = Machine::new(1);
    let paths = [library().parent().unwrap().to_owned(), libtorch().join("lib")];
    let mut command = machine.command();
    command.env_remove("BERTQA_NEURON_LIB").env("LD_LIBRARY_PATH", std::env::join_paths(paths).unwrap());
    machine.assert_answered(&ends(command, 0));
}

#[test]
fn a_library_that_is_not_there() {
    let empty = tempfile::tempdir().unwrap();
    let machine = Machine::new(1);
    let mut command = machine.command();
    command.env_remove("BERTQA_NEURON_LIB").env("PATH", empty.path());
    let output = ends(command, 2);
    for part in ["libtorchneuron.so", "hint: ", "torch-neuronx", "--neuron-lib"] {
        assert!(stderr(&output).contains(part), "{part}: {}", stderr(&output));
    }
    let mut command = machine.command();
    command.arg("--neuron-lib").arg(empty.path());
    let output = ends(command, 2);
    assert!(stderr(&output).contains("cannot open"), "{}", stderr(&output));
    assert!(stderr(&output).contains("hint: name the file"), "{}", stderr(&output));
}

#[test]
fn cores_are_taken_from_the_first() {
    let machine = Machine::new(2);
    let mut command = machine.command();
    command.args(["--device", "neuron:0"]);
    machine.assert_answered(&ends(command, 0));
    assert_eq!(machine.cores_of("load"), [0]);
    let mut command = machine.command();
    command.args(["--device", "neuron:1"]);
    let output = ends(command, 2);
    assert!(stderr(&output).contains("hint: set NEURON_RT_VISIBLE_CORES=1"), "{}", stderr(&output));
    let mut command = machine.command();
    command.args(["--device", "neuron:7"]);
    let output = ends(command, 2);
    let message = stderr(&output);
    assert!(message.contains("there is no neuron:7; there are 0, 1\nhint: choose others with --device"), "{message}");
}
