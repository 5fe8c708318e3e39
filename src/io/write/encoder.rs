use crate::io::error::Result;
use crate::io::row::{Position, Record};
use crate::qa::Answer;

/// One format: rows to bytes.
pub(crate) trait RowEncoder: Send {
    /// Writes a row of which no field has an answer column's name, and returns what did not fit.
    fn write(&mut self, record: Record, output: OutputRow) -> Result<Vec<String>>;

    fn flush(&mut self) -> Result<()>;

    /// Writes all that is left, to the sink's end.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// What a row gets besides its own columns: answers, problems, or both, if it was answered but does not fit the
/// output.
pub(crate) struct OutputRow {
    pub(crate) position: Position,
    pub(crate) answers: Vec<Answer>,
    pub(crate) problems: Vec<String>,
}

impl OutputRow {
    /// The text of the `error` column.
    pub(crate) fn error(&self) -> Option<String> {
        (!self.problems.is_empty()).then(|| format!("{}: {}", self.position, self.problems.join("; ")))
    }
}

/// What is wrong with a field that the columns, inferred from the first rows, do not have.
pub(crate) fn new_field(name: &str) -> String {
    format!("field `{name}` is in none of the first rows and has no column")
}
