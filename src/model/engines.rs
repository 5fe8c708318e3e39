use std::fmt;

use crate::engine::native::NativeEngine;
#[cfg(feature = "torch")]
use crate::engine::torch::{Compiled, TorchEngine};
use crate::engine::{Engine, Input, Layout, Precision};
#[cfg(feature = "torch")]
use crate::plural::plural;

/// What runs a model: one engine on the processor, or copies of a compiled one, each on a device of its own.
pub enum Engines {
    /// The engine on the processor.
    Native(Box<NativeEngine>),
    /// Copies of a compiled model.
    #[cfg(feature = "torch")]
    Torch {
        /// The file, and what is known of it.
        compiled: Compiled,
        /// Never empty.
        engines: Vec<TorchEngine>,
        /// Of the processor, where it runs there.
        threads: usize,
    },
}

impl Engines {
    /// Longest window in tokens.
    pub fn max_seq_len(&self) -> usize {
        match self {
            Self::Native(engine) => engine.max_seq_len(),
            #[cfg(feature = "torch")]
            Self::Torch { compiled, .. } => compiled.manifest().shape.seq_len.get(),
        }
    }

    /// `model_type` of config.json.
    pub fn model_type(&self) -> &str {
        match self {
            Self::Native(engine) => engine.model_type(),
            #[cfg(feature = "torch")]
            Self::Torch { compiled, .. } => &compiled.manifest().model_type,
        }
    }

    /// The precision in which they run, where it is known.
    pub fn precision(&self) -> Option<Precision> {
        match self {
            Self::Native(engine) => Some(engine.precision()),
            #[cfg(feature = "torch")]
            Self::Torch { compiled, .. } => compiled.manifest().precision,
        }
    }

    /// What the graph of a compiled model takes, in its order.
    pub fn inputs(&self) -> Option<&[Input]> {
        match self {
            Self::Native(_) => None,
            #[cfg(feature = "torch")]
            Self::Torch { compiled, .. } => Some(&compiled.manifest().inputs),
        }
    }

    /// What all of them want their batches to look like.
    pub fn layout(&self) -> Layout {
        match self {
            Self::Native(engine) => engine.layout(),
            #[cfg(feature = "torch")]
            Self::Torch { compiled, .. } => Layout::Fixed(compiled.manifest().shape),
        }
    }

    /// How many there are: one for each device.
    pub fn count(&self) -> usize {
        match self {
            Self::Native(_) => 1,
            #[cfg(feature = "torch")]
            Self::Torch { engines, .. } => engines.len(),
        }
    }

    /// The engine on the processor, where it is that.
    pub fn native(&self) -> Option<&NativeEngine> {
        match self {
            Self::Native(engine) => Some(engine),
            #[cfg(feature = "torch")]
            Self::Torch { .. } => None,
        }
    }

    /// One for each device.
    pub fn into_boxes(self) -> Vec<Box<dyn Engine>> {
        match self {
            Self::Native(engine) => vec![engine],
            #[cfg(feature = "torch")]
            Self::Torch { engines, .. } => engines.into_iter().map(|engine| Box::new(engine) as _).collect(),
        }
    }
}

/// For people: precision, devices, and the shape or the threads.
impl fmt::Display for Engines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native(engine) => engine.fmt(f),
            #[cfg(feature = "torch")]
            Self::Torch { compiled, engines, threads } => {
                let manifest = compiled.manifest();
                f.write_str("torch")?;
                if let Some(precision) = manifest.precision {
                    write!(f, " {precision}")?;
                }
                let packed = if manifest.shape.packed { ", packed" } else { "" };
                write!(f, " [{}, {}]{packed}", manifest.shape.batch, manifest.shape.seq_len)?;
                match engines.as_slice() {
                    [engine] if engine.name() == "cpu" => write!(f, ", cpu, {threads} {}", plural(*threads, "thread")),
                    [engine] => write!(f, ", {}", engine.name()),
                    [first, .., last] => write!(f, ", {} to {} ({})", first.name(), last.name(), engines.len()),
                    [] => Ok(()),
                }
            }
        }
    }
}
