//! The native part of the Python package bertqa: `bertqa._bertqa`. What it does is the library's; here it gets Python's
//! types, exceptions, signals and threads.

mod answerer;
mod errors;
mod evaluate;
mod options;
mod process;
mod program;
mod rows;
mod signals;
mod stream;
mod table;

use pyo3::prelude::*;

/// The native part of bertqa.
#[pymodule]
fn _bertqa(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<answerer::QuestionAnswerer>()?;
    module.add_class::<stream::AnswerIterator>()?;
    module.add_class::<table::AnsweredTable>()?;
    module.add_function(wrap_pyfunction!(evaluate::score, module)?)?;
    module.add_function(wrap_pyfunction!(program::run, module)?)
}
