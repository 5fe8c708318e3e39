//! Columns in: Parquet, Arrow IPC and record batches, a bounded chunk at a time.

mod batches;
mod decoder;
mod file;
mod ipc;
mod memory;
mod parquet;
mod rows;
mod texts;

pub(crate) use batches::{Batches, Slice};
pub(crate) use file::ColumnarFile;
pub(crate) use rows::{ColumnarRows, check_text, question_list};
