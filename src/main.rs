use std::alloc::System;
use std::process::ExitCode;

use zeroizing_alloc::ZeroAlloc;

/// Erases what is freed: requests, answers, and whatever libraries read secrets into (`tests/process/secrets.rs`).
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    peer::cli::main()
}
