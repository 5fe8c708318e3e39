//! Rows in: one file a format.

mod column_selection;
mod columnar;
mod csv;
mod field_path;
mod input;
mod json;
mod jsonl;
mod metered;
mod shape;
mod sheet;
mod table;
mod text;

pub(crate) use columnar::{Batches, Slice};
pub use input::{Input, open};
pub use table::{Table, TableRow};
pub use text::{read_metered, read_stream};
