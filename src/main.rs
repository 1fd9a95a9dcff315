//! The `firebell` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    firebell::cli::main()
}
