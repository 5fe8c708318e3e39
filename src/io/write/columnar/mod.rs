//! Columnar files out: Parquet and Arrow IPC, a bounded batch at a time.

mod arrow;
mod buffer;
mod columns;
mod fields;
mod file;

pub(crate) use buffer::AnswerBuffer;
pub(crate) use columns::ColumnsEncoder;
pub(crate) use fields::FieldsEncoder;
