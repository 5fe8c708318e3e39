//! What to do about an error, in the words of the command line.
//!
//! The library's errors say what is wrong, and name no flag: they also reach people by HTTP and from programs. Here
//! each layer's typed errors are looked up in the chain of a failure, and get a remedy that names flags.

mod engine;
mod eval;
mod io;
mod model;
mod options;
mod serve;

use std::error::Error;

/// Looks whether one error of a chain is of a kind that has a remedy.
type Hint = fn(&(dyn Error + 'static)) -> Option<String>;

/// One for each layer of the library, and for what the command line finds out itself.
const HINTS: [Hint; 7] =
    [io::hint, model::hint, engine::hint, options::hint, serve::hint, eval::hint, super::health::hint];

/// The remedy for the first error of the chain that has one, and how to fetch again what was fetched.
pub(super) fn of(error: &anyhow::Error) -> Option<String> {
    let remedy = error.chain().find_map(|cause| HINTS.iter().find_map(|hint| hint(cause)));
    let again = error.chain().find_map(model::fetch_again);
    match (remedy, again) {
        (Some(remedy), Some(again)) => Some(format!("{remedy}; {again}")),
        (remedy, again) => remedy.or(again),
    }
}
