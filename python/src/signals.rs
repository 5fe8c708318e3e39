//! Waiting without the interpreter's lock, and with an ear for Ctrl-C.

use std::sync::Mutex;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use bertqa::qa::Answer;
use bertqa::{AnswerError, AnswerQueue};
use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;

/// How long a signal may have to wait.
const PATIENCE: Duration = Duration::from_millis(50);

/// The answers to the queue's first question; `None` if it is empty.
///
/// # Errors
/// What a signal's handler raises.
pub(crate) fn wait<T: Send>(
    python: Python<'_>,
    queue: &mut AnswerQueue<T>,
) -> PyResult<Option<Result<Vec<Answer>, AnswerError>>> {
    while !queue.is_empty() {
        if let Some((_, answers)) = python.detach(|| queue.pop_within(PATIENCE)) {
            return Ok(Some(answers));
        }
        python.check_signals()?;
    }
    Ok(None)
}

/// What `work` gives, which goes on by itself if a signal's handler raises.
///
/// # Errors
/// What a signal's handler raises, and a thread that does not start or panics.
pub(crate) fn run<T: Send + 'static>(python: Python<'_>, work: impl FnOnce() -> T + Send + 'static) -> PyResult<T> {
    let (sender, done) = sync_channel(1);
    // Nobody may be waiting any more.
    thread::Builder::new().name("load".to_owned()).spawn(move || drop(sender.send(work())))?;
    let done = Mutex::new(done);
    loop {
        let received = python.detach(|| match done.lock() {
            Ok(done) => done.recv_timeout(PATIENCE),
            Err(_) => Err(RecvTimeoutError::Disconnected),
        });
        match received {
            Ok(value) => return Ok(value),
            Err(RecvTimeoutError::Timeout) => python.check_signals()?,
            Err(RecvTimeoutError::Disconnected) => return Err(PyRuntimeError::new_err("loading the model panicked")),
        }
    }
}

/// Whether a signal's handler raised something, such as KeyboardInterrupt. It can't be raised here, inside another
/// program's code; the main thread does it as soon as it is back in Python.
pub(crate) fn interrupted() -> bool {
    // Not `Python::attach`: another library may have let go of the lock between a function of ours and this one, which
    // pyo3 does not see.
    // SAFETY: the lock is held from the first call to the last, and what was raised is taken back.
    unsafe {
        let state = ffi::PyGILState_Ensure();
        let raised = ffi::PyErr_CheckSignals() != 0;
        if raised {
            ffi::PyErr_Clear();
            ffi::PyErr_SetInterrupt();
        }
        ffi::PyGILState_Release(state);
        raised
    }
}
