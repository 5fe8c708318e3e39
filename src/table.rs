//! Tables in memory, in and out: answers for the rows of an Arrow C stream, as another one.

use std::collections::VecDeque;
use std::ops::RangeFrom;
use std::sync::Arc;
use std::time::Duration;

use polars::prelude::{CompatLevel, PolarsError, PolarsResult};
use polars_arrow::array::{Array, StructArray};
use polars_arrow::datatypes::{ArrowDataType, Field};
use polars_arrow::ffi::{ArrowArrayStream, export_iterator};

use crate::io::{self, AnswerBuffer, AnswerColumns, Batches, OutputRow, Position, ReadOptions, Slice};
use crate::qa::{Example, RowError};
use crate::{AnswerError, AnswerQueue, QuestionAnswerer};

/// What the table is called in messages.
const NAME: &str = "<table>";

/// How long answers are waited for before `interrupted` is asked again.
const PATIENCE: Duration = Duration::from_millis(50);

/// Strings with offsets, which every consumer knows; views are newer.
const TYPES: CompatLevel = CompatLevel::oldest();

/// Answers the rows of a table. Its columns come out as they came in, without being copied, and after them the
/// columns of the answers; batches of more than [`chunk_rows`](ReadOptions::chunk_rows) come out in parts. A row
/// without an answer says why, as in the output of files.
///
/// It is lazy: rows are read and answered while the stream that it returns is read, on the thread that reads it, some
/// batches of the network ahead. `interrupted` is asked now and then meanwhile; `true` ends the stream with an error.
///
/// # Errors
/// A stream of something else than record batches, one without a column that is asked for, or with one of the
/// answers' names.
///
/// # Safety
/// `input` keeps to the Arrow C stream interface.
pub unsafe fn answer(
    answerer: &QuestionAnswerer,
    input: Box<ArrowArrayStream>,
    read: &ReadOptions,
    prefix: Option<&str>,
    interrupted: impl Fn() -> bool + Send + 'static,
) -> io::Result<ArrowArrayStream> {
    // SAFETY: as the caller warrants.
    let input = unsafe { Batches::open(input, NAME.into(), read) }?;
    let columns = Arc::new(AnswerColumns::new(prefix, answerer.options().top_k));
    let mut fields = input.fields();
    columns.check_clash(fields.iter().map(|field| field.name.as_str()))?;
    fields.extend(columns.fields().iter().map(|field| field.to_arrow(TYPES)));
    let dtype = ArrowDataType::Struct(fields);
    let answers = Answers {
        input,
        dtype: dtype.clone(),
        interrupted,
        queue: answerer.queue(),
        unasked: (1..).zip(Vec::new()),
        waiting: VecDeque::new(),
        answered: AnswerBuffer::new(columns),
        failure: None,
        ended: false,
    };
    // Whoever has the stream may read it on another thread.
    let answers: Box<dyn Iterator<Item = _> + Send> = Box::new(answers);
    Ok(export_iterator(answers, Field::new("".into(), dtype, false)))
}

/// The rows of the output, a slice of the input at a time.
struct Answers<F> {
    input: Batches,
    dtype: ArrowDataType,
    interrupted: F,
    queue: AnswerQueue<u64>,
    /// The rows of the last slice that are not asked yet.
    unasked: std::iter::Zip<RangeFrom<u64>, std::vec::IntoIter<Result<Example, RowError>>>,
    /// Slices of which not all rows are answered.
    waiting: VecDeque<Waiting>,
    /// The answers of the first of them.
    answered: AnswerBuffer,
    /// Why the input ended early.
    failure: Option<PolarsError>,
    /// Whether nothing more comes out.
    ended: bool,
}

struct Waiting {
    columns: Vec<Box<dyn Array>>,
    rows: usize,
}

impl<F: Fn() -> bool> Answers<F> {
    /// Asks as many rows as the engines need.
    fn ask(&mut self) {
        while !self.queue.is_full() {
            if let Some((number, example)) = self.unasked.next() {
                self.queue.push_example(number, example);
                continue;
            }
            match self.input.next() {
                Some(Ok(Slice { columns, examples, number })) => {
                    self.waiting.push_back(Waiting { columns, rows: examples.len() });
                    self.unasked = (number..).zip(examples);
                }
                Some(Err(error)) => self.failure = Some(external(error.into())),
                None => return,
            }
        }
    }

    /// The next slice with its answers; `None` at the end.
    fn answered(&mut self) -> PolarsResult<Option<Box<dyn Array>>> {
        loop {
            self.ask();
            let Some(first) = self.waiting.front() else { return self.failure.take().map_or(Ok(None), Err) };
            if self.answered.rows == first.rows {
                return self.take().map(Some);
            }
            match self.queue.pop_within(PATIENCE) {
                Some((number, answers)) => {
                    let (answers, problems) = match answers {
                        Ok(answers) => (answers, Vec::new()),
                        Err(AnswerError::Row(error)) => (Vec::new(), vec![error.to_string()]),
                        Err(error) => return Err(external(error.into())),
                    };
                    let position = Position { source: NAME.into(), number };
                    let output = OutputRow { position, answers, problems };
                    self.answered.push(&output, 0).map_err(|error| external(error.into()))?;
                }
                None if (self.interrupted)() => return Err(external(anyhow::anyhow!("interrupted"))),
                None => {}
            }
        }
    }

    fn take(&mut self) -> PolarsResult<Box<dyn Array>> {
        let rows = self.answered.rows;
        let answers = self.answered.take().map_err(|error| external(error.into()))?;
        let mut columns = self.waiting.pop_front().map(|first| first.columns).unwrap_or_default();
        for column in answers {
            columns.push(column.as_materialized_series().rechunk().to_arrow(0, TYPES));
        }
        Ok(Box::new(StructArray::try_new(self.dtype.clone(), rows, columns, None)?))
    }
}

impl<F: Fn() -> bool> Iterator for Answers<F> {
    type Item = PolarsResult<Box<dyn Array>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let answered = self.answered();
        self.ended = !matches!(answered, Ok(Some(_)));
        answered.transpose()
    }
}

/// The C stream interface passes on a text only.
fn external(error: anyhow::Error) -> PolarsError {
    PolarsError::ComputeError(format!("{error:#}").into())
}
