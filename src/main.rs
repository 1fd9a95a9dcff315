//! The `firebell` program.

use std::process::ExitCode;

/// Alerts and messages are many small texts: with the allocator of the C library a third of a storm's time went into it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    firebell::cli::main()
}
