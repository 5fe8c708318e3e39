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
//! # let at = |name: &str| folder.path().join(name).display().to_string();
//! # std::fs::write(at("questions.jsonl"), "{\"question\": \"Who?\", \"context\": \"Bell did.\"}\n")?;
//! let input = io::open(&[at("questions.jsonl")], &io::ReadOptions::default())?;
//! let mut output = io::create(&at("answers.parquet"), &input, &io::WriteOptions::default())?;
//! for row in input.rows() {
//!     let io::InputRow { position, record, example } = row?;
//!     let answers = example.map(|_| vec![Answer { text: "Bell".to_owned(), score: 0.9, start: 0, end: 4 }]);
//!     output.write(io::Answered { row: io::Row { position, record }, answers })?;
//! }
//! output.finish()?;
//! # Ok(())
//! # }
//! ```

mod columns;
mod compression;
mod csv;
mod format;
mod frame;
mod frame_json;
mod input;
mod jsonl;
mod output;
mod paths;
mod row;
mod schema;
mod selection;
mod squad;
mod stream;
mod table;
mod target;
mod typed;
mod typed_file;

#[cfg(test)]
mod tests;

pub use format::{InputFormat, OutputFormat};
pub use input::{Input, InputColumns, ReadOptions, Rows, open};
pub use output::{RowWriter, WriteOptions, create, is_broken_pipe};
pub use row::{Answered, Fields, InputRow, Position, Record, Row};
pub use stream::{read_stream, write_stream};
pub use table::{Table, TableRow};
pub(crate) use target::Target;
