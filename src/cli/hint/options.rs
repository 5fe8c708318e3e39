//! Remedies for errors of options of answers.

use std::error::Error;

pub(super) fn hint(_error: &(dyn Error + 'static)) -> Option<String> {
    None
}
