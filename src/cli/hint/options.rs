//! Remedies for options of answers.

use std::error::Error;

use crate::qa::OptionsError;

pub(super) fn hint(error: &(dyn Error + 'static)) -> Option<String> {
    Some(match error.downcast_ref()? {
        OptionsError::WindowTooLong { longest, .. } => format!("give --max-seq-len {longest} or less"),
        OptionsError::StrideTooLong { .. } => "lower --doc-stride or raise --max-seq-len".to_owned(),
        OptionsError::OverLimit { name, limit, .. } => format!("give --{} {limit} or less", name.replace('_', "-")),
    })
}
