use std::path::PathBuf;

use serde::Serialize;

use super::encoding::Encoding;
use super::format::{InputFormat, OutputFormat};
use super::source::Shard;
use super::source::compression::DEFAULT_WINDOW_LOG_MAX;

/// How inputs are read.
#[derive(Debug, Clone, Serialize)]
pub struct ReadOptions {
    /// Column of the question.
    pub question: String,
    /// Column of the context.
    pub context: String,
    /// Column that is always carried along.
    pub id: Option<String>,
    /// Which columns to carry along; `None` for all.
    pub columns: Option<Vec<String>>,
    /// A column of this name is added, with the input that a row is from: its path as it was given or found.
    pub source_file: Option<String>,
    /// `None` to go by the extension, and to take standard input for JSON Lines.
    pub format: Option<InputFormat>,
    /// The part of the inputs that is read; `None` for all.
    pub shard: Option<Shard>,
    /// The output: where it stands in a folder that is read, it is no input.
    #[serde(skip)]
    pub output: Option<PathBuf>,
    /// In which text is encoded; `None` for UTF-8, or for UTF-16 where a byte order mark says so.
    pub encoding: Option<Encoding>,
    /// The largest window of Zstandard and dictionary of xz, as a power of 2: so much memory an input may take.
    pub window_log_max: u32,
    /// How CSV is written.
    pub csv: CsvOptions,
    /// The sheet of a spreadsheet, by its name or its number from 1; `None` for the first that is shown.
    pub sheet: Option<String>,
    /// The longest line of JSON Lines, record of CSV, row of a sheet, question or context of a columnar file, in bytes.
    pub max_line_bytes: usize,
    /// The largest text of JSON that is not lines, which is held in memory, in bytes.
    pub max_json_bytes: usize,
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
            source_file: None,
            format: None,
            shard: None,
            output: None,
            encoding: None,
            window_log_max: DEFAULT_WINDOW_LOG_MAX,
            csv: CsvOptions::default(),
            sheet: None,
            max_line_bytes: 64 << 20,
            max_json_bytes: 512 << 20,
            chunk_rows: 4096,
        }
    }
}

/// How CSV is written that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CsvOptions {
    /// Between fields; `None` to find it out from the header.
    pub delimiter: Option<u8>,
    /// Around fields; `None` if there are no quotes.
    pub quote: Option<u8>,
    /// Before a character that stands for itself, quotes in particular; two quotes stand for one in any case.
    pub escape: Option<u8>,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self { delimiter: None, quote: Some(b'"'), escape: None }
    }
}

/// How rows are written.
#[derive(Debug, Clone, Serialize)]
pub struct WriteOptions {
    /// `None` to go by the extension, and to write JSON Lines to standard output.
    pub format: Option<OutputFormat>,
    /// Put before the names of the answer columns.
    pub prefix: Option<String>,
    /// With more than 1, the answers of a row are one column, a list.
    pub top_k: usize,
    /// Rows of text used to infer the output's columns and types.
    pub infer_schema_length: usize,
    /// Begin CSV with a byte order mark, without which Excel takes it for another encoding.
    pub csv_bom: bool,
    /// Overwrite an existing output.
    #[serde(skip)]
    pub force: bool,
    /// Where the output is written until it is complete, in the same folder; a file that must not exist. `None` for a new
    /// name each time.
    #[serde(skip)]
    pub work_file: Option<PathBuf>,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            format: None,
            prefix: None,
            top_k: 1,
            infer_schema_length: 100,
            csv_bom: false,
            force: false,
            work_file: None,
        }
    }
}
