//! Rows out: one file a format.

pub(crate) mod answer_columns;
pub(crate) mod columnar;
mod csv;
pub(crate) mod encoder;
pub(crate) mod jsonl;
pub(crate) mod sink;
pub(crate) mod target;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::answer_columns::AnswerColumns;
use self::columnar::{ColumnsEncoder, FieldsEncoder};
use self::csv::CsvEncoder;
use self::encoder::{OutputRow, RowEncoder};
use self::jsonl::JsonlEncoder;
use self::sink::{Compressed, Sink};
use self::target::Target;
use super::columnar::json;
use super::columnar::metadata::Metadata;
use super::error::{Error, Result};
use super::format::{ColumnarFormat, Compression, OutputFormat};
use super::options::WriteOptions;
use super::row::{Answered, InputColumns, Record, Row};
use crate::qa::RowError;

/// Writes answered rows, in the order in which they are given.
///
/// Dropped without `finish`, it leaves no file behind.
pub trait RowWriter: Send {
    /// Writes a row. If one of its columns does not fit the output, the row is written without that, with the
    /// reason in its `error` column and in what is returned, and with its answer.
    ///
    /// # Errors
    /// The output cannot be written; see [`is_broken_pipe`](crate::io::is_broken_pipe).
    fn write(&mut self, row: Answered) -> Result<Option<RowError>>;

    /// Hands on what is buffered, as far as the format lets it be read before its end.
    fn flush(&mut self) -> Result<()>;

    /// The file that is written until the output is complete; `None` if the output is written itself, as a pipe is.
    fn work_file(&self) -> Option<&Path>;

    /// Completes the output and gives it its name.
    fn finish(self: Box<Self>) -> Result<()>;

    /// Completes the output with the rows so far and keeps it as `OUT.partial`, whose path is returned; `None` if
    /// there is no file to keep (standard output).
    fn finish_partial(self: Box<Self>) -> Result<Option<PathBuf>>;
}

/// Opens an output for rows with these columns; none of `inputs` may be the output.
pub(crate) fn create<'a>(
    output: &Path,
    input_columns: &InputColumns,
    metadata: &Metadata,
    inputs: impl Iterator<Item = &'a Path>,
    options: &WriteOptions,
) -> Result<Box<dyn RowWriter>> {
    let mut inputs = inputs.peekable();
    let format = match options.format.or_else(|| OutputFormat::from_path(output)) {
        Some(format) => format,
        None if output.as_os_str() == "-" => OutputFormat::Jsonl,
        None => return Err(Error::UnknownOutputFormat(output.to_owned())),
    };
    let compression = Compression::from_path(output);
    if compression != Compression::None && !format.is_compressible() {
        return Err(Error::Compressed { path: output.to_owned(), format });
    }
    let columns = Arc::new(AnswerColumns::new(options.prefix.as_deref(), options.top_k));
    let clashes = match input_columns {
        InputColumns::Fields { parts: true, .. } => Clashes::Renamed,
        InputColumns::Fields { parts: false, .. } | InputColumns::Columnar(_) => Clashes::LeftOut,
    };
    match clashes {
        Clashes::LeftOut => columns.check_clash(input_columns.names().into_iter())?,
        Clashes::Renamed => {
            for name in input_columns.names().into_iter().filter(|name| columns.has(name)) {
                tracing::warn!("the input's `{name}` is written as `{}`: `{name}` is for the answers", renamed(name));
            }
        }
    }
    if let InputColumns::Columnar(schema) = input_columns
        && format.is_text()
        && let Some(column) = json::binary_column(schema)
    {
        // All inputs have the same columns.
        let name = inputs.peek().map_or_else(|| "<stdin>".to_owned(), |path| path.display().to_string());
        return Err(Error::Binary { name, column: column.to_owned() });
    }

    let target = Target::open(output, options.force, options.work_file.as_deref(), inputs)?;
    let sink = target.sink().map_err(|source| Error::Create { path: output.to_owned(), source })?;
    let compressed = |sink| Compressed::new(sink, compression).map_err(Error::Write);
    let of_columns = |sink, format| columnar(sink, format, &columns, (input_columns, metadata), options);
    let encoder: Box<dyn RowEncoder> = match format {
        OutputFormat::Jsonl => Box::new(JsonlEncoder::new(compressed(sink)?, columns.clone())),
        OutputFormat::Csv | OutputFormat::Tsv => {
            let delimiter = if format == OutputFormat::Tsv { b'\t' } else { b',' };
            let mut sink = compressed(sink)?;
            if options.csv_bom {
                sink.write_all("\u{feff}".as_bytes()).map_err(Error::Write)?;
            }
            let names = match input_columns {
                InputColumns::Columnar(_) | InputColumns::Fields { complete: true, .. } => {
                    Ok(input_columns.names().into_iter().map(str::to_owned).collect())
                }
                InputColumns::Fields { complete: false, .. } => Err(options.infer_schema_length),
            };
            Box::new(CsvEncoder::new(sink, columns.clone(), delimiter, names)?)
        }
        OutputFormat::Parquet => of_columns(sink, ColumnarFormat::Parquet)?,
        OutputFormat::Arrow => of_columns(sink, ColumnarFormat::Arrow)?,
        OutputFormat::ArrowStream => of_columns(sink, ColumnarFormat::ArrowStream)?,
    };
    Ok(Box::new(Writer { encoder, columns, clashes, is_text: format.is_text(), target }))
}

fn columnar(
    sink: Sink,
    format: ColumnarFormat,
    columns: &Arc<AnswerColumns>,
    (input_columns, metadata): (&InputColumns, &Metadata),
    options: &WriteOptions,
) -> Result<Box<dyn RowEncoder>> {
    let columns = columns.clone();
    Ok(match input_columns {
        InputColumns::Columnar(schema) => Box::new(ColumnsEncoder::new(sink, format, columns, schema, metadata)?),
        InputColumns::Fields { names, complete, .. } => {
            let known = if *complete { names.clone() } else { Vec::new() };
            Box::new(FieldsEncoder::new(sink, format, columns, known, options.infer_schema_length))
        }
    })
}

/// Writes rows as JSON Lines to a writer that the caller has.
///
/// # Errors
/// If `writer` cannot be written to.
pub fn write_stream(
    writer: impl std::io::Write + Send + 'static,
    options: &WriteOptions,
) -> Result<Box<dyn RowWriter>> {
    let columns = Arc::new(AnswerColumns::new(options.prefix.as_deref(), options.top_k));
    let sink = Compressed::new(Sink::new(Box::new(writer)), Compression::None).map_err(Error::Write)?;
    let encoder = Box::new(JsonlEncoder::new(sink, columns.clone()));
    Ok(Box::new(Writer { encoder, columns, clashes: Clashes::LeftOut, is_text: true, target: Target::Stream }))
}

/// What becomes of an input field that has the name of an answer column.
#[derive(Clone, Copy)]
enum Clashes {
    /// It is an error on its row; where it is known at the start, of the run.
    LeftOut,
    /// It gets another name: whoever lays questions out as parts of larger values has the right answers beside them.
    Renamed,
}

/// The other name.
fn renamed(name: &str) -> String {
    format!("input_{name}")
}

struct Writer {
    encoder: Box<dyn RowEncoder>,
    columns: Arc<AnswerColumns>,
    clashes: Clashes,
    is_text: bool,
    target: Target,
}

impl RowWriter for Writer {
    fn write(&mut self, row: Answered) -> Result<Option<RowError>> {
        let Answered { row: Row { position, mut record }, answers } = row;
        let (answers, mut problems) = match answers {
            Ok(answers) => (answers, Vec::new()),
            Err(error) => (Vec::new(), vec![error.to_string()]),
        };
        let mut misfits = Vec::new();
        if let Record::Fields(fields) = &mut record
            && fields.keys().any(|name| self.columns.has(name))
        {
            if let Clashes::Renamed = self.clashes {
                let taken: Vec<String> = fields.keys().cloned().collect();
                let name = |name: String| match renamed(&name) {
                    free if self.columns.has(&name) && !taken.contains(&free) => free,
                    _ => name,
                };
                *fields = std::mem::take(fields).into_iter().map(|(old, value)| (name(old), value)).collect();
            }
            fields.retain(|name, _| {
                let clashes = self.columns.has(name);
                if clashes {
                    misfits.push(format!("field `{name}` is left out: the output needs that name for the answers"));
                }
                !clashes
            });
        }
        problems.extend_from_slice(&misfits);
        let place = position.clone();
        let written = self.encoder.write(record, OutputRow { position, answers, problems });
        misfits.extend(written.map_err(|error| match error {
            error @ Error::Json { .. } => Error::Row { position: place.to_string(), source: Box::new(error) },
            error => self.target.named(error),
        })?);
        Ok((!misfits.is_empty()).then(|| RowError::schema(misfits.join("; "))))
    }

    fn flush(&mut self) -> Result<()> {
        // Nobody reads a file before it has its name. To flush compressed text makes it longer, and another each time.
        match self.target {
            Target::Stdout | Target::Stream | Target::Special { .. } => {
                self.encoder.flush().map_err(|error| self.target.named(error))
            }
            Target::File { .. } | Target::Object { .. } => Ok(()),
        }
    }

    fn work_file(&self) -> Option<&Path> {
        self.target.work_file()
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.encoder.finish().map_err(|error| self.target.named(error))?;
        self.target.commit()
    }

    fn finish_partial(self: Box<Self>) -> Result<Option<PathBuf>> {
        let finished = self.encoder.finish().map_err(|error| self.target.named(error));
        // Of a text, what is there can be read, whatever the last line is; other formats are nothing without their end.
        if !self.is_text {
            finished?;
        }
        self.target.commit_partial()
    }
}
