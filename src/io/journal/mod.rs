//! The journal of a run: what was answered so far, in a file beside the output, `OUT.journal`.
//!
//! The output itself is of no use after a run that was killed: a Parquet file has no end, a compressed text breaks off,
//! and what the disk has of it is anybody's guess. So the answers are kept a second time, in the simplest form, a line
//! of JSON each; every now and then they are forced to the disk. A run that goes on reads its input again from the
//! first row, takes the answers from the journal as far as that goes, and writes the output from its beginning. What
//! comes out depends on rows and answers only, never on where a run broke off, in any format.
//!
//! ```text
//! {"crc32":…,"entry":{"begin":{"identity":{"bertqa":…,"inputs":…,"options":…,"model":…},"overwrites":false}}}
//! {"crc32":…,"entry":{"attempt":{"inode":17,"created":…}}}
//! {"crc32":…,"entry":{"row":{"input":…,"outcome":{"answers":[["Bell",1063256064,3,7]]}}}}
//! ```

mod claim;
mod entry;
mod file;
mod found;
mod identity;
mod kept;
mod manifest;
mod replay;
#[cfg(test)]
mod tests;
mod writer;

use crate::qa::{Example, RowError};
pub(crate) use claim::{Claim, Leftover};
pub(crate) use entry::RowCounts;
pub(crate) use identity::Identity;
pub(crate) use manifest::Manifest;
pub(crate) use replay::{Recorded, Replay};
pub(crate) use writer::{CheckpointInterval, Journal};

/// Tells what is asked from what else might be.
pub(crate) fn digest(example: &Result<Example, RowError>) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    match example {
        Ok(example) => {
            hash.update(example.question().as_bytes());
            hash.update(&[0]);
            hash.update(example.context().as_bytes());
        }
        Err(error) => hash.update(error.to_string().as_bytes()),
    }
    hash.finalize()
}
