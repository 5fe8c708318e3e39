use pyo3::prelude::*;

use crate::errors::ForkError;

/// The process that threads were started in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process(u32);

impl Process {
    pub(crate) fn this() -> Self {
        Self(std::process::id())
    }

    /// # Errors
    /// In a fork: it has none of the threads.
    pub(crate) fn check(self) -> PyResult<()> {
        if self == Self::this() {
            return Ok(());
        }
        Err(ForkError::new_err(
            "this model was loaded before the process was forked, and its threads are not in the fork: load it there, \
             or start processes with multiprocessing's \"spawn\" or \"forkserver\"",
        ))
    }
}
