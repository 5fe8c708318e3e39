//! Rows in, rows out.
//!
//! [`open`] resolves inputs and checks all that can be checked before any work; [`Input::rows`] reads them, a bounded
//! part at a time, and gives a row for each that is there, bad ones included. [`create`] opens an output that fits
//! them, and its [`RowWriter`] writes every row that it is given.
//!
//! ```
//! use bertqa::io;
//! use bertqa::qa::Answer;
//!
//! # fn main() -> anyhow::Result<()> {
//! # let folder = tempfile::tempdir()?;
//! # let at = |name: &str| folder.path().join(name);
//! # std::fs::write(at("questions.jsonl"), "{\"question\": \"Who?\", \"context\": \"Bell did.\"}\n")?;
//! let input = io::open(&[at("questions.jsonl")], &io::ReadOptions::default())?;
//! let mut output = io::create(at("answers.parquet"), &input, &io::WriteOptions::default())?;
//! for row in input.rows() {
//!     let io::InputRow { position, record, example } = row?;
//!     let answers = example.map(|_| vec![Answer { text: "Bell".to_owned(), score: 0.9, start: 0, end: 4 }]);
//!     output.write(io::Answered { row: io::Row { position, record }, answers })?;
//! }
//! output.finish()?;
//! # Ok(())
//! # }
//! ```

mod columnar;
mod encoding;
mod error;
mod format;
#[cfg(feature = "cli")]
pub(crate) mod journal;
mod json;
mod options;
mod output_path;
mod read;
pub(crate) mod remote;
mod row;
mod source;
mod write;

#[cfg(test)]
mod tests;

use std::path::Path;

pub use columnar::json::JsonError;
pub use encoding::{Encoding, UnknownEncoding};
pub use error::{ColumnRole, Error, Result, is_broken_pipe};
pub use format::{InputFormat, OutputFormat};
pub use options::{CsvOptions, ReadOptions, WriteOptions};
#[cfg(feature = "cli")]
pub(crate) use output_path::is_stream;
pub(crate) use read::{Batches, Slice};
pub use read::{Input, Table, TableRow, open, read_metered, read_stream};
pub use row::{Answered, Fields, InputColumns, InputRow, Position, Record, Row, Rows};
pub use source::Shard;
pub use source::compression::is_window_too_large;
pub(crate) use write::answer_columns::AnswerColumns;
pub(crate) use write::columnar::AnswerBuffer;
pub(crate) use write::encoder::OutputRow;
#[cfg(feature = "cli")]
pub(crate) use write::target::Target;
pub use write::{RowWriter, write_stream};

/// Opens an output for the rows of `input`: a path, or `-` for standard output.
///
/// # Errors
/// Whatever can be detected before any row is read: an unknown extension, an output that exists (without `force`),
/// is a folder or an input, whose folder is missing; an input column that has the name of an answer column; binary
/// columns in a text format.
pub fn create(output: impl AsRef<Path>, input: &Input, options: &WriteOptions) -> Result<Box<dyn RowWriter>> {
    write::create(output.as_ref(), input.columns(), input.metadata(), input.paths(), options)
}
