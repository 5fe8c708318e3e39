use std::ffi::OsString;
use std::io::{Write, stdout};

use pyo3::prelude::*;

/// Runs the command line and returns its exit status. The first argument is the program's name.
#[pyfunction]
pub(crate) fn run(python: Python<'_>, arguments: Vec<OsString>) -> PyResult<u8> {
    let status = python.detach(|| bertqa::cli::run(arguments));
    // A program of its own does this at its end.
    let _ = stdout().flush();
    Ok(status)
}
