//! Columnar files in: Parquet and Arrow IPC, a bounded chunk at a time.

mod file;
mod rows;

pub(crate) use file::ColumnarFile;
pub(crate) use rows::{ColumnarRows, check_text};
