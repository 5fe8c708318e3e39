//! Compiled models: TorchScript on the processor, CUDA devices or NeuronCores.
//!
//! A model is a graph, NAME.pt, and beside it a manifest, NAME.json, which says what the graph takes
//! (`docker/trace.py` writes both).

mod error;
mod graph;
mod library;
mod manifest;
mod placement;

pub use error::LoadError;
pub use graph::GraphError;
pub use manifest::{Manifest, Target};

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Device, DeviceKind, Devices, Engine, EngineError, Input, Layout, Logits, Reload};
use crate::batch::{Batch, Padded};
use graph::Graph;

/// The file of a compiled model, and what it takes.
#[derive(Debug, Clone)]
pub struct Compiled {
    path: PathBuf,
    manifest: Arc<Manifest>,
}

/// Runs a copy of a compiled model on one device.
pub struct TorchEngine {
    name: String,
    device: Device,
    graph: Graph,
    compiled: Compiled,
}

impl Compiled {
    /// The model at `path`, NAME.pt; where there is no manifest, `inputs` may say what the graph takes.
    pub fn open(path: &Path, inputs: Option<&[Input]>) -> Result<Self, LoadError> {
        Ok(Self { path: path.to_owned(), manifest: Arc::new(Manifest::of(path, inputs)?) })
    }

    /// What is known of it.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Loads a copy of the model for each of the devices, and runs it once. A device of several that fails is left
    /// out, with a warning.
    ///
    /// `neuron_library` is the file with Neuron's operators, `threads` how many the processor may use.
    pub fn load(
        &self,
        devices: &Devices,
        neuron_library: Option<&Path>,
        threads: usize,
    ) -> Result<Vec<TorchEngine>, LoadError> {
        let devices = placement::resolve(self, devices, neuron_library)?;
        // Elsewhere than on the processor, its threads have little to do but to wait.
        let on_cpu = devices.contains(&Device::Cpu);
        graph::set_threads(if on_cpu { threads.max(1) } else { 1 });
        let (mut engines, mut failures) = (Vec::new(), Vec::new());
        // In order: each copy takes the next NeuronCore.
        for device in devices {
            match self.load_on(device) {
                Ok(engine) => engines.push(engine),
                Err(error) => failures.push(error),
            }
        }
        let failure = if engines.is_empty() { failures.pop() } else { None };
        for failure in failures {
            tracing::warn!("left out: {:#}", anyhow::Error::new(failure));
        }
        failure.map_or(Ok(engines), Err)
    }

    fn load_on(&self, device: Device) -> Result<TorchEngine, LoadError> {
        let (path, compiler) = (&self.path, &self.manifest.compiler);
        let graph = Graph::load(path, device).map_err(|source| LoadError::Graph {
            path: path.clone(),
            compiler: compiler.clone(),
            device,
            source,
        })?;
        let mut engine = TorchEngine { name: device.to_string(), device, graph, compiled: self.clone() };
        let mut batch = Batch::default();
        let seq_len = self.manifest.shape.seq_len.get();
        batch.push(&vec![self.manifest.pad_token_id; seq_len], &vec![0; seq_len]);
        engine.forward(&batch).map_err(|source| LoadError::Trial {
            path: path.clone(),
            compiler: compiler.clone(),
            device,
            source,
        })?;
        Ok(engine)
    }

    fn device_kind(&self) -> Option<DeviceKind> {
        self.manifest.target.map(Target::device_kind)
    }
}

impl Engine for TorchEngine {
    fn name(&self) -> &str {
        &self.name
    }

    fn layout(&self) -> Layout {
        Layout::Fixed(self.compiled.manifest.shape)
    }

    fn forward(&mut self, batch: &Batch) -> Result<Logits, EngineError> {
        let manifest = &self.compiled.manifest;
        let padded = Padded::new(batch, manifest.shape)?;
        let inputs: Vec<_> = manifest
            .inputs
            .iter()
            .map(|input| match input {
                Input::InputIds => padded.input_ids(manifest.pad_token_id),
                Input::AttentionMask => padded.attention_mask(),
                Input::TokenTypeIds => padded.token_type_ids(),
                Input::PositionIds => padded.position_ids(),
                Input::SequenceIds => padded.sequence_ids(),
            })
            .collect();
        let [start, end] = self.graph.forward(&inputs, padded.shape())?;
        let logits = padded.gather(&start).zip(padded.gather(&end));
        let (start, end) = logits
            .ok_or_else(|| GraphError::Output { found: "of another size".to_owned(), expected: padded.shape() })?;
        Ok(Logits { start, end })
    }

    fn reload(&self) -> Option<Reload> {
        match self.device {
            // The runtime gives a copy the next of its cores, and that need not be the one that was lost.
            Device::NeuronCore(_) => None,
            Device::Cpu | Device::Cuda(_) => {
                let (compiled, device) = (self.compiled.clone(), self.device);
                Some(Box::new(move || Ok(Box::new(compiled.load_on(device)?))))
            }
        }
    }
}

impl From<GraphError> for EngineError {
    fn from(error: GraphError) -> Self {
        match error {
            GraphError::OutOfMemory(_) => Self::OutOfMemory(Box::new(error)),
            GraphError::Torch(_) | GraphError::Output { .. } => Self::DeviceLost(Box::new(error)),
        }
    }
}
