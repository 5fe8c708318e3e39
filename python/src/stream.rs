use bertqa::AnswerQueue;
use pyo3::prelude::*;
use pyo3::types::PyIterator;
use std::time::Duration;

use crate::process::Process;
use crate::rows::{Shape, example};
use crate::signals;

/// Answers in the order of their rows, which are read while the answers are. `QuestionAnswerer.stream` makes it.
#[pyclass(module = "bertqa")]
pub(crate) struct AnswerIterator {
    process: Process,
    queue: AnswerQueue<()>,
    /// `None` once it has ended.
    rows: Option<Py<PyIterator>>,
    /// What the rows ended with; it is raised after the answers of the rows before.
    failure: Option<PyErr>,
    shape: Shape,
}

impl AnswerIterator {
    pub(crate) fn new(process: Process, queue: AnswerQueue<()>, rows: &Bound<'_, PyIterator>, shape: Shape) -> Self {
        Self { process, queue, rows: Some(rows.clone().unbind()), failure: None, shape }
    }

    /// Asks the next row; `false` if there is none.
    fn ask(&mut self, python: Python<'_>) -> bool {
        let Some(rows) = &self.rows else { return false };
        match rows.bind(python).clone().next().map(|row| row.and_then(|row| example(&row))) {
            Some(Ok(example)) => {
                let queue = &mut self.queue;
                python.detach(|| queue.push_example((), example));
                return true;
            }
            Some(Err(error)) => self.failure = Some(error),
            None => {}
        }
        self.rows = None;
        false
    }

    pub(crate) fn next<'py>(&mut self, python: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.process.check()?;
        // What is there goes out before more is read: the rows may be slow to come.
        let mut answers = self.queue.pop_within(Duration::ZERO).map(|(_, answers)| answers);
        while answers.is_none() && !self.queue.is_full() && self.ask(python) {
            answers = self.queue.pop_within(Duration::ZERO).map(|(_, answers)| answers);
        }
        let answers = match answers {
            Some(answers) => Some(answers),
            None => signals::wait(python, &mut self.queue)?,
        };
        match answers {
            Some(answers) => self.shape.answers(python, answers).map(Some),
            None => self.failure.take().map_or(Ok(None), Err),
        }
    }
}

#[pymethods]
impl AnswerIterator {
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&mut self, python: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.next(python)
    }
}
