//! Figures of predictions, which the library has.

use bertqa::squad::{self, Normalization, Prediction, Quality, Reference};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::OptionsError;

/// The figures of predictions (id, text, probability of "no answer") against references (id, texts), by the names that
/// `squad_v2` has for them, and the ids without a prediction.
#[pyfunction]
pub(crate) fn score<'py>(
    python: Python<'py>,
    predictions: Vec<(String, String, f32)>,
    references: Vec<(String, Vec<String>)>,
    no_answer_threshold: f64,
    normalization: &str,
) -> PyResult<(Bound<'py, PyDict>, Vec<String>)> {
    let normalization = match normalization {
        "en" => Normalization::En,
        "ja" => Normalization::Ja,
        other => return Err(OptionsError::new_err(format!("normalization: {other:?} is neither \"en\" nor \"ja\""))),
    };
    let figures = python.detach(|| {
        let references: Vec<Reference> =
            references.into_iter().map(|(id, answers)| Reference { id, answers }).collect();
        let predictions = predictions
            .into_iter()
            .map(|(id, text, no_answer_probability)| (id, Prediction { text, no_answer_probability }));
        squad::score(&references, predictions, no_answer_threshold, normalization)
    });
    let dict = PyDict::new(python);
    for (prefix, quality) in [("", figures.all), ("HasAns_", figures.has_answer), ("NoAns_", figures.no_answer)] {
        let Quality { rows, exact_match, f1 } = quality;
        if rows > 0 || prefix.is_empty() {
            dict.set_item(format!("{prefix}exact"), exact_match)?;
            dict.set_item(format!("{prefix}f1"), f1)?;
            dict.set_item(format!("{prefix}total"), rows)?;
        }
    }
    for (name, best) in [("best_exact", figures.best_exact), ("best_f1", figures.best_f1)] {
        dict.set_item(name, best.value)?;
        dict.set_item(format!("{name}_thresh"), best.threshold)?;
    }
    Ok((dict, figures.missing))
}
