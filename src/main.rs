//! The program `bertqa`.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

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

/// Whether the program was started with its standard output closed. Before `main`, Rust puts /dev/null in its place, and
/// what is written there would be lost without a word.
static IS_STDOUT_CLOSED: AtomicBool = AtomicBool::new(false);

#[cfg(target_os = "linux")]
extern "C" fn note_closed() {
    // SAFETY: the call takes no pointer, and changes nothing.
    let flags = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) };
    IS_STDOUT_CLOSED.store(flags == -1, Ordering::Relaxed);
}

// SAFETY: the functions in this section are called before `main`, and this one needs nothing that is set up by then.
#[cfg(target_os = "linux")]
#[used]
#[unsafe(link_section = ".init_array")]
static NOTE_CLOSED: extern "C" fn() = note_closed;

fn main() -> ExitCode {
    bertqa::cli::main(IS_STDOUT_CLOSED.load(Ordering::Relaxed))
}
