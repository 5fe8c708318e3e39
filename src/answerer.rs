//! The front door of the library: a model that is loaded once and asked many times.

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded};

use crate::engine::{Devices, Engine, Precision};
use crate::model::{LoadOptions, ModelError};
use crate::pipeline::{Answered, Item, Order, Pipeline, RowTag, Sink};
use crate::qa::{Answer, Encoder, Example, Options, OptionsError, RequestOptions, RowError};

/// Answers questions from contexts. It is loaded once, kept, and asked from any number of threads, whose questions
/// share forward passes. Clones are the same model.
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
#[derive(Clone)]
pub struct QuestionAnswerer {
    rows: Sender<Item<Tag>>,
    options: Arc<Options>,
    /// Tokens of the longest window that the model can take.
    longest: usize,
    precision: Option<Precision>,
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

    /// The folder of the MeCab dictionary, for models whose tokenizer needs one.
    pub fn mecab_dict(mut self, folder: impl Into<PathBuf>) -> Self {
        self.model.mecab_dict = Some(folder.into());
        self
    }

    /// Where Python has its packages, of which MeCab's dictionary may be one; else the Python on PATH is asked.
    pub fn python_path(mut self, folders: Vec<PathBuf>) -> Self {
        self.model.python_path = Some(folders);
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
        let (longest, precision) = (model.engines.max_seq_len(), model.engines.precision());
        Ok(QuestionAnswerer { precision, ..start(model.into_pipeline(), &self.options, longest)? })
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
        // Ends when the last clone of the answerer is dropped, and every question with it.
        if let Err(error) = pipeline.run(waiting.into_iter().map(Ok), Replies) {
            *ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{error:#}"));
        }
    };
    thread::Builder::new().name("answerer".to_owned()).spawn(run).map_err(AnswerError::Thread)?;
    Ok(QuestionAnswerer { rows, options, longest, precision: None, ahead, failure })
}

impl QuestionAnswerer {
    /// Settings, and then [`Builder::build`].
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The same model with other options; what is left out stays as it is.
    ///
    /// # Errors
    /// If an option does not fit the model.
    pub fn with_options(&self, options: &RequestOptions) -> Result<Self, AnswerError> {
        let options = Arc::new(options.resolve(&self.options, self.longest)?);
        Ok(Self { options, ..self.clone() })
    }

    /// How questions are answered.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Tokens of the longest window that the model can take.
    pub fn longest_window(&self) -> usize {
        self.longest
    }

    /// The precision in which the network runs, where it is known: which one is fastest depends on the processor.
    pub fn precision(&self) -> Option<Precision> {
        self.precision
    }

    /// The answers to one question, most probable first; never empty.
    ///
    /// # Errors
    /// If the question cannot be answered.
    pub fn answer(&self, question: &str, context: &str) -> Result<Vec<Answer>, AnswerError> {
        self.ask(Example::new(question.to_owned(), context.to_owned())?)?.wait()
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
    pub fn answer_tagged<T, Q, C, I>(&self, questions: I) -> AnswerStream<T, I::IntoIter>
    where
        Q: Into<String>,
        C: Into<String>,
        I: IntoIterator<Item = (T, (Q, C))>,
    {
        AnswerStream { queue: self.queue(), questions: questions.into_iter() }
    }

    /// A queue of questions, for callers that are not to be held up until an answer is there.
    pub fn queue<T>(&self) -> AnswerQueue<T> {
        AnswerQueue { answerer: self.clone(), waiting: VecDeque::new() }
    }

    fn ask(&self, example: Example) -> Result<Asked, AnswerError> {
        let bytes = example.question().len() + example.context().len();
        let (reply, answers) = bounded(1);
        let waiting = Arc::new(());
        let tag = Tag { reply, waiting: Arc::downgrade(&waiting) };
        let item = Item { tag, example: Ok(example), options: self.options.clone(), bytes };
        self.rows.send(item).map_err(|_| ended(&self.failure))?;
        Ok(Asked { reply: answers, failure: self.failure.clone(), _waiting: waiting })
    }
}

fn ended(failure: &Failure) -> AnswerError {
    let failure = failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
    AnswerError::Ended(failure.unwrap_or_else(|| "a stage of the pipeline ended".to_owned()))
}

/// A question that is on its way.
struct Asked {
    reply: Receiver<Result<Vec<Answer>, RowError>>,
    failure: Failure,
    /// Without it, nobody wants the answers any more.
    _waiting: Arc<()>,
}

impl Asked {
    fn wait(&self) -> Result<Vec<Answer>, AnswerError> {
        Ok(self.reply.recv().map_err(|_| ended(&self.failure))??)
    }

    /// `None` if the answers are not there in time.
    fn wait_for(&self, longest: Duration) -> Option<Result<Vec<Answer>, AnswerError>> {
        // recv_timeout lets other threads go first, several times, even without time to wait.
        let received = if longest.is_zero() {
            self.reply.try_recv().map_err(|error| match error {
                TryRecvError::Empty => RecvTimeoutError::Timeout,
                TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
            })
        } else {
            self.reply.recv_timeout(longest)
        };
        match received {
            Ok(answers) => Some(answers.map_err(Into::into)),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Err(ended(&self.failure))),
        }
    }
}

/// Where a row's answers go.
struct Tag {
    reply: Sender<Result<Vec<Answer>, RowError>>,
    waiting: Weak<()>,
}

impl RowTag for Tag {
    fn is_wanted(&self) -> bool {
        self.waiting.strong_count() > 0
    }
}

struct Replies;

impl Sink<Tag> for Replies {
    fn write(&mut self, row: Answered<Tag>) -> anyhow::Result<()> {
        // Whoever asked may not wait any more.
        let _ = row.tag.reply.try_send(row.answers);
        Ok(())
    }
}

/// Questions under way, whose answers come out in their order. Each carries a tag. Dropped, it gives them up.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # #[cfg(feature = "bundled")] {
/// use std::time::Duration;
///
/// let answerer = bertqa::QuestionAnswerer::builder().build()?;
/// let mut queue = answerer.queue();
/// queue.push("first", "Who invented the telephone?", "It was invented by Alexander Graham Bell.");
/// while !queue.is_empty() {
///     match queue.pop_within(Duration::from_millis(100)) {
///         Some((tag, answers)) => println!("{tag}: {}", answers?[0].text),
///         None => println!("there is time for something else"),
///     }
/// }
/// # }
/// # Ok(())
/// # }
/// ```
pub struct AnswerQueue<T> {
    answerer: QuestionAnswerer,
    waiting: VecDeque<(T, Result<Asked, AnswerError>)>,
}

impl<T> AnswerQueue<T> {
    /// Whether the engines have enough to do: what is pushed beyond that only waits.
    pub fn is_full(&self) -> bool {
        self.waiting.len() >= self.answerer.ahead
    }

    /// Whether no question is under way.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Asks a question.
    pub fn push(&mut self, tag: T, question: impl Into<String>, context: impl Into<String>) {
        self.push_example(tag, Example::new(question.into(), context.into()));
    }

    /// Asks what a row holds, or keeps the place of one that holds no question.
    pub fn push_example(&mut self, tag: T, example: Result<Example, RowError>) {
        let asked = example.map_err(Into::into).and_then(|example| self.answerer.ask(example));
        self.waiting.push_back((tag, asked));
    }

    /// The answers to the first question; `None` if there is none, or its answers are not there in time.
    pub fn pop_within(&mut self, longest: Duration) -> Option<Popped<T>> {
        let answers = match &self.waiting.front()?.1 {
            Ok(asked) => asked.wait_for(longest)?,
            Err(_) => return self.pop(),
        };
        let (tag, _) = self.waiting.pop_front()?;
        Some((tag, answers))
    }

    fn pop(&mut self) -> Option<Popped<T>> {
        let (tag, asked) = self.waiting.pop_front()?;
        Some((tag, asked.and_then(|asked| asked.wait())))
    }
}

/// A tag, and the answers to its question.
type Popped<T> = (T, Result<Vec<Answer>, AnswerError>);

/// Answers in the order of their questions; see [`QuestionAnswerer::answer_tagged`].
pub struct AnswerStream<T, I> {
    queue: AnswerQueue<T>,
    questions: I,
}

impl<T, Q, C, I> Iterator for AnswerStream<T, I>
where
    Q: Into<String>,
    C: Into<String>,
    I: Iterator<Item = (T, (Q, C))>,
{
    type Item = Popped<T>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.queue.is_full()
            && let Some((tag, (question, context))) = self.questions.next()
        {
            self.queue.push(tag, question, context);
        }
        self.queue.pop()
    }
}
