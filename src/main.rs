//! The program `bertqa`.

use std::process::ExitCode;

/// It gives memory back that is not used any more, which the system's allocator does not when it was taken by many
/// threads in pieces of many sizes.
#[cfg(unix)]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// After two seconds, by a thread of its own.
#[cfg(unix)]
const ALLOCATOR_OPTIONS: &[u8] = b"background_thread:true,dirty_decay_ms:2000,muzzy_decay_ms:0\0";

/// Where the allocator looks for its options: a pointer to a text that ends with a zero.
// SAFETY: of the type and with the content that the allocator expects under this name, which nothing else has.
#[cfg(unix)]
#[unsafe(export_name = "_rjem_malloc_conf")]
static MALLOC_CONF: &u8 = &ALLOCATOR_OPTIONS[0];

fn main() -> ExitCode {
    bertqa::cli::main()
}
