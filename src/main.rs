use std::alloc::System;
use std::process::ExitCode;

use zeroizing_alloc::ZeroAlloc;

/// Erases memory when it is freed: requests, answers, and buffers of libraries that held secrets
/// (`tests/process/secrets.rs`).
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    peer::cli::main()
}
