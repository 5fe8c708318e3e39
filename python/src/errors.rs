//! The library's errors as the exceptions of `bertqa._errors`.

use bertqa::AnswerError;
use pyo3::import_exception;
use pyo3::prelude::*;

import_exception!(bertqa._errors, EndedError);
import_exception!(bertqa._errors, ForkError);
import_exception!(bertqa._errors, InputError);
import_exception!(bertqa._errors, ModelError);
import_exception!(bertqa._errors, OptionsError);
import_exception!(bertqa._errors, RowError);

/// An error and all that lies behind it, in a line.
pub(crate) fn chain(error: impl Into<anyhow::Error>) -> String {
    format!("{:#}", error.into())
}

pub(crate) fn of_answer(error: AnswerError) -> PyErr {
    match error {
        AnswerError::Load(error) => ModelError::new_err(chain(error)),
        AnswerError::Options(error) => OptionsError::new_err(chain(error)),
        AnswerError::Row(error) => RowError::new_err(chain(error)),
        AnswerError::Thread(error) => error.into(),
        other => EndedError::new_err(chain(other)),
    }
}
