//! What attempts that broke off have kept of an output.

use std::path::Path;

use super::entry::Attempt;
use crate::io::output_path::partials;

/// Removes what is kept of `output` and was written by one of `attempts`: others may have files of such names.
pub(super) fn remove(output: &Path, attempts: &[Attempt]) {
    for path in partials(output) {
        if attempts.iter().any(|attempt| attempt.wrote(&path)) {
            // What cannot be removed is left.
            let _ = std::fs::remove_file(path);
        }
    }
}
