use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bertqa::batch::{Batch, Padded};
use bertqa::engine::{DeviceError, Engine, EngineError, Layout, Logits, Reload};
use bertqa::pipeline::{Answered, Item, Pipeline, PipelineOptions, RowTag, Sink};
use bertqa::qa::{Answer, Encoder, Example, Options, RowError};
use tokenizers::Tokenizer;

/// Finds the last token of every window likeliest, notes the sizes of batches, and does what the test asks on one of them.
#[derive(Clone, Default)]
pub(crate) struct TestEngine {
    pub batches: Arc<Mutex<Vec<usize>>>,
    pub trouble: Option<(usize, Trouble)>,
}

#[derive(Clone)]
pub(crate) enum Trouble {
    Error,
    Panic,
    /// Nobody wants these answers any more.
    GiveUp(Arc<AtomicBool>),
}

impl Engine for TestEngine {
    fn name(&self) -> &str {
        "test"
    }

    fn layout(&self) -> Layout {
        Layout::Ragged
    }

    fn forward(&mut self, batch: &Batch) -> Result<Logits, EngineError> {
        let count = {
            let mut batches = self.batches.lock().unwrap();
            batches.push(batch.windows());
            batches.len()
        };
        match &self.trouble {
            Some((at, Trouble::Error)) if count == *at => return Err(EngineError::TooLong { tokens: 9, max: 8 }),
            Some((at, Trouble::Panic)) if count == *at => panic!("trouble"),
            Some((at, Trouble::GiveUp(wanted))) if count == *at => wanted.store(false, Ordering::Relaxed),
            _ => {}
        }
        let logits: Vec<f32> = (0..batch.tokens()).map(|token| token as f32 / 100.0).collect();
        Ok(Logits { start: logits.clone(), end: logits })
    }
}

/// The place of a row in the input, and whether anybody wants its answers.
pub(crate) struct Number(pub usize, pub Arc<AtomicBool>);

impl RowTag for Number {
    fn is_wanted(&self) -> bool {
        self.1.load(Ordering::Relaxed)
    }
}

/// Keeps what it is given, up to a number of rows.
struct TestSink {
    rows: Rows,
    full_at: usize,
}

impl Sink<Number> for TestSink {
    fn write(&mut self, row: Answered<Number>) -> anyhow::Result<()> {
        let mut rows = self.rows.lock().unwrap();
        anyhow::ensure!(rows.len() < self.full_at, "the disk is full");
        rows.push((row.tag.0, row.answers.is_ok()));
        Ok(())
    }
}

pub(crate) fn item(number: usize, words: usize, good: bool) -> Item<Number> {
    let example = if good {
        Example::new("who?".to_owned(), "ada built the lighthouse. ".repeat(words.max(1)))
    } else {
        Err(RowError::field("the question is missing"))
    };
    let options = Options { max_seq_len: 32, doc_stride: 4, ..Options::default() };
    Item {
        tag: Number(number, Arc::new(AtomicBool::new(true))),
        example,
        options: Arc::new(options),
        bytes: 26 * words,
    }
}

pub(crate) fn encoder() -> Encoder {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/families/bert");
    let tokenizer = Tokenizer::from_file(folder.join("tokenizer.json")).unwrap();
    Encoder::new(tokenizer, "[CLS]", true)
}

pub(crate) fn pipeline(engine: TestEngine, engines: usize, batch_size: usize) -> Pipeline {
    pipeline_of((0..engines).map(|_| Box::new(engine.clone()) as _).collect(), batch_size)
}

/// Places of rows, and whether they have answers.
pub(crate) type Rows = Arc<Mutex<Vec<(usize, bool)>>>;

/// Runs a pipeline on a thread of its own, so that a hang is a failure.
pub(crate) fn run(
    pipeline: Pipeline,
    source: impl Iterator<Item = anyhow::Result<Item<Number>>> + Send + 'static,
    full_at: usize,
) -> (Rows, Receiver<anyhow::Result<()>>) {
    let rows = Rows::default();
    let sink = TestSink { rows: rows.clone(), full_at };
    (rows, spawn(pipeline, source, sink))
}

fn spawn(
    pipeline: Pipeline,
    source: impl Iterator<Item = anyhow::Result<Item<Number>>> + Send + 'static,
    sink: impl Sink<Number> + 'static,
) -> Receiver<anyhow::Result<()>> {
    let (done, ended) = channel();
    thread::spawn(move || done.send(pipeline.run(source, sink).map(|_| ())));
    ended
}

/// Keeps all answers.
#[derive(Clone, Default)]
struct Keep(Arc<Mutex<Answers>>);

/// Places of rows, and their answers.
pub(crate) type Answers = Vec<(usize, Option<Vec<Answer>>)>;

impl Sink<Number> for Keep {
    fn write(&mut self, row: Answered<Number>) -> anyhow::Result<()> {
        self.0.lock().unwrap().push((row.tag.0, row.answers.ok()));
        Ok(())
    }
}

/// Runs a pipeline to its end; its answers, or why it has none.
#[track_caller]
pub(crate) fn answers(
    pipeline: Pipeline,
    source: impl Iterator<Item = anyhow::Result<Item<Number>>> + Send + 'static,
) -> anyhow::Result<Answers> {
    let keep = Keep::default();
    wait(spawn(pipeline, source, keep.clone()))?;
    let answers = std::mem::take(&mut *keep.0.lock().unwrap());
    Ok(answers)
}

/// What a script says of a batch before it is run.
pub(crate) type Script = Box<dyn FnMut(&Batch) -> Result<(), EngineError> + Send>;

/// Does as a script says. Its logits depend on each token and its place in its window, and on nothing else; those of
/// a fixed shape go through padded tensors, as a compiled model's do.
pub(crate) struct Scripted {
    pub name: String,
    pub layout: Layout,
    pub script: Script,
    pub again: Option<Again>,
}

/// Gives an engine in the place of one that was lost.
pub(crate) type Again = Arc<dyn Fn() -> Result<Box<dyn Engine>, DeviceError> + Send + Sync>;

impl Scripted {
    pub(crate) fn boxed(
        name: &str,
        layout: Layout,
        script: impl FnMut(&Batch) -> Result<(), EngineError> + Send + 'static,
    ) -> Box<dyn Engine> {
        Box::new(Self { name: name.to_owned(), layout, script: Box::new(script), again: None })
    }

    /// One that is lost at once, and for which `again` gives another.
    pub(crate) fn lost(
        name: &str,
        again: impl Fn() -> Result<Box<dyn Engine>, DeviceError> + Send + Sync + 'static,
    ) -> Box<dyn Engine> {
        let script: Script = Box::new(|_| Err(lost()));
        Box::new(Self { name: name.to_owned(), layout: Layout::Ragged, script, again: Some(Arc::new(again)) })
    }
}

impl Engine for Scripted {
    fn name(&self) -> &str {
        &self.name
    }

    fn layout(&self) -> Layout {
        self.layout
    }

    fn forward(&mut self, batch: &Batch) -> Result<Logits, EngineError> {
        (self.script)(batch)?;
        let logit = |id: i64, position: i64| ((id * 31 + position * 7) % 97) as f32 / 9.0;
        let start: Vec<f32> = match self.layout {
            Layout::Ragged => {
                let bounds = batch.cu_seq_lengths().windows(2);
                let positions = bounds.flat_map(|bounds| 0..(bounds[1] - bounds[0]) as i64);
                batch.input_ids().iter().zip(positions).map(|(id, position)| logit((*id).into(), position)).collect()
            }
            Layout::Fixed(shape) => {
                let padded = Padded::new(batch, shape)?;
                let (ids, positions) = (padded.input_ids(0), padded.position_ids());
                let logits: Vec<_> = ids.iter().zip(&positions).map(|(id, at)| logit(*id, *at)).collect();
                padded.gather(&logits).unwrap()
            }
        };
        let end = start.iter().map(|logit| 3.0 - logit).collect();
        Ok(Logits { start, end })
    }

    fn reload(&self) -> Option<Reload> {
        let again = self.again.clone()?;
        Some(Box::new(move || again()))
    }
}

pub(crate) fn lost() -> EngineError {
    EngineError::DeviceLost("the cable is cut".into())
}

/// A pipeline of these engines.
pub(crate) fn pipeline_of(engines: Vec<Box<dyn Engine>>, batch_size: usize) -> Pipeline {
    let [threads, batch_size] = [2, batch_size].map(|count| NonZeroUsize::new(count).unwrap());
    Pipeline::new(encoder(), engines, PipelineOptions { threads, batch_size })
}

/// Rows of many lengths, some of several windows.
pub(crate) fn mixed(rows: usize) -> impl Iterator<Item = anyhow::Result<Item<Number>>> + Send + 'static {
    (0..rows).map(|number| Ok(item(number, number * 7 % 13, true)))
}

/// What an engine without trouble says of the rows of a source.
#[track_caller]
pub(crate) fn expected(source: impl Iterator<Item = anyhow::Result<Item<Number>>> + Send + 'static) -> Answers {
    answers(pipeline_of(vec![Scripted::boxed("calm", Layout::Ragged, |_| Ok(()))], 4), source).unwrap()
}

#[track_caller]
pub(crate) fn wait(ended: Receiver<anyhow::Result<()>>) -> anyhow::Result<()> {
    ended.recv_timeout(Duration::from_secs(120)).expect("the pipeline hangs")
}

pub(crate) fn endless() -> impl Iterator<Item = anyhow::Result<Item<Number>>> + Send + 'static {
    (0..).map(|number| Ok(item(number, 2, true)))
}

/// Hands over some rows, and then waits for ever, as a pipe does that stays open.
pub(crate) fn waits_after(rows: usize) -> impl Iterator<Item = anyhow::Result<Item<Number>>> + Send + 'static {
    endless().take(rows).chain(std::iter::from_fn(|| {
        loop {
            thread::park();
        }
    }))
}
