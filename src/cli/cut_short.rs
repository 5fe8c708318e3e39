//! Files that are cut short while they are mapped into memory, as weights are.

/// Ends the program with a message and the status of an error where the system would kill it without a word: reading
/// what is not there any more is a signal, and leaves nothing to go on with.
#[cfg(unix)]
pub(super) fn handle() {
    const MESSAGE: &[u8] = b"bertqa: a file of the model was cut short while it was in use\n\
        hint: files in use are replaced, not written into; a run goes on from its checkpoint with --resume\n";
    let end = || {
        // SAFETY: both calls are safe in a signal handler, and the message is valid for its length. If it cannot be
        // written, nothing is left to do.
        unsafe {
            libc::write(libc::STDERR_FILENO, MESSAGE.as_ptr().cast(), MESSAGE.len());
            libc::_exit(2)
        }
    };
    // SAFETY: the action only makes calls that are safe in a signal handler, and does not panic.
    if let Err(error) = unsafe { signal_hook::low_level::register(signal_hook::consts::SIGBUS, end) } {
        tracing::debug!("SIGBUS cannot be handled: {error}");
    }
}

#[cfg(not(unix))]
pub(super) fn handle() {}
