//! Remedies for evaluations.

use std::error::Error;

use crate::eval::EvalError;

pub(super) fn hint(error: &(dyn Error + 'static)) -> Option<String> {
    let hint = match error.downcast_ref()? {
        EvalError::NoGoldColumn { .. } | EvalError::NoGoldAnswers { .. } => {
            "name the column of the right answers with --answers"
        }
        EvalError::PredictionsEnd { .. } => "if only the first N rows were answered, score those with --limit N",
        EvalError::NoPrediction { .. } => {
            "name the column of the ids with --id; if only the first N rows were answered, score those with --limit N"
        }
        EvalError::NotInContext { .. } => "with ids in both (--id) the order does not matter",
        EvalError::NoPredictionColumn { .. } => "if the predictions were made with --prefix, give it here too",
    };
    Some(hint.to_owned())
}
