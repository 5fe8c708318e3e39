//! Whose panics are failures.

use std::backtrace::Backtrace;
use std::panic::{PanicHookInfo, set_hook};
use std::path::Path;

use bertqa::io::{self, ReadOptions};

/// From here on a panic of our own code ends the process, caught or not. One of a dependency is a failure only where
/// nothing catches it: then it ends the target.
pub fn fail_on_own_panics() {
    // The readers of columnar files hush panics that they catch. They do so from their first file on, so that comes first.
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/questions.parquet");
    let rows = io::open(&[sample], &ReadOptions::default()).map(|input| input.rows().count());
    rows.expect("the sample can be read");
    set_hook(Box::new(|panic| {
        let trace = Backtrace::force_capture().to_string();
        if is_own(panic, &trace) {
            eprintln!("{panic}\n{trace}");
            std::process::abort();
        }
        if std::env::var_os("BERTQA_FUZZ_PANICS").is_some() {
            eprintln!("caught, if it goes on: {panic}");
        }
    }));
}

fn is_own(panic: &PanicHookInfo<'_>, trace: &str) -> bool {
    let Some(location) = panic.location() else { return true };
    let file = location.file();
    if file.contains("/registry/src/") {
        return false;
    }
    // Where the standard library panics by itself, whoever called it is to blame.
    let in_std = file.starts_with("/rustc/") || file.contains("/lib/rustlib/");
    !in_std || caller(trace).is_none_or(|caller| caller.contains("bertqa"))
}

/// The innermost function of a backtrace that is not of the standard library.
fn caller(trace: &str) -> Option<&str> {
    let functions = trace.lines().filter_map(|line| {
        let (number, function) = line.trim_start().split_once(": ")?;
        number.parse::<usize>().is_ok().then_some(function)
    });
    let is_std = |function: &str| {
        let function = function.trim_start_matches('<');
        ["std::", "core::", "alloc::", "__rust", "rust_", "_rust", "bertqa_fuzz::panic"]
            .iter()
            .any(|start| function.starts_with(start))
    };
    functions.into_iter().find(|function| !is_std(function))
}
