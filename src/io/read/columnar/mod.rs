//! Columns in: Parquet, Arrow IPC and record batches, a bounded chunk at a time.

mod batches;
mod file;
mod ipc;
mod memory;
mod parquet;
mod rows;

pub(crate) use batches::{Batches, Slice};
pub(crate) use file::ColumnarFile;
pub(crate) use rows::{ColumnarRows, check_text, question_list};
