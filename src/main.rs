//! The program `bertqa`.

use std::process::ExitCode;

fn main() -> ExitCode {
    bertqa::cli::main()
}
