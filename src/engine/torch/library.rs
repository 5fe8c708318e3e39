//! Shared libraries that bring operators along. They have to be open before a graph is loaded that calls them.

use std::path::{Path, PathBuf};
use std::process::Command;

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

use super::LoadError;
use super::manifest::Target;

const NEURON: &str = "libtorchneuron.so";
const CUDA: &str = "libtorch_cuda.so";

/// Prints the folders of the packages that are named, as far as there are such, without importing them.
const FIND_PACKAGES: &str = "import importlib.util, sys
for name in sys.argv[1:]:
    spec = importlib.util.find_spec(name)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        print(folder)";

/// Opens the library with Neuron's operators: the one named, that of the Python on PATH, or that of the loader's path.
pub(super) fn open_neuron(named: Option<&Path>, target: Option<Target>) -> Result<(), LoadError> {
    if let Some(path) = named {
        let path = if path.is_dir() { path.join(NEURON) } else { path.to_owned() };
        return open(&path).map_err(|error| LoadError::NeuronLibrary { path, reason: error.to_string() });
    }
    let packages: &[&str] = match target {
        Some(Target::Inf1) => &["torch_neuron"],
        Some(Target::Inf2 | Target::Trn1) => &["torch_neuronx"],
        _ => &["torch_neuronx", "torch_neuron"],
    };
    if let Some(path) = of_python(packages) {
        return open(&path).map_err(|error| LoadError::NeuronLibrary { path, reason: error.to_string() });
    }
    open(Path::new(NEURON)).map_err(|error| LoadError::NoNeuronLibrary { reason: error.to_string() })
}

/// Opens torch's part for CUDA, which linkers leave out because no program names a symbol of it.
pub(super) fn open_cuda() -> Result<(), String> {
    open(Path::new(CUDA)).map_err(|error| error.to_string())
}

/// Neuron's library in one of these packages.
fn of_python(packages: &[&str]) -> Option<PathBuf> {
    let run = |python| Command::new(python).args(["-c", FIND_PACKAGES]).args(packages).output();
    let found = run("python3").or_else(|_| run("python")).ok()?;
    let folders = String::from_utf8(found.stdout).ok()?;
    folders.lines().map(|folder| Path::new(folder).join("lib").join(NEURON)).find(|path| path.exists())
}

/// Opens a library for good, its symbols and operators for all to see.
fn open(path: &Path) -> Result<(), libloading::Error> {
    // SAFETY: opening runs the library's initializers, which is what it is opened for: they register operators with
    // torch. The file is torch's own, or chosen by who runs this program, and is trusted as the program itself is.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) }?;
    // What it registered stays registered, so it must never be closed.
    std::mem::forget(library);
    Ok(())
}
