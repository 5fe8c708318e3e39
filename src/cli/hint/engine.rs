//! Remedies for errors of engines.

use std::error::Error;

pub(super) fn hint(_error: &(dyn Error + 'static)) -> Option<String> {
    None
}
