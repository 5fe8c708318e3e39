//! The front door of the library: a model that is loaded once and asked many times.

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::engine::{Devices, Engine, Precision};
use crate::model::{LoadOptions, ModelError};
use crate::pipeline::{Answered, Item, Order, Pipeline, RowTag, Sink};
use crate::qa::{Answer, Encoder, Example, Options, OptionsError, RequestOptions, RowError};

/// Answers questions from contexts. It is loaded once, kept, and asked from any number of threads, whose questions
/// share forward passes.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # #[cfg(feature = "bundled")] {
/// use bertqa::QuestionAnswerer;
///
/// let answerer = QuestionAnswerer::builder().build()?;
/// let answers = answerer.answer("Who invented the telephone?", "It was invented by Alexander Graham Bell.")?;
/// assert_eq!(answers[0].text.trim(), "Alexander Graham Bell");
/// # }
/// # Ok(())
/// # }
/// ```
pub struct QuestionAnswerer {
    rows: Sender<Item<Tag>>,
    options: Arc<Options>,
    /// How many questions a stream keeps under way.
    ahead: usize,
    failure: Failure,
}

/// Why the pipeline ended, once it has.
type Failure = Arc<Mutex<Option<String>>>;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// The model cannot be found, read or run.
    #[error(transparent)]
    Load(#[from] ModelError),
    /// An option is out of range, or does not go with another.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// This question has no answer; others may be asked.
    #[error(transparent)]
    Row(#[from] RowError),
    /// The thread that answers cannot be started.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// The last device failed, or a stage panicked. Nothing more can be asked of this answerer.
    #[error("no more answers: {0}")]
    Ended(String),
}

/// How a [`QuestionAnswerer`] is made. Without settings it is the built-in model in the fastest precision that keeps
/// its answers, on all cores.
#[derive(Debug, Default)]
#[must_use]
pub struct Builder {
    model: LoadOptions,
    options: RequestOptions,
}

impl Builder {
    /// A Hugging Face folder, a compiled model, or the id of a model on the hub.
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model.model = Some(model.into());
        self
    }

    /// Branch, tag or commit of a hub model.
    pub fn revision(mut self, revision: impl Into<String>) -> Self {
        self.model.revision = Some(revision.into());
        self
    }

    /// The folder of another tokenizer than the model's own.
    pub fn tokenizer(mut self, folder: impl Into<PathBuf>) -> Self {
        self.model.tokenizer = Some(folder.into());
        self
    }

    /// In what precision the network runs.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.model.precision = Some(precision);
        self
    }

    /// Where the network runs.
    pub fn devices(mut self, devices: Devices) -> Self {
        self.model.devices = devices;
        self
    }

    /// Processor threads for the network, and as many for tokenizing.
    pub fn threads(mut self, threads: usize) -> Self {
        self.model.pipeline.threads = NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN);
        self
    }

    /// Most windows in one forward pass.
    pub fn batch_size(mut self, windows: usize) -> Self {
        self.model.pipeline.batch_size = NonZeroUsize::new(windows).unwrap_or(NonZeroUsize::MIN);
        self
    }

    /// How questions are answered.
    pub fn options(mut self, options: RequestOptions) -> Self {
        self.options = options;
        self
    }

    /// Loads the model.
    ///
    /// # Errors
    /// If the model cannot be found, read or run, or an option does not fit it.
    pub fn build(self) -> Result<QuestionAnswerer, AnswerError> {
        let model = self.model.load()?;
        let longest = model.engines.max_seq_len();
        start(model.into_pipeline(), &self.options, longest)
    }

    /// Runs engines of one's own instead of a model's: one for each device, all of one layout. `longest` is the most
    /// tokens that a window may have.
    ///
    /// # Errors
    /// If an option does not fit. Without an engine, or with engines of several layouts, each question ends with
    /// [`AnswerError::Ended`].
    pub fn build_with(
        self,
        encoder: Encoder,
        engines: Vec<Box<dyn Engine>>,
        longest: usize,
    ) -> Result<QuestionAnswerer, AnswerError> {
        start(Pipeline::new(encoder, engines, self.model.pipeline), &self.options, longest)
    }
}

fn start(pipeline: Pipeline, options: &RequestOptions, longest: usize) -> Result<QuestionAnswerer, AnswerError> {
    let options = Arc::new(options.resolve(&Options::default(), longest)?);
    let pipeline = Pipeline { order: Order::Completion, ..pipeline };
    // As many as keep the engines busy, and as many on their way to them and from them.
    let ahead = 2 * pipeline.busy_windows().max(1);
    let (rows, waiting) = bounded::<Item<Tag>>(0);
    let failure = Failure::default();
    let ended = failure.clone();
    let run = move || {
        // Ends when the answerer is dropped, and every question with it.
        if let Err(error) = pipeline.run(waiting.into_iter().map(Ok), Replies) {
            *ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{error:#}"));
        }
    };
    thread::Builder::new().name("answerer".to_owned()).spawn(run).map_err(AnswerError::Thread)?;
    Ok(QuestionAnswerer { rows, options, ahead, failure })
}

impl QuestionAnswerer {
    /// Settings, and then [`Builder::build`].
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The answers to one question, most probable first; never empty.
    ///
    /// # Errors
    /// If the question cannot be answered.
    pub fn answer(&self, question: &str, context: &str) -> Result<Vec<Answer>, AnswerError> {
        self.wait(&self.ask(question.to_owned(), context.to_owned())?)
    }

    /// The answers to many questions, pairs of question and context, in their order.
    pub fn answer_all<Q: AsRef<str>, C: AsRef<str>>(
        &self,
        questions: &[(Q, C)],
    ) -> Vec<Result<Vec<Answer>, AnswerError>> {
        let questions = questions.iter().map(|(question, context)| (question.as_ref(), context.as_ref()));
        self.answer_tagged(questions.map(|pair| ((), pair))).map(|((), answers)| answers).collect()
    }

    /// Answers questions while they come, in their order. Each carries a tag of any type, which comes out beside its
    /// answers. Only some batches of them are held at a time, so the input may be endless.
    pub fn answer_tagged<'a, T, Q, C, I>(&'a self, questions: I) -> AnswerStream<'a, T, I::IntoIter>
    where
        Q: Into<String>,
        C: Into<String>,
        I: IntoIterator<Item = (T, (Q, C))>,
    {
        AnswerStream { answerer: self, questions: questions.into_iter(), waiting: VecDeque::new() }
    }

    fn ask(&self, question: String, context: String) -> Result<Reply, AnswerError> {
        let example = Example::new(question, context)?;
        let bytes = example.question().len() + example.context().len();
        let (reply, answers) = bounded(1);
        let item = Item { tag: Tag(reply), example: Ok(example), options: self.options.clone(), bytes };
        self.rows.send(item).map_err(|_| self.ended())?;
        Ok(answers)
    }

    fn wait(&self, reply: &Reply) -> Result<Vec<Answer>, AnswerError> {
        Ok(reply.recv().map_err(|_| self.ended())??)
    }

    fn ended(&self) -> AnswerError {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        AnswerError::Ended(failure.unwrap_or_else(|| "a stage of the pipeline ended".to_owned()))
    }
}

type Reply = Receiver<Result<Vec<Answer>, RowError>>;

/// Where a row's answers go.
struct Tag(Sender<Result<Vec<Answer>, RowError>>);

impl RowTag for Tag {}

struct Replies;

impl Sink<Tag> for Replies {
    fn write(&mut self, row: Answered<Tag>) -> anyhow::Result<()> {
        // Whoever asked may not wait any more.
        let _ = row.tag.0.try_send(row.answers);
        Ok(())
    }
}

/// Answers in the order of their questions; see [`QuestionAnswerer::answer_tagged`].
pub struct AnswerStream<'a, T, I> {
    answerer: &'a QuestionAnswerer,
    questions: I,
    waiting: VecDeque<(T, Result<Reply, AnswerError>)>,
}

impl<T, Q, C, I> Iterator for AnswerStream<'_, T, I>
where
    Q: Into<String>,
    C: Into<String>,
    I: Iterator<Item = (T, (Q, C))>,
{
    type Item = (T, Result<Vec<Answer>, AnswerError>);

    fn next(&mut self) -> Option<Self::Item> {
        while self.waiting.len() < self.answerer.ahead
            && let Some((tag, (question, context))) = self.questions.next()
        {
            self.waiting.push_back((tag, self.answerer.ask(question.into(), context.into())));
        }
        let (tag, reply) = self.waiting.pop_front()?;
        Some((tag, reply.and_then(|reply| self.answerer.wait(&reply))))
    }
}
