use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where to look: a file system and environment variables.
#[derive(Debug, Clone)]
pub struct Machine {
    root: PathBuf,
    variables: HashMap<String, String>,
}

impl Machine {
    /// The one that this process runs on.
    pub fn here() -> Self {
        // A name or value that is no text is none of those that are looked for.
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { root: "/".into(), variables }
    }

    /// Another one: `root` stands for `/`, so that `root/dev/neuron0` is its first Neuron device, and its programs
    /// are found by the variable `PATH`.
    pub fn at(root: &Path, variables: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { root: root.to_owned(), variables }
    }

    /// A file of the machine, by its path from `/`.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// What a program says on stdout; `None` if there is no such program.
    ///
    /// # Errors
    /// What it says on stderr if it fails.
    pub(super) fn ask(&self, program: &str, arguments: &[&str]) -> Option<Result<String, String>> {
        let path = self.variable("PATH").unwrap_or_default();
        match Command::new(program).args(arguments).env("PATH", path).output() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => Some(Err(format!("{program} can't be started: {error}"))),
            Ok(output) if output.status.success() => Some(Ok(String::from_utf8_lossy(&output.stdout).into_owned())),
            Ok(output) => {
                // nvidia-smi complains on stdout.
                let said = [output.stderr, output.stdout].concat();
                let said = String::from_utf8_lossy(&said);
                Some(Err(format!("{program} failed ({}): {}", output.status, said.trim())))
            }
        }
    }
}
