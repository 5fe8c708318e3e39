//! Rows in and answers out, as Python has them.

use bertqa::AnswerError;
use bertqa::qa::{Answer, Example, RowError};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyMapping, PyString, PyTuple, PyType};

use crate::errors;

/// What a row asks: a pair, or a mapping with `question` and `context`.
///
/// # Errors
/// If it is neither. A question or a context that is no text is an error of the row.
pub(crate) fn example(row: &Bound<'_, PyAny>) -> PyResult<Result<Example, RowError>> {
    let (question, context) = if let Some((question, context)) = pair(row)? {
        (Some(question), Some(context))
    } else if let Ok(row) = row.cast::<PyMapping>() {
        let field = |name| if row.contains(name)? { row.get_item(name).map(Some) } else { Ok(None) };
        (field("question")?, field("context")?)
    } else {
        let found = row.get_type().qualname()?;
        return Err(PyTypeError::new_err(format!(
            "a row is a pair (question, context), or a mapping with `question` and `context`; this one is {found}"
        )));
    };
    Ok(example_of(question, context))
}

pub(crate) fn example_of(
    question: Option<Bound<'_, PyAny>>,
    context: Option<Bound<'_, PyAny>>,
) -> Result<Example, RowError> {
    Example::new(text("question", question)?, text("context", context)?)
}

fn pair<'py>(row: &Bound<'py, PyAny>) -> PyResult<Option<(Bound<'py, PyAny>, Bound<'py, PyAny>)>> {
    if let Ok(row) = row.cast::<PyTuple>()
        && row.len() == 2
    {
        return Ok(Some((row.get_item(0)?, row.get_item(1)?)));
    }
    match row.cast::<PyList>() {
        Ok(row) if row.len() == 2 => Ok(Some((row.get_item(0)?, row.get_item(1)?))),
        _ => Ok(None),
    }
}

fn text(name: &str, value: Option<Bound<'_, PyAny>>) -> Result<String, RowError> {
    let Some(value) = value else { return Err(RowError::field(format!("`{name}` is missing"))) };
    if value.is_none() {
        return Err(RowError::field(format!("`{name}` is null")));
    }
    let Ok(text) = value.cast::<PyString>() else {
        let found = value.get_type().qualname().map(|name| name.to_string()).unwrap_or_default();
        return Err(RowError::field(format!("`{name}` is {found}; it must be a string")));
    };
    // Lone surrogates are no text.
    let text = text.extract::<String>();
    text.map_err(|error| RowError::field(format!("`{name}` is not valid text: {}", error.value(value.py()))))
}

/// What is done with rows that have no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnError {
    Raise,
    Return,
}

impl FromPyObject<'_, '_> for OnError {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        match &*value.extract::<String>()? {
            "raise" => Ok(Self::Raise),
            "return" => Ok(Self::Return),
            other => {
                Err(errors::OptionsError::new_err(format!("errors: {other:?} is neither \"raise\" nor \"return\"")))
            }
        }
    }
}

/// How the answers of a row are given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// A list, since the caller says how many; otherwise the best one.
    pub(crate) list: bool,
    pub(crate) on_error: OnError,
}

impl Shape {
    pub(crate) fn answers<'py>(
        self,
        python: Python<'py>,
        answers: Result<Vec<Answer>, AnswerError>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match answers {
            Ok(answers) if self.list => {
                let answers = answers.iter().map(|answer| to_python(python, answer)).collect::<PyResult<Vec<_>>>()?;
                Ok(PyList::new(python, answers)?.into_any())
            }
            Ok(answers) => {
                answers.first().map_or_else(|| Ok(python.None().into_bound(python)), |best| to_python(python, best))
            }
            Err(error @ AnswerError::Row(_)) if self.on_error == OnError::Return => {
                Ok(errors::of_answer(error).into_value(python).into_bound(python).into_any())
            }
            Err(error) => Err(errors::of_answer(error)),
        }
    }
}

fn to_python<'py>(python: Python<'py>, answer: &Answer) -> PyResult<Bound<'py, PyAny>> {
    static ANSWER: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let class = ANSWER.import(python, "bertqa._answer", "Answer")?;
    class.call1((&answer.text, f64::from(answer.score), answer.start, answer.end))
}

/// Options of one call: `top_k`, and the rest.
pub(crate) fn call_options<'py>(
    python: Python<'py>,
    top_k: Option<Bound<'py, PyAny>>,
    options: Option<Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyDict>> {
    let options = options.unwrap_or_else(|| PyDict::new(python));
    if let Some(top_k) = top_k {
        options.set_item("top_k", top_k)?;
    }
    Ok(options)
}
