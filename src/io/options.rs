use super::format::{InputFormat, OutputFormat};

/// How inputs are read.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// Column of the question.
    pub question: String,
    /// Column of the context.
    pub context: String,
    /// Column that is always carried along.
    pub id: Option<String>,
    /// Which columns to carry along; `None` for all.
    pub columns: Option<Vec<String>>,
    /// `None` to go by the extension, and to take standard input for JSON Lines.
    pub format: Option<InputFormat>,
    /// The longest line of JSON Lines or record of CSV, in bytes.
    pub max_line_bytes: usize,
    /// The most rows of a columnar input that are decoded at a time.
    pub chunk_rows: usize,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            question: "question".to_owned(),
            context: "context".to_owned(),
            id: None,
            columns: None,
            format: None,
            max_line_bytes: 64 << 20,
            chunk_rows: 4096,
        }
    }
}

/// How rows are written.
#[derive(Debug, Clone)]
pub struct WriteOptions {
    /// `None` to go by the extension, and to write JSON Lines to standard output.
    pub format: Option<OutputFormat>,
    /// Put before the names of the answer columns.
    pub prefix: Option<String>,
    /// With more than 1, the answers of a row are one column, a list.
    pub top_k: usize,
    /// Rows of text used to infer the output's columns and types.
    pub infer_schema_length: usize,
    /// Overwrite an existing output.
    pub force: bool,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self { format: None, prefix: None, top_k: 1, infer_schema_length: 100, force: false }
    }
}
