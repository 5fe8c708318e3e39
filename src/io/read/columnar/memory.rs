//! Memory that a decoder is about to ask for.

use polars::prelude::PolarsResult;

use super::decoder::damaged;

/// Refuses more bytes than there are: the decoder asks for them in a way that would end the program.
pub(super) fn check(bytes: u64) -> PolarsResult<()> {
    match usize::try_from(bytes).map(|bytes| Vec::<u8>::new().try_reserve_exact(bytes)) {
        Ok(Ok(())) => Ok(()),
        _ => Err(damaged(format!("a column takes {bytes} bytes of memory, more than there are"))),
    }
}
