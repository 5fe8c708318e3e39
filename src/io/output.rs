use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};

use super::columns::AnswerColumns;
use super::compression::{Compression, Encoder};
use super::csv::CsvEncoder;
use super::format::OutputFormat;
use super::frame_json;
use super::input::{Input, InputColumns};
use super::jsonl::JsonlEncoder;
use super::row::{Answered, Position, Record, Row};
use super::target::{Sink, Target};
use super::typed::{FieldsEncoder, FrameEncoder};
use crate::qa::{Answer, RowError};

/// How rows are written.
#[derive(Debug, Clone)]
pub struct WriteOptions {
    /// `None` to go by the extension, and to write JSON Lines to standard output.
    pub format: Option<OutputFormat>,
    /// Put before the names of the answer columns.
    pub prefix: Option<String>,
    /// With more than 1, the answers of a row are one column, a list.
    pub top_k: usize,
    /// From how many first rows of text the columns, and their types, are told.
    pub infer_schema_length: usize,
    /// Overwrite an existing output.
    pub force: bool,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self { format: None, prefix: None, top_k: 1, infer_schema_length: 100, force: false }
    }
}

/// Writes answered rows, in the order in which they are given.
///
/// Dropped without `finish`, it leaves no file behind.
pub trait RowWriter: Send {
    /// Writes a row. If one of its columns does not fit the output, the row is written without that, with the
    /// reason in its `error` column and in what is returned, and with its answer.
    ///
    /// # Errors
    /// The output cannot be written; see [`is_broken_pipe`].
    fn write(&mut self, row: Answered) -> anyhow::Result<Option<RowError>>;

    /// Hands on what is buffered, as far as the format lets it be read before its end.
    fn flush(&mut self) -> anyhow::Result<()>;

    /// Completes the output and gives it its name.
    fn finish(self: Box<Self>) -> anyhow::Result<()>;

    /// Completes the output with the rows so far and keeps it as `OUT.partial`, whose path is returned; `None` if
    /// there is no file to keep (standard output).
    fn finish_partial(self: Box<Self>) -> anyhow::Result<Option<PathBuf>>;
}

/// Whether an error is that the reader of a pipe has gone.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

/// Opens an output for the rows of `input`: a path, or `-` for standard output.
///
/// # Errors
/// Whatever can be told before any row is read: an unknown extension, an output that exists (without `force`), is a
/// folder or an input, whose folder is missing; an input column that has the name of an answer column; binary
/// columns in a text format.
pub fn create(output: &str, input: &Input, options: &WriteOptions) -> anyhow::Result<Box<dyn RowWriter>> {
    let path = Path::new(output);
    let is_stdout = output == "-";
    let format = match options.format.or_else(|| OutputFormat::from_path(path)) {
        Some(format) => format,
        None if is_stdout => OutputFormat::Jsonl,
        None => bail!(
            "{output}: the extension tells no format ({}); name it with --output-format",
            OutputFormat::EXTENSIONS
        ),
    };
    let compression = Compression::from_path(path);
    if compression != Compression::None && matches!(format, OutputFormat::Parquet | OutputFormat::Arrow) {
        bail!("{output}: Parquet and Arrow files are not compressed from outside; leave out .gz or .zst");
    }
    let columns = Arc::new(AnswerColumns::new(options.prefix.as_deref(), options.top_k));
    match input.columns() {
        InputColumns::Frames(schema) => columns.check_clash(schema.iter_names().map(|name| name.as_str()))?,
        InputColumns::Fields { names, .. } => columns.check_clash(names.iter().map(String::as_str))?,
    }
    if let (InputColumns::Frames(schema), OutputFormat::Jsonl | OutputFormat::Csv) = (input.columns(), format) {
        frame_json::check(schema)?;
    }

    let target = Target::open(output, options.force, input.paths())?;
    let sink = target.sink().with_context(|| format!("cannot write {output}"))?;
    let encoder: Box<dyn RowEncoder> = match (format, input.columns()) {
        (OutputFormat::Jsonl, _) => Box::new(JsonlEncoder::new(Encoder::new(sink, compression)?, columns.clone())),
        (OutputFormat::Csv, known) => {
            let names = match known {
                InputColumns::Frames(schema) => Ok(schema.iter_names().map(|name| name.to_string()).collect()),
                InputColumns::Fields { names, complete: true } => Ok(names.clone()),
                InputColumns::Fields { complete: false, .. } => Err(options.infer_schema_length),
            };
            Box::new(CsvEncoder::new(Encoder::new(sink, compression)?, columns.clone(), names)?)
        }
        (OutputFormat::Parquet | OutputFormat::Arrow, InputColumns::Frames(schema)) => {
            Box::new(FrameEncoder::new(sink, format, columns.clone(), schema)?)
        }
        (OutputFormat::Parquet | OutputFormat::Arrow, InputColumns::Fields { names, complete }) => {
            let known = if *complete { names.clone() } else { Vec::new() };
            Box::new(FieldsEncoder::new(sink, format, columns.clone(), known, options.infer_schema_length))
        }
    };
    Ok(Box::new(Writer { encoder, columns, target }))
}

/// Writes JSON Lines to `writer`, which is completed when the writer of rows is.
pub(super) fn jsonl(
    writer: Box<dyn std::io::Write + Send>,
    options: &WriteOptions,
) -> std::io::Result<Box<dyn RowWriter>> {
    let columns = Arc::new(AnswerColumns::new(options.prefix.as_deref(), options.top_k));
    let sink = Encoder::new(Sink::new(writer), Compression::None)?;
    let encoder = Box::new(JsonlEncoder::new(sink, columns.clone()));
    Ok(Box::new(Writer { encoder, columns, target: Target::Stream }))
}

/// One format: rows to bytes.
pub(super) trait RowEncoder: Send {
    /// Writes a row of which no field has an answer column's name, and returns what did not fit.
    fn write(&mut self, record: Record, outcome: Outcome) -> anyhow::Result<Vec<String>>;

    fn flush(&mut self) -> anyhow::Result<()>;

    /// Writes all that is left, to the sink's end.
    fn finish(self: Box<Self>) -> anyhow::Result<()>;
}

/// What became of a row: answers, problems, or both, if the row was answered but does not fit the output.
pub(super) struct Outcome {
    position: Position,
    pub(super) answers: Vec<Answer>,
    pub(super) problems: Vec<String>,
}

impl Outcome {
    #[cfg(test)]
    pub(super) fn new(position: Position, answers: Vec<Answer>) -> Self {
        Self { position, answers, problems: Vec::new() }
    }

    /// The text of the `error` column.
    pub(super) fn error(&self) -> Option<String> {
        (!self.problems.is_empty()).then(|| format!("{}: {}", self.position, self.problems.join("; ")))
    }
}

struct Writer {
    encoder: Box<dyn RowEncoder>,
    columns: Arc<AnswerColumns>,
    target: Target,
}

impl RowWriter for Writer {
    fn write(&mut self, row: Answered) -> anyhow::Result<Option<RowError>> {
        let Answered { row: Row { position, mut record }, answers } = row;
        let (answers, mut problems) = match answers {
            Ok(answers) => (answers, Vec::new()),
            Err(error) => (Vec::new(), vec![error.to_string()]),
        };
        let mut misfits = Vec::new();
        if let Record::Fields(fields) = &mut record {
            fields.retain(|name, _| {
                let clashes = self.columns.has(name);
                if clashes {
                    misfits.push(format!(
                        "field `{name}` is left out, since the output needs that name for the answers; \
                         give those other names with --prefix"
                    ));
                }
                !clashes
            });
        }
        problems.extend_from_slice(&misfits);
        misfits.extend(self.encoder.write(record, Outcome { position, answers, problems })?);
        Ok((!misfits.is_empty()).then(|| RowError::schema(misfits.join("; "))))
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        self.encoder.flush()
    }

    fn finish(self: Box<Self>) -> anyhow::Result<()> {
        self.encoder.finish()?;
        self.target.commit()
    }

    fn finish_partial(self: Box<Self>) -> anyhow::Result<Option<PathBuf>> {
        self.encoder.finish()?;
        self.target.commit_partial()
    }
}
