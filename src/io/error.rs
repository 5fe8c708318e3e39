use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use polars::prelude::PolarsError;

use super::columnar::json::JsonError;
use super::format::{InputFormat, Layout, OutputFormat};
use crate::plural::plural;

/// The result of reading or writing.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why inputs or an output cannot be used.
///
/// It says what is wrong and where. What is to be done about it depends on who asks: a command line has flags, a
/// program has [`ReadOptions`](super::ReadOptions) and [`WriteOptions`](super::WriteOptions).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing to read.
    #[error("there is no input")]
    NoInput,
    /// Standard input is named more than once.
    #[error("standard input (`-`) can be read only once")]
    StdinTwice,
    /// An input that does not exist.
    #[error("{}: no such file or folder", .0.display())]
    NotFound(PathBuf),
    /// A pattern that is malformed.
    #[error("{pattern}: not a glob")]
    Glob {
        /// As it was given.
        pattern: String,
        /// What is wrong with it.
        source: glob::PatternError,
    },
    /// A pattern that no file matches.
    #[error("{0}: no file matches")]
    NoMatch(String),
    /// A folder that cannot be listed.
    #[error("cannot list the folder {}", path.display())]
    List {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A folder without a file of a known format.
    #[error("{}: the folder has no file to read ({})", .0.display(), InputFormat::extensions())]
    EmptyFolder(PathBuf),
    /// An input whose name does not say its format.
    #[error("{}: cannot infer the format from the extension; known are {}", .0.display(), InputFormat::extensions())]
    UnknownInputFormat(PathBuf),
    /// An output whose name does not say its format.
    #[error("{}: cannot infer the format from the extension; known are {}", .0.display(), OutputFormat::extensions())]
    UnknownOutputFormat(PathBuf),
    /// The name of a file elsewhere that is malformed.
    #[error("{url}: {reason}")]
    Url {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An object store, in a program that was built without.
    #[error("{url}: this program was built without object stores")]
    NoStores {
        /// As it was given.
        url: String,
    },
    /// A file elsewhere that cannot be had, or written.
    #[error("{url}: cannot be reached")]
    Remote {
        /// The file, or the folder.
        url: String,
        /// Why not.
        source: io::Error,
    },
    /// A part of an input that cannot be cut into parts.
    #[error("{0}: a part of what is no regular file cannot be found")]
    NoShards(Arc<str>),
    /// Text and columnar inputs together.
    #[error(
        "text inputs ({}) and columnar ones ({}) cannot be read together",
        InputFormat::names(|layout| !layout.is_columnar()),
        InputFormat::names(Layout::is_columnar)
    )]
    MixedLayouts,
    /// A format that has to be read from its end, from a reader that cannot seek.
    #[error("{name}: {} cannot be read as a stream", format.name())]
    NotStreamable {
        /// What the stream is called.
        name: Arc<str>,
        /// Its format.
        format: InputFormat,
    },

    /// A file that cannot be opened.
    #[error("cannot open {name}")]
    Open {
        /// The input.
        name: Arc<str>,
        /// Why not.
        source: io::Error,
    },
    /// An input that cannot be read at all.
    #[error("cannot read {name}")]
    Read {
        /// The input.
        name: Arc<str>,
        /// Why not.
        source: io::Error,
    },
    /// An input that was written to between being found and being read to its end.
    #[error(
        "{name}: was changed while it was read: it had {before} bytes, and has {now}; its rows may be of either or torn"
    )]
    Changed {
        /// The input.
        name: Arc<str>,
        /// Its size when it was found.
        before: u64,
        /// Its size when it had been read.
        now: u64,
    },
    /// A text input that broke off.
    #[error("{name}: cannot read on after line {line}")]
    ReadOnLine {
        /// The input.
        name: Arc<str>,
        /// The last line that was read, from 1.
        line: u64,
        /// Why not.
        source: io::Error,
    },
    /// A columnar input that broke off.
    #[error("{name}: cannot read on after row {row}")]
    ReadOnRow {
        /// The input.
        name: Arc<str>,
        /// The last row that was read, from 1.
        row: u64,
        /// Why not.
        source: PolarsError,
    },
    /// An Arrow C stream that cannot be read.
    #[error("{name}: not a readable Arrow C stream")]
    ArrowStream {
        /// What the stream is called.
        name: Arc<str>,
        /// What is wrong.
        source: PolarsError,
    },
    /// An Arrow C stream of arrays that have no columns.
    #[error("{0}: a stream of arrays, not of record batches")]
    NoRecordBatches(Arc<str>),
    /// No file can be made for what comes through a pipe.
    #[error("cannot create a temporary file")]
    Temporary(#[source] io::Error),
    /// A columnar file that is not of its format.
    #[error("{name}: not a readable {} file", format.name())]
    NotColumnar {
        /// The input.
        name: Arc<str>,
        /// What it should be.
        format: InputFormat,
        /// What is wrong.
        source: PolarsError,
    },
    /// A column of a type that cannot be carried along.
    #[error("{name}: column `{column}` has the type {dtype}, which cannot be carried along")]
    UnsupportedType {
        /// The input.
        name: Arc<str>,
        /// The column.
        column: String,
        /// Its type.
        dtype: String,
    },
    /// A column of a type that cannot be read.
    #[error("{name}: column `{column}` is {dtype}, which cannot be read")]
    UnreadableType {
        /// The input.
        name: Arc<str>,
        /// The column.
        column: String,
        /// What it is.
        dtype: String,
    },
    /// A column of instants in a time zone that is not known.
    #[error("{name}: column `{column}` is in an unknown time zone, {zone}")]
    UnknownTimeZone {
        /// The input.
        name: Arc<str>,
        /// The column.
        column: String,
        /// The time zone.
        zone: String,
    },
    /// A spreadsheet that is not of its format.
    #[error("{name}: not a readable {} file: {message}", format.name())]
    NotWorkbook {
        /// The input.
        name: Arc<str>,
        /// What it should be.
        format: InputFormat,
        /// What is wrong.
        message: String,
    },
    /// A spreadsheet that takes too much memory.
    #[error("{name}: unpacked it is larger than the limit of {} MiB", limit >> 20)]
    WorkbookTooLarge {
        /// The input.
        name: Arc<str>,
        /// The limit in bytes.
        limit: u64,
    },
    /// A sheet that is not there.
    #[error("{name}: there is no sheet `{sheet}`, only {}", quoted(available))]
    NoSheet {
        /// The input.
        name: Arc<str>,
        /// The name or number that was given.
        sheet: String,
        /// The sheets that are there.
        available: Vec<String>,
    },
    /// A sheet without a value.
    #[error("{0}: the sheet is empty; its first row has the names of the columns")]
    NoSheetHeader(Arc<str>),
    /// A text that is no JSON.
    #[error("{name}: not JSON")]
    NotJson {
        /// The input.
        name: Arc<str>,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A text of JSON that takes too much memory.
    #[error(
        "{name}: JSON that is not lines is held in memory whole, and this is larger than the limit of {limit} bytes"
    )]
    JsonTooLarge {
        /// The input.
        name: Arc<str>,
        /// The limit in bytes.
        limit: usize,
    },
    /// JSON in which no rows are found.
    #[error(
        "{name}: no rows are found in it; it holds {found}, and not rows with a question and a context, a list of them, \
         or SQuAD's data > paragraphs > context and qas"
    )]
    NoRows {
        /// The input.
        name: Arc<str>,
        /// What there is.
        found: String,
    },
    /// A text that cannot be read in another encoding.
    #[error("{name}: not valid UTF-8{note}")]
    NotUtf8 {
        /// The input.
        name: Arc<str>,
        /// What it looks like.
        note: String,
    },
    /// What Git LFS leaves where it has not fetched a file.
    #[error("{0}: a pointer of Git LFS, and not the file that it stands for")]
    LfsPointer(Arc<str>),

    /// A CSV without a header.
    #[error("{0}: the file is empty; a CSV begins with a header")]
    NoHeader(Arc<str>),
    /// A CSV header that is not text.
    #[error("{name}: the header is not valid UTF-8{note}")]
    HeaderNotUtf8 {
        /// The input.
        name: Arc<str>,
        /// What it looks like.
        note: String,
    },
    /// A CSV header whose quotes do not fit.
    #[error("{name}: a quote that the header opens in line {line} is not closed, or text follows where it is")]
    HeaderQuotes {
        /// The input.
        name: Arc<str>,
        /// The line of the quote, from 1.
        line: u64,
    },
    /// A CSV header over the limit.
    #[error("{name}: the header is longer than the limit of {limit} bytes")]
    HeaderTooLong {
        /// The input.
        name: Arc<str>,
        /// The limit in bytes.
        limit: usize,
    },
    /// A CSV header that has a name twice.
    #[error("{name}: the header names the column `{column}` twice; rename one")]
    RepeatedColumn {
        /// The input.
        name: Arc<str>,
        /// The column.
        column: String,
    },
    /// A column that is asked for and is not there.
    #[error("{name}: there is no column `{column}`, only {}", quoted(available))]
    MissingColumn {
        /// The input.
        name: Arc<str>,
        /// The column.
        column: String,
        /// What it was to be.
        role: ColumnRole,
        /// The columns that are there.
        available: Vec<String>,
    },
    /// A question or context that is not text.
    #[error("{name}: column `{column}` is {dtype}, not text")]
    NotText {
        /// The input.
        name: Arc<str>,
        /// The column.
        column: String,
        /// What it was to be.
        role: ColumnRole,
        /// Its type.
        dtype: String,
    },
    /// Columnar inputs whose columns differ.
    #[error(
        "the inputs differ in their columns: `{column}` is {} in {first} and {} in {other}",
        first_type.as_deref().unwrap_or("not there"),
        other_type.as_deref().unwrap_or("not there")
    )]
    DifferentColumns {
        /// The column.
        column: String,
        /// The first input.
        first: Arc<str>,
        /// The column's type in it, where it has the column.
        first_type: Option<String>,
        /// Another input.
        other: Arc<str>,
        /// The column's type in that.
        other_type: Option<String>,
    },

    /// An input column that has the name of an answer column.
    #[error("the input already has a column `{0}`, which the output needs for the answers")]
    NameClash(String),
    /// An input column that has the name of the column of input files.
    #[error("{name}: there is already a column `{column}`, which was to have the names of the inputs")]
    SourceFileClash {
        /// The input.
        name: Arc<str>,
        /// The column.
        column: String,
    },
    /// A binary column for a text format.
    #[error("{name}: column `{column}` is binary, which text formats cannot hold")]
    Binary {
        /// The input.
        name: String,
        /// The column.
        column: String,
    },
    /// A value that has no JSON form.
    #[error("column `{column}` cannot be written as JSON")]
    Json {
        /// The column.
        column: String,
        /// Why not.
        source: JsonError,
    },
    /// A row that cannot be written.
    #[error("{position}")]
    Row {
        /// Input and row.
        position: String,
        /// Why not.
        source: Box<Error>,
    },
    /// Compression around a format that compresses by itself.
    #[error("{}: {} files are not compressed from outside; leave out .gz or .zst", path.display(), format.name())]
    Compressed {
        /// The output.
        path: PathBuf,
        /// Its format.
        format: OutputFormat,
    },
    /// An output that is a folder.
    #[error("{}: is a folder; name a file in it", .0.display())]
    OutputIsFolder(PathBuf),
    /// A symbolic link that no file is at the end of.
    #[error("{}: is a symbolic link that leads to itself", .0.display())]
    OutputLoops(PathBuf),
    /// An output that is also read.
    #[error("{}: is also an input; write to another file", .0.display())]
    OutputIsInput(PathBuf),
    /// An output that is there already.
    #[error("{}: exists already", .0.display())]
    OutputExists(PathBuf),
    /// An output that has no file name.
    #[error("{}: names no file", .0.display())]
    NoFileName(PathBuf),
    /// An output in a folder that does not exist.
    #[error("{}: there is no folder {}; create it first", path.display(), folder.display())]
    NoFolder {
        /// The output.
        path: PathBuf,
        /// Its folder.
        folder: PathBuf,
    },
    /// An output that cannot be created, or cannot get its name.
    #[error("cannot create {}", path.display())]
    Create {
        /// The output.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// An output that is complete, and cannot get its name.
    #[error("cannot create {}; the answers are kept in {}", path.display(), kept.display())]
    NotNamed {
        /// The output.
        path: PathBuf,
        /// Where it is instead.
        kept: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A folder in which no file can be created.
    #[error("cannot write in the folder {}", path.display())]
    CreateIn {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file of the output that cannot be written on.
    #[error("cannot write {}", path.display())]
    WriteTo {
        /// The output.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// An earlier run that broke off has left its answers.
    #[error(
        "{}: is left from a run that broke off, with the answers of {rows} {}", journal.display(), plural(*rows, "row")
    )]
    Leftover {
        /// The journal.
        journal: PathBuf,
        /// Rows that it has answers of.
        rows: u64,
    },
    /// Another run writes the same output.
    #[error("{}: another run is writing this output", .0.display())]
    JournalInUse(PathBuf),
    /// A file that is no journal has its name.
    #[error("{}: this is where the journal of the run goes, and the file there is none; move it away", .0.display())]
    NotAJournal(PathBuf),
    /// A journal that cannot be read or written.
    #[error("cannot write the journal {}", path.display())]
    Journal {
        /// The journal.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The run to go on with was another.
    #[error("{}: is the journal of another run: {}", journal.display(), changes.join("; "))]
    RunChanged {
        /// The journal.
        journal: PathBuf,
        /// What differs.
        changes: Vec<String>,
    },
    /// A part of an output that is there already, and that another run wrote.
    #[error("{part}: is there already, and another run wrote it: {}", changes.join("; "))]
    PartChanged {
        /// The part.
        part: String,
        /// How that run differs.
        changes: Vec<String>,
    },
    /// A row that is not the one that was answered when the run began.
    #[error("{position}: is not the row that was answered before; the input has changed")]
    RowChanged {
        /// Where it stands.
        position: String,
    },
    /// The input ends before the last row that was answered when the run began.
    #[error("the input has {rows} {}, fewer than the {recorded} that were answered before", plural(*rows, "row"))]
    RowsMissing {
        /// Rows that it has.
        rows: u64,
        /// Rows that were answered.
        recorded: u64,
    },
    /// An output that cannot be written on; see [`is_broken_pipe`](super::is_broken_pipe).
    #[error("cannot write the output")]
    Write(#[source] io::Error),
    /// Standard output, which cannot be written on.
    #[error("cannot write to standard output")]
    WriteStdout(#[source] io::Error),
    /// A record that the CSV writer refuses.
    #[error("cannot write CSV")]
    Csv(#[source] csv::Error),
    /// A columnar operation that failed.
    #[error(transparent)]
    Columnar(#[from] PolarsError),
    /// A text that cannot be serialized.
    #[error(transparent)]
    Serialize(#[from] serde_json::Error),
}

/// What a column that the options name is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnRole {
    /// It holds the question.
    Question,
    /// It holds the context.
    Context,
    /// It identifies the row.
    Id,
    /// It is carried along to the output.
    Carried,
}

/// The first names, and how many more there are.
fn quoted(names: &[String]) -> String {
    const MOST: usize = 50;
    let mut quoted: Vec<_> = names.iter().take(MOST).map(|name| format!("`{name}`")).collect();
    if names.len() > MOST {
        quoted.push(format!("and {} more", names.len() - MOST));
    }
    quoted.join(", ")
}

/// Whether an error is that the reader of a pipe has gone.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe))
}
