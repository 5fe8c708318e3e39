//! The CPU engine in pure Rust: encoders from Hugging Face folders, in f32, bf16 or int8.
//!
//! It is ragged: the tokens of all windows form one `[tokens, hidden_size]` matrix without padding, and attention
//! runs window by window.

mod error;
mod forward;
mod layers;
mod models;
mod profile;
mod schedule;
mod tensors;
mod windows;

pub use bertqa_kernels::{ISA_VARIABLE, Peak};
pub use error::LoadError;
pub use models::{SupportedFamily, supported_families};
pub use profile::{Operator, OperatorTime, OperatorTimes, Profile};
pub use tensors::{Element, Float, StoredTensor, Strides, Tensors, WeightBytes, WeightFile};

use std::sync::Arc;

use rayon::prelude::*;

use crate::batch::Batch;
use crate::engine::{Engine, EngineError, Layout, Logits, Precision};
use crate::plural::plural;
use forward::{Group, forward};
use layers::{Loader, Workspace};
use models::{Network, Shape};
use schedule::{CHUNK_TOKENS, GROUP_TOKENS};
use windows::Window;

use bertqa_kernels::check_isa;

/// The precisions that make sense on this processor, the fastest first.
pub fn precisions_by_speed() -> impl Iterator<Item = Precision> {
    let int8 = bertqa_kernels::int8_instructions().map(|_| Precision::Int8);
    let bf16 = bertqa_kernels::bf16_instructions().map(|_| Precision::Bf16);
    int8.into_iter().chain(bf16).chain([Precision::F32])
}

/// Runs the network on the processor.
pub struct NativeEngine {
    network: Network,
    precision: Precision,
    pool: rayon::ThreadPool,
    workers: Vec<Worker>,
    profile: Arc<Profile>,
}

/// A thread's buffers and its share of a batch.
#[derive(Debug, Default)]
struct Worker {
    /// Indices of windows, in the order in which they are run.
    share: Vec<usize>,
    group: Group,
    workspace: Workspace,
    /// `[tokens of the share, 2]`
    logits: Vec<f32>,
}

impl NativeEngine {
    /// Loads a model from the text of its config.json and its tensors.
    ///
    /// `threads` of its own (at least one) convert the weights and run the network.
    pub fn load(config: &[u8], weights: &Tensors, precision: Precision, threads: usize) -> Result<Self, LoadError> {
        check_isa()?;
        let threads = threads.max(1);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("native-{index}"))
            .build()
            .map_err(|source| LoadError::Threads { threads, source })?;
        let network = pool.install(|| models::load(config, Loader { tensors: weights, precision }))?;
        let workers = (0..threads).map(|_| Worker::default()).collect();
        Ok(Self { network, precision, pool, workers, profile: Arc::default() })
    }

    /// Longest window in tokens.
    pub fn max_seq_len(&self) -> usize {
        self.network.shape.max_seq_len
    }

    /// Whether the model distinguishes question and context by their token types.
    pub fn takes_token_types(&self) -> bool {
        self.network.shape.type_vocab_size > 1
    }

    /// In which its products are computed.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// `model_type` of config.json.
    pub fn model_type(&self) -> &str {
        &self.network.shape.model_type
    }

    /// Tokens of the vocabulary: ids are below.
    pub fn vocab_size(&self) -> usize {
        self.network.shape.vocab_size
    }

    /// Types of tokens: ids are below.
    pub fn type_vocab_size(&self) -> usize {
        self.network.shape.type_vocab_size
    }

    /// Where the time goes, kept up to date while the engine runs.
    pub fn profile(&self) -> Arc<Profile> {
        self.profile.clone()
    }

    /// What each of the engine's threads could reach in its precision: measured in about 50 ms, without memory.
    pub fn measure_peaks(&self) -> Vec<Peak> {
        const SECONDS: f64 = 0.05;
        let peak = match self.precision {
            Precision::F32 | Precision::F16 => bertqa_kernels::peak_f32,
            Precision::Bf16 => bertqa_kernels::peak_bf16,
            Precision::Int8 => bertqa_kernels::peak_int8,
        };
        self.pool.broadcast(|_| peak(SECONDS))
    }

    fn check(&self, batch: &Batch) -> Result<(), EngineError> {
        let Shape { vocab_size, type_vocab_size, max_seq_len: max, .. } = self.network.shape;
        if let Some(&id) = batch.input_ids().iter().find(|id| **id as usize >= vocab_size) {
            return Err(EngineError::TokenId { id, vocab_size });
        }
        if let Some(&id) = batch.token_type_ids().iter().find(|id| **id as usize >= type_vocab_size) {
            return Err(EngineError::TokenType { id, type_vocab_size });
        }
        match batch.cu_seq_lengths().windows(2).map(|bounds| bounds[1] - bounds[0]).find(|tokens| *tokens > max) {
            Some(tokens) => Err(EngineError::TooLong { tokens, max }),
            None => Ok(()),
        }
    }
}

/// For people: precision, instructions and threads.
impl std::fmt::Display for NativeEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let instructions = match self.precision {
            Precision::F32 | Precision::F16 => None,
            Precision::Bf16 => bertqa_kernels::bf16_instructions(),
            Precision::Int8 => Some(bertqa_kernels::int8_instructions().unwrap_or("portable")),
        };
        write!(f, "native {}", self.precision)?;
        if let Some(instructions) = instructions {
            write!(f, " ({instructions})")?;
        }
        write!(f, ", {} {}", self.workers.len(), plural(self.workers.len(), "thread"))
    }
}

impl Engine for NativeEngine {
    fn name(&self) -> &str {
        "cpu"
    }

    fn layout(&self) -> Layout {
        Layout::Ragged
    }

    fn forward(&mut self, batch: &Batch) -> Result<Logits, EngineError> {
        self.check(batch)?;
        let bounds = batch.cu_seq_lengths();
        let window = |index: usize| Window {
            input_ids: &batch.input_ids()[bounds[index]..bounds[index + 1]],
            token_type_ids: &batch.token_type_ids()[bounds[index]..bounds[index + 1]],
        };
        let network = &self.network;
        for worker in &mut self.workers {
            worker.share.clear();
            worker.logits.clear();
        }

        if batch.windows() < self.workers.len() {
            // Too few windows for every thread to take whole ones: all work on the same, each on some of its tokens.
            let windows = vec![(0..batch.windows()).map(window).collect()];
            let mut workspaces: Vec<_> =
                self.workers.iter_mut().map(|worker| std::mem::take(&mut worker.workspace)).collect();
            let Worker { share, group, logits, .. } = &mut self.workers[0];
            share.extend(0..batch.windows());
            self.pool.install(|| forward(network, &windows, group, &mut workspaces, logits));
            for (worker, workspace) in self.workers.iter_mut().zip(workspaces) {
                worker.workspace = workspace;
            }
        } else {
            let lengths: Vec<_> = bounds.windows(2).map(|bounds| bounds[1] - bounds[0]).collect();
            schedule::share_out(&lengths, self.workers.iter_mut().map(|worker| &mut worker.share).collect());
            self.pool.install(|| {
                self.workers.par_iter_mut().for_each(|Worker { share, group, workspace, logits }| {
                    for indices in schedule::groups(share, &lengths, GROUP_TOKENS) {
                        let chunks = schedule::groups(indices, &lengths, CHUNK_TOKENS);
                        let windows: Vec<_> = chunks.map(|chunk| chunk.iter().copied().map(window).collect()).collect();
                        forward(network, &windows, group, std::slice::from_mut(workspace), logits);
                    }
                });
            });
        }

        let mut result = Logits { start: vec![0.0; batch.tokens()], end: vec![0.0; batch.tokens()] };
        for worker in &mut self.workers {
            self.profile.take(worker.workspace.times());
            let tokens = worker.share.iter().flat_map(|&index| bounds[index]..bounds[index + 1]);
            for (token, logits) in tokens.zip(worker.logits.as_chunks::<2>().0) {
                [result.start[token], result.end[token]] = *logits;
            }
        }
        Ok(result)
    }
}
