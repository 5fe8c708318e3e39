use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, bail};
use indexmap::IndexSet;
use polars::prelude::{Schema, SchemaRef};

use super::csv::CsvRows;
use super::format::InputFormat;
use super::frame::{FrameFile, FrameRows, check_text};
use super::jsonl::JsonlRows;
use super::paths::{self, Place, Source};
use super::row::{InputRow, Record};
use super::selection::Selection;
use super::{compression, squad};

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
    /// The most rows of a typed input that are decoded at a time.
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

/// What is known of the columns that are carried along before any row is read.
#[derive(Debug, Clone)]
pub enum InputColumns {
    /// The rows are [`Record::Frame`], all of this schema.
    Frames(SchemaRef),
    /// The rows are [`Record::Fields`]. `names` is what headers and first rows have; `complete` if no row has others.
    Fields { names: Vec<String>, complete: bool },
}

/// Inputs that are there and fit together.
pub struct Input {
    sources: Vec<(Source, Opened)>,
    options: ReadOptions,
    selection: Arc<Selection>,
    columns: InputColumns,
    total_rows: Option<u64>,
    total_bytes: Option<u64>,
    bytes_read: Arc<AtomicU64>,
}

/// What opening a source has left to be read.
enum Opened {
    /// Nothing: it is opened again when its turn comes, so that many inputs need no many open files.
    Later,
    /// A copy of what came through a pipe in a format that has to be read from its end.
    Spooled(File),
}

/// Rows of all inputs, one after the other; after an error there is none.
pub type Rows = Box<dyn Iterator<Item = anyhow::Result<InputRow>> + Send>;

/// Resolves INPUT arguments: files, globs, folders, `-` for standard input.
///
/// # Errors
/// Whatever can be told before any row is read: a missing file, an unknown extension, a glob or folder without
/// files, a header or schema without a column that is asked for, typed inputs of different schemas, text and typed
/// inputs together.
pub fn open(inputs: &[String], options: &ReadOptions) -> anyhow::Result<Input> {
    open_asking(inputs, options, true)
}

/// With `asks`, every row is to be asked, so there has to be a question and a context.
pub(super) fn open_asking(inputs: &[String], options: &ReadOptions, asks: bool) -> anyhow::Result<Input> {
    let sources = paths::resolve(inputs, options.format)?;
    let selection = Selection::new(options, asks);
    let typed = sources.iter().filter(|source| source.format.is_typed()).count();
    if typed == 0 {
        open_text(sources, options, selection)
    } else if typed == sources.len() {
        open_typed(sources, options, selection)
    } else {
        bail!("text inputs (JSONL, CSV, SQuAD) and typed ones (Parquet, Arrow) can't be read together; run them apart")
    }
}

fn open_text(sources: Vec<Source>, options: &ReadOptions, selection: Arc<Selection>) -> anyhow::Result<Input> {
    let mut names = IndexSet::new();
    let mut complete = true;
    let mut total_bytes = Some(0);
    for source in &sources {
        let size = regular_size(source)?;
        total_bytes = total_bytes.zip(size).map(|(total, size)| total + size);
        complete &= source.format == InputFormat::Csv && size.is_some();
        // What comes through a pipe can be looked at only once.
        if size.is_some() {
            names.extend(first_names(source, options, &selection)?);
        }
    }
    let columns = InputColumns::Fields { names: names.into_iter().collect(), complete };
    let sources = sources.into_iter().map(|source| (source, Opened::Later)).collect();
    let bytes_read = Arc::default();
    Ok(Input { sources, options: options.clone(), selection, columns, total_rows: None, total_bytes, bytes_read })
}

/// Names of the columns in a CSV header, or in the first row of another text.
fn first_names(source: &Source, options: &ReadOptions, selection: &Arc<Selection>) -> anyhow::Result<Vec<String>> {
    let text = text(source, Arc::default())?;
    if source.format == InputFormat::Csv {
        let rows = CsvRows::new(text, source.name.clone(), selection.clone(), options.max_line_bytes)?;
        return Ok(rows.columns().map(str::to_owned).collect());
    }
    Ok(match text_rows(text, source.name.clone(), source.format, options, selection)?.next().transpose()? {
        Some(InputRow { record: Record::Fields(fields), .. }) => fields.into_keys().collect(),
        _ => Vec::new(),
    })
}

fn open_typed(sources: Vec<Source>, options: &ReadOptions, selection: Arc<Selection>) -> anyhow::Result<Input> {
    let mut first: Option<(Arc<str>, SchemaRef)> = None;
    let mut total_rows = Some(0);
    let mut opened = Vec::with_capacity(sources.len());
    for source in sources {
        let (file, spooled) = match regular_size(&source)? {
            Some(_) => (file(&source)?, None),
            None => {
                let copy = spool(&source)?;
                (copy.try_clone()?, Some(copy))
            }
        };
        let frames = FrameFile::open(file, source.format).with_context(|| source.name.to_string())?;
        let schema = frames.schema();
        selection.check(&source.name, schema.iter_names().map(|name| name.as_str()))?;
        check_text(schema, &selection).with_context(|| source.name.to_string())?;
        let kept: Schema = schema
            .iter()
            .filter(|(name, _)| selection.keeps(name))
            .map(|(name, dtype)| (name.clone(), dtype.clone()))
            .collect();
        match &first {
            None => first = Some((source.name.clone(), Arc::new(kept))),
            Some((first, schema)) => same_columns(first, schema, &source.name, &kept)?,
        }
        total_rows = total_rows.zip(frames.rows()?).map(|(total, rows)| total + rows);
        opened.push((source, spooled.map_or(Opened::Later, Opened::Spooled)));
    }
    let columns = InputColumns::Frames(first.map(|(_, schema)| schema).unwrap_or_default());
    let bytes_read = Arc::default();
    let options = options.clone();
    Ok(Input { sources: opened, options, selection, columns, total_rows, total_bytes: None, bytes_read })
}

/// The order of columns may differ, their names and types may not.
fn same_columns(first: &str, schema: &Schema, other: &str, other_schema: &Schema) -> anyhow::Result<()> {
    let names = schema.iter_names().chain(other_schema.iter_names());
    for name in names {
        match (schema.get(name), other_schema.get(name)) {
            (Some(a), Some(b)) if a == b => {}
            (a, b) => {
                let dtype = |dtype: Option<&_>| {
                    dtype.map_or("not there".to_owned(), |dtype: &polars::prelude::DataType| dtype.to_string())
                };
                bail!(
                    "the inputs differ in their columns: `{name}` is {} in {first} and {} in {other}; \
                     run them apart, or choose common columns with --columns",
                    dtype(a),
                    dtype(b)
                )
            }
        }
    }
    Ok(())
}

impl Input {
    pub fn columns(&self) -> &InputColumns {
        &self.columns
    }

    /// How many rows there are, where the inputs tell it without being read.
    pub fn total_rows(&self) -> Option<u64> {
        self.total_rows
    }

    /// Size of text inputs as they are stored, unless one is a pipe.
    pub fn total_bytes(&self) -> Option<u64> {
        self.total_bytes
    }

    /// How much of [`total_bytes`](Self::total_bytes) has been read; it grows while the rows are.
    pub fn bytes_read(&self) -> Arc<AtomicU64> {
        self.bytes_read.clone()
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.sources.iter().filter_map(|(source, _)| match &source.place {
            Place::File(path) => Some(path.as_path()),
            Place::Stdin => None,
        })
    }

    /// The rows of all inputs in order. An `Err` is an input that cannot be read on, not a bad row.
    pub fn rows(self) -> Rows {
        let Self { sources, options, selection, columns, bytes_read, .. } = self;
        let mut pending = sources.into_iter();
        let mut current: Rows = Box::new(std::iter::empty());
        let mut failed = false;
        Box::new(std::iter::from_fn(move || {
            while !failed {
                if let Some(row) = current.next() {
                    failed = row.is_err();
                    return Some(row);
                }
                let (source, opened) = pending.next()?;
                let rows = match &columns {
                    InputColumns::Frames(schema) => typed_rows(&source, opened, schema, &options, &selection),
                    InputColumns::Fields { .. } => text(&source, bytes_read.clone())
                        .and_then(|text| text_rows(text, source.name.clone(), source.format, &options, &selection)),
                };
                match rows {
                    Ok(rows) => current = rows,
                    Err(error) => current = Box::new(std::iter::once(Err(error))),
                }
            }
            None
        }))
    }
}

fn typed_rows(
    source: &Source,
    opened: Opened,
    schema: &Schema,
    options: &ReadOptions,
    selection: &Arc<Selection>,
) -> anyhow::Result<Rows> {
    let file = match opened {
        Opened::Later => file(source)?,
        Opened::Spooled(file) => file,
    };
    let frames = FrameFile::open(file, source.format).with_context(|| source.name.to_string())?;
    let rows = FrameRows::new(frames, source.name.clone(), selection.clone(), schema, options.chunk_rows)?;
    Ok(Box::new(rows))
}

pub(super) fn text_rows(
    text: Box<dyn io::BufRead + Send>,
    name: Arc<str>,
    format: InputFormat,
    options: &ReadOptions,
    selection: &Arc<Selection>,
) -> anyhow::Result<Rows> {
    let (selection, limit) = (selection.clone(), options.max_line_bytes);
    Ok(match format {
        InputFormat::Csv => Box::new(CsvRows::new(text, name, selection, limit)?),
        InputFormat::Squad => Box::new(squad::rows(text, name, selection)?.map(Ok)),
        InputFormat::Jsonl | InputFormat::Parquet | InputFormat::Arrow => {
            Box::new(JsonlRows::new(text, name, selection, limit))
        }
    })
}

/// The size of a regular file.
fn regular_size(source: &Source) -> anyhow::Result<Option<u64>> {
    let Place::File(path) = &source.place else { return Ok(None) };
    let metadata = std::fs::metadata(path).with_context(|| format!("cannot read {}", source.name))?;
    Ok(metadata.is_file().then_some(metadata.len()))
}

fn file(source: &Source) -> anyhow::Result<File> {
    match &source.place {
        Place::File(path) => File::open(path).with_context(|| format!("cannot open {}", source.name)),
        Place::Stdin => spool(source),
    }
}

fn raw(source: &Source) -> anyhow::Result<Box<dyn Read + Send>> {
    Ok(match &source.place {
        Place::File(_) => Box::new(file(source)?),
        Place::Stdin => Box::new(io::stdin()),
    })
}

/// Copies a pipe to a file without a name.
fn spool(source: &Source) -> anyhow::Result<File> {
    let mut copy = tempfile::tempfile().context("cannot create a temporary file")?;
    io::copy(&mut raw(source)?, &mut copy).with_context(|| format!("cannot read {}", source.name))?;
    Ok(copy)
}

fn text(source: &Source, bytes_read: Arc<AtomicU64>) -> anyhow::Result<Box<dyn io::BufRead + Send>> {
    let reader = Counted { reader: raw(source)?, bytes_read };
    compression::decode(reader).with_context(|| format!("cannot read {}", source.name))
}

struct Counted<R> {
    reader: R,
    bytes_read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.bytes_read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Says at which line an input broke off.
pub(super) trait Failed<T> {
    fn failed(self, source: &str, line: u64) -> anyhow::Result<T>;
}

impl<T> Failed<T> for io::Result<T> {
    fn failed(self, source: &str, line: u64) -> anyhow::Result<T> {
        self.with_context(|| format!("{source}: cannot read on after line {line}"))
    }
}
