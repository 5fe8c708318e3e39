//! What attempts that broke off have kept of an output.

use std::path::Path;

use crate::io::output_path::partials;

/// The names of all that is kept of `output`. For comparison: what is not UTF-8 in them is replaced.
pub(super) fn names(output: &Path) -> Vec<String> {
    partials(output).iter().map(|path| name(path)).collect()
}

/// Removes it, but for what is of other runs and but for `newest`.
pub(super) fn remove(output: &Path, foreign: &[String], newest: Option<&Path>) {
    for path in partials(output) {
        if newest.is_none_or(|newest| newest.file_name() != path.file_name()) && !foreign.contains(&name(&path)) {
            // What cannot be removed is left.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
