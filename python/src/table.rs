//! Tables through the Arrow PyCapsule interface.

use std::ffi::CStr;
use std::sync::Mutex;

use polars_arrow::ffi::ArrowArrayStream;
use pyo3::exceptions::{PyStopIteration, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

/// What the interface calls the capsule of a stream.
const STREAM: &CStr = c"arrow_array_stream";

/// The stream of an object that has one.
pub(crate) fn import(table: &Bound<'_, PyAny>) -> PyResult<Box<ArrowArrayStream>> {
    let found = table.get_type();
    let Ok(export) = table.getattr("__arrow_c_stream__") else {
        let found = found.qualname()?;
        return Err(PyTypeError::new_err(format!(
            "a table has __arrow_c_stream__, as those of pyarrow, polars, pandas and DuckDB; {found} has not"
        )));
    };
    let capsule = export.call0()?;
    let stream = capsule.cast::<PyCapsule>()?.pointer_checked(Some(STREAM))?.cast::<ArrowArrayStream>();
    // SAFETY: a capsule of this name holds such a stream. What is left in it has nothing to be released.
    let stream = unsafe { std::ptr::replace(stream.as_ptr(), ArrowArrayStream::empty()) };
    Ok(Box::new(stream))
}

/// The rows of a table with their answers, as an Arrow stream that is read once: what takes objects with
/// `__arrow_c_stream__` takes it, such as `pyarrow.table` and `polars.DataFrame`. Rows are answered while it is read.
#[pyclass(module = "bertqa", frozen)]
pub(crate) struct AnsweredTable(Mutex<Option<ArrowArrayStream>>);

impl AnsweredTable {
    pub(crate) fn new(stream: ArrowArrayStream) -> Self {
        Self(Mutex::new(Some(stream)))
    }
}

#[pymethods]
impl AnsweredTable {
    /// The stream, for libraries.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        python: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // The interface leaves it to the producer whether it casts.
        let _ = requested_schema;
        let stream = self.0.lock().ok().and_then(|mut stream| stream.take());
        let stream = stream.ok_or_else(|| PyValueError::new_err("these answers have been read already"))?;
        PyCapsule::new(python, stream, Some(STREAM.to_owned()))
    }

    /// As a `pyarrow.RecordBatchReader`.
    fn to_pyarrow<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let class = this.py().import("pyarrow")?.getattr("RecordBatchReader")?;
        let reader = class.call_method1("from_stream", (this,))?;
        let schema = reader.getattr("schema")?;
        class.call_method1("from_batches", (schema, Batches(reader.unbind())))
    }
}

/// The batches of a reader of pyarrow's. Its errors are texts; where a signal's handler has raised something, this
/// raises that.
#[pyclass(frozen)]
struct Batches(Py<PyAny>);

#[pymethods]
impl Batches {
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&self, python: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.0.bind(python).call_method0("read_next_batch") {
            Ok(batch) => Ok(Some(batch)),
            Err(error) if error.is_instance_of::<PyStopIteration>(python) => Ok(None),
            Err(error) => {
                python.check_signals()?;
                Err(error)
            }
        }
    }
}
