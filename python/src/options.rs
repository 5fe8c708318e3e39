//! Keyword arguments as options: the library says what they are called, and what they may be.

use bertqa::qa::RequestOptions;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::error::Category;

use crate::errors::OptionsError;

/// # Errors
/// `TypeError` for a name that is no option, `OptionsError` for a value that can't be.
pub(crate) fn options(arguments: Option<&Bound<'_, PyDict>>) -> PyResult<RequestOptions> {
    let Some(arguments) = arguments.filter(|arguments| !arguments.is_empty()) else {
        return Ok(RequestOptions::default());
    };
    let python = arguments.py();
    // Each by itself first, so that what is wrong is said of the option that it is wrong with.
    for (name, value) in arguments {
        let name: String = name.extract()?;
        let known = PyDict::new(python);
        known.set_item(&name, python.None())?;
        parse(&known)?.map_err(|_| PyTypeError::new_err(format!("there is no option {name}")))?;
        known.set_item(&name, value)?;
        parse(&known)?.map_err(|error| OptionsError::new_err(format!("{name}: {}", without_place(&error))))?;
    }
    parse(arguments)?.map_err(|error| OptionsError::new_err(without_place(&error)))
}

fn parse(arguments: &Bound<'_, PyDict>) -> PyResult<serde_json::Result<RequestOptions>> {
    let python = arguments.py();
    let whole = PyDict::new(python);
    // Numbers of other libraries, such as numpy's.
    whole.set_item("default", python.import("operator")?.getattr("index")?)?;
    let text: String = python.import("json")?.call_method("dumps", (arguments,), Some(&whole))?.extract()?;
    Ok(serde_json::from_str(&text))
}

/// What is wrong, without the line and column of a text that nobody wrote.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match (error.classify(), text.rsplit_once(" at line ")) {
        (Category::Data, Some((what, _))) => what.to_owned(),
        _ => text,
    }
}
