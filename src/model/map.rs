use std::fs::File;
use std::io;
use std::path::Path;

use memmap2::Mmap;

/// Maps a file into memory: weights and dictionaries, of which much is never touched or is read once.
pub(super) fn map(path: &Path) -> io::Result<Mmap> {
    let file = File::open(path)?;
    // SAFETY: the map is only read, by code that checks each index. A file that another program cuts short while it is
    // mapped ends this one with SIGBUS, as it would any program that maps it; the hub's cache and packages replace
    // files and don't write into them.
    unsafe { Mmap::map(&file) }
}
