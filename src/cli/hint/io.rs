//! Remedies for errors of input and output.

use std::error::Error;

pub(super) fn hint(_error: &(dyn Error + 'static)) -> Option<String> {
    None
}
