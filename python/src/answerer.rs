use std::mem::ManuallyDrop;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use bertqa::engine::{Devices, Precision};
use bertqa::io::ReadOptions;
use bertqa::qa::RequestOptions;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, StrDeserializer};

use crate::errors::{self, InputError, OptionsError, chain};
use crate::options::options;
use crate::process::Process;
use crate::rows::{OnError, Shape, call_options, example_of};
use crate::signals;
use crate::stream::AnswerIterator;
use crate::table::{self, AnsweredTable};

/// Answers questions from contexts.
///
/// It is loaded once, kept, and asked from any number of threads, whose questions share forward passes. It pickles as
/// its arguments, and is loaded anew where it is unpickled.
///
/// Args:
///     model: A Hugging Face folder, the id of a model on the hub, or None for the built-in model.
///     tokenizer: A folder whose tokenizer replaces the model's own.
///     revision: Branch, tag or commit of a hub model.
///     device: "auto" or "cpu".
///     precision: "f32", "bf16", "int8", or "auto", the fastest that keeps the model's answers.
///     threads: Processor threads; None for OMP_NUM_THREADS or else all cores that the process may use.
///     batch_size: Most windows in one forward pass.
///     mecab_dict: The folder of a MeCab dictionary, for the Japanese models that need one; None for the package ipadic,
///         unidic_lite or unidic of this Python, or the system's.
///     **options: How questions are answered, unless a call says otherwise: max_seq_len, doc_stride, max_answer_len,
///         max_question_len, handle_impossible_answer, align_to_words, compat.
///
/// Raises:
///     ModelError: The model cannot be found, read or run.
///     OptionsError: An option is out of range, or does not go with another.
#[pyclass(module = "bertqa", frozen, subclass)]
pub(crate) struct QuestionAnswerer {
    /// Left alone in a fork, where its locks may be held by threads that are not there.
    answerer: ManuallyDrop<bertqa::QuestionAnswerer>,
    process: Process,
    model: Option<PathBuf>,
    /// The other arguments.
    arguments: Py<PyDict>,
}

impl Drop for QuestionAnswerer {
    fn drop(&mut self) {
        if self.process == Process::this() {
            // SAFETY: nothing uses it after this.
            unsafe { ManuallyDrop::drop(&mut self.answerer) };
        }
    }
}

impl QuestionAnswerer {
    /// The model with the options of a call.
    fn with(&self, options: &RequestOptions) -> PyResult<bertqa::QuestionAnswerer> {
        self.process.check()?;
        self.answerer.with_options(options).map_err(errors::of_answer)
    }

    fn iterate(
        &self,
        rows: &Bound<'_, PyAny>,
        on_error: OnError,
        top_k: Option<Bound<'_, PyAny>>,
        arguments: Option<Bound<'_, PyDict>>,
    ) -> PyResult<AnswerIterator> {
        let shape = Shape { list: top_k.is_some(), on_error };
        let answerer = self.with(&options(Some(&call_options(rows.py(), top_k, arguments)?))?)?;
        Ok(AnswerIterator::new(self.process, answerer.queue(), &rows.try_iter()?, shape))
    }
}

#[pymethods]
impl QuestionAnswerer {
    #[new]
    #[pyo3(signature = (model=None, *, tokenizer=None, revision=None, device="auto", precision="auto", threads=None,
        batch_size=None, mecab_dict=None, **options))]
    #[expect(clippy::too_many_arguments, reason = "they are keyword arguments")]
    fn new(
        python: Python<'_>,
        model: Option<PathBuf>,
        tokenizer: Option<PathBuf>,
        revision: Option<String>,
        device: &str,
        precision: &str,
        threads: Option<NonZeroUsize>,
        batch_size: Option<NonZeroUsize>,
        mecab_dict: Option<PathBuf>,
        options: Option<Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let arguments = match &options {
            Some(options) => options.copy()?,
            None => PyDict::new(python),
        };
        let options = self::options(options.as_ref())?;
        if options.top_k.is_some() {
            return Err(PyTypeError::new_err("top_k is an option of a call, which it makes return a list"));
        }
        arguments.set_item("tokenizer", &tokenizer)?;
        arguments.set_item("revision", &revision)?;
        arguments.set_item("device", device)?;
        arguments.set_item("precision", precision)?;
        arguments.set_item("threads", threads)?;
        arguments.set_item("batch_size", batch_size)?;
        arguments.set_item("mecab_dict", &mecab_dict)?;

        let mut builder = bertqa::QuestionAnswerer::builder().options(options).devices(devices(device)?);
        if let Some(model) = &model {
            let Some(model) = model.to_str() else {
                return Err(OptionsError::new_err("model: a path that is no text"));
            };
            builder = builder.model(model);
        }
        if let Some(revision) = revision {
            builder = builder.revision(revision);
        }
        if let Some(folder) = tokenizer {
            builder = builder.tokenizer(folder);
        }
        if let Some(folder) = mecab_dict {
            builder = builder.mecab_dict(folder);
        }
        // Of this Python, which need not be the one on PATH.
        let path = python.import("sys")?.getattr("path")?.try_iter()?;
        builder = builder.python_path(path.filter_map(|folder| folder.ok()?.extract().ok()).collect());
        if let Some(precision) = precision_of(precision)? {
            builder = builder.precision(precision);
        }
        if let Some(threads) = threads.or_else(omp_num_threads) {
            builder = builder.threads(threads.get());
        }
        if let Some(windows) = batch_size {
            builder = builder.batch_size(windows.get());
        }
        let answerer = signals::run(python, || builder.build())?.map_err(errors::of_answer)?;
        let chosen = answerer.precision().map(|precision| precision.to_string());
        if let Some(chosen) = chosen.filter(|chosen| precision_of(chosen).is_ok()) {
            // Where it is loaded again, the processor may be another, and the answers are to be the same.
            arguments.set_item("precision", chosen)?;
        }
        Ok(Self {
            answerer: ManuallyDrop::new(answerer),
            process: Process::this(),
            model,
            arguments: arguments.unbind(),
        })
    }

    /// Tokens of the longest window that the model can take.
    #[getter]
    fn longest_window(&self) -> usize {
        self.answerer.longest_window()
    }

    /// The precision in which the network runs: "f32", "bf16" or "int8"; None where a compiled model does not say.
    #[getter]
    fn precision(&self) -> Option<String> {
        self.answerer.precision().map(|precision| precision.to_string())
    }

    /// Answers a question.
    ///
    /// Args:
    ///     question: What is asked.
    ///     context: Where the answer is looked for.
    ///     top_k: How many answers to give; with it, they come as a list, most probable first.
    ///     **options: Options of this call, as those of the class.
    ///
    /// Raises:
    ///     RowError: The question has no answer: a text is empty, or leaves no room for the other.
    #[pyo3(signature = (question, context, *, top_k=None, **options))]
    fn answer<'py>(
        &self,
        question: Bound<'py, PyAny>,
        context: Bound<'py, PyAny>,
        top_k: Option<Bound<'py, PyAny>>,
        options: Option<Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let python = question.py();
        let shape = Shape { list: top_k.is_some(), on_error: OnError::Raise };
        let answerer = self.with(&self::options(Some(&call_options(python, top_k, options)?))?)?;
        let example = example_of(Some(question), Some(context));
        let mut queue = answerer.queue();
        python.detach(|| queue.push_example((), example));
        match signals::wait(python, &mut queue)? {
            Some(answers) => shape.answers(python, answers),
            None => Ok(python.None().into_bound(python)),
        }
    }

    /// Answers many questions, in their order.
    ///
    /// Args:
    ///     rows: Pairs (question, context), or mappings with "question" and "context".
    ///     errors: What is done with a row that has no answer: "raise" its RowError, or "return" it in the answer's place.
    ///     top_k: How many answers to give for each row; with it, they come as a list.
    ///     **options: Options of this call, as those of the class.
    #[pyo3(signature = (rows, *, errors=OnError::Raise, top_k=None, **options), text_signature = "(self, rows, *, errors='raise', top_k=None, **options)")]
    fn answer_batch<'py>(
        &self,
        rows: Bound<'py, PyAny>,
        errors: OnError,
        top_k: Option<Bound<'py, PyAny>>,
        options: Option<Bound<'py, PyDict>>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let mut answers = self.iterate(&rows, errors, top_k, options)?;
        std::iter::from_fn(|| answers.next(rows.py()).transpose()).collect()
    }

    /// Answers questions while they come, in their order. Some batches are read ahead, and no more is held in memory,
    /// so the rows may be endless.
    ///
    /// Args:
    ///     rows: Any iterable, of what answer_batch takes.
    ///     errors, top_k, **options: As those of answer_batch. After a row's exception the iterator can be read on.
    #[pyo3(signature = (rows, *, errors=OnError::Raise, top_k=None, **options), text_signature = "(self, rows, *, errors='raise', top_k=None, **options)")]
    fn stream(
        &self,
        rows: Bound<'_, PyAny>,
        errors: OnError,
        top_k: Option<Bound<'_, PyAny>>,
        options: Option<Bound<'_, PyDict>>,
    ) -> PyResult<AnswerIterator> {
        self.iterate(&rows, errors, top_k, options)
    }

    /// Answers the rows of a table, or of a reader of record batches.
    ///
    /// The table's columns come out as they came in, without being copied, and after them `answer`, `score`, `start`,
    /// `end` and `error`, or with top_k above 1 `answers`, a list of those, and `error`. A row without an answer has an
    /// `error` that says why.
    ///
    /// Args:
    ///     table: What has __arrow_c_stream__: tables of pyarrow, polars, pandas, DuckDB and others, and readers.
    ///     question: The column of the question.
    ///     context: The column of the context.
    ///     columns: The columns to carry along; None for all.
    ///     prefix: Put before the names of the answer columns.
    ///     top_k: How many answers to give for each row.
    ///     **options: Options of this call, as those of the class.
    ///
    /// Raises:
    ///     InputError: The table lacks a column, or has one that has the name of an answer column.
    #[pyo3(signature = (table, question="question", context="context", *, columns=None, prefix=None, top_k=None,
        **options))]
    #[expect(clippy::too_many_arguments, reason = "they are keyword arguments")]
    fn answer_table(
        &self,
        table: Bound<'_, PyAny>,
        question: &str,
        context: &str,
        columns: Option<Vec<String>>,
        prefix: Option<&str>,
        top_k: Option<Bound<'_, PyAny>>,
        options: Option<Bound<'_, PyDict>>,
    ) -> PyResult<AnsweredTable> {
        let python = table.py();
        let answerer = self.with(&self::options(Some(&call_options(python, top_k, options)?))?)?;
        let (question, context) = (question.to_owned(), context.to_owned());
        let read = ReadOptions { question, context, columns, ..ReadOptions::default() };
        let stream = table::import(&table)?;
        // SAFETY: what an object exports as such a stream keeps to its interface.
        let answers = unsafe { bertqa::table::answer(&answerer, stream, &read, prefix, signals::interrupted) };
        answers.map(AnsweredTable::new).map_err(|error| InputError::new_err(chain(error)))
    }

    fn __getnewargs_ex__<'py>(&self, python: Python<'py>) -> PyResult<(Bound<'py, PyTuple>, Py<PyDict>)> {
        Ok((
            PyTuple::new(python, [self.model.as_deref().map(|model| model.to_str())])?,
            self.arguments.clone_ref(python),
        ))
    }
}

fn devices(text: &str) -> PyResult<Devices> {
    text.parse().map_err(|error| OptionsError::new_err(format!("device: {}", chain(error))))
}

/// `None` for "auto".
fn precision_of(text: &str) -> PyResult<Option<Precision>> {
    if text == "auto" {
        return Ok(None);
    }
    let text: StrDeserializer<'_, ValueError> = text.into_deserializer();
    Precision::deserialize(text)
        .map(Some)
        .map_err(|error| OptionsError::new_err(format!("precision: {error}, or `auto`")))
}

/// What schedulers such as Ray give a worker.
fn omp_num_threads() -> Option<NonZeroUsize> {
    let text = std::env::var("OMP_NUM_THREADS").ok()?;
    text.split(',').next()?.trim().parse().ok()
}
