//! Remedies for errors of finding and loading models.

use std::error::Error;

pub(super) fn hint(_error: &(dyn Error + 'static)) -> Option<String> {
    None
}
