use std::io;
use std::path::PathBuf;

use super::graph::GraphError;
use crate::engine::devices::CoresError;
use crate::engine::{Device, DeviceChoice, DeviceKind, EngineError};

/// Why a compiled model can't be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A manifest that is malformed.
    #[error("{path}: {reason}")]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A manifest that cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Inputs that do not make a model.
    #[error("inputs: {0}")]
    Inputs(&'static str),
    /// Inputs are named, and the manifest names them too.
    #[error("inputs are named for a model whose manifest, {0}, has them")]
    InputsTwice(PathBuf),
    /// The model is compiled for another kind of device.
    #[error("{path} was compiled for {compiled} and can't run on {asked}")]
    OtherDevice {
        /// The file.
        path: PathBuf,
        /// The kind that it was compiled for.
        compiled: DeviceKind,
        /// What is asked for.
        asked: DeviceKind,
    },
    /// There is no CUDA device.
    #[error(
        "no CUDA device was found{}", .reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"))
    )]
    NoCuda {
        /// Why.
        reason: Option<String>,
    },
    /// A device that is not there.
    #[error("there is no {choice}; there are {}", list(.available))]
    NoDevice {
        /// The one that is asked for.
        choice: DeviceChoice,
        /// The numbers of those that there are.
        available: Vec<usize>,
    },
    /// There is no NeuronCore.
    #[error(
        "no NeuronCore was found: there is no /dev/neuron0, and neither NEURON_RT_NUM_CORES nor \
         NEURON_RT_VISIBLE_CORES is set"
    )]
    NoCores,
    /// The NeuronCores cannot be determined.
    #[error(transparent)]
    Cores(#[from] CoresError),
    /// Cores that the runtime cannot hand out alone.
    #[error("the Neuron runtime hands out its cores in order, from {first}, and not {asked} alone")]
    CoreOrder {
        /// The first core that the runtime hands out.
        first: usize,
        /// What is asked for.
        asked: String,
    },
    /// The library with Neuron's operators is not found.
    #[error("libtorchneuron.so, which has Neuron's operators, was not found ({reason})")]
    NoNeuronLibrary {
        /// Why.
        reason: String,
    },
    /// The library with Neuron's operators cannot be opened.
    #[error("cannot open {path}: {reason}")]
    NeuronLibrary {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A graph that cannot be loaded.
    #[error("{path} ({compiler}) can't be loaded on {device}")]
    Graph {
        /// The file.
        path: PathBuf,
        /// What compiled it, for messages.
        compiler: String,
        /// Where it was to run.
        device: Device,
        /// Why.
        source: GraphError,
    },
    /// A graph that fails on its first batch.
    #[error("{path} ({compiler}) can't run on {device}; does its manifest belong to it?")]
    Trial {
        /// The file.
        path: PathBuf,
        /// What compiled it, for messages.
        compiler: String,
        /// Where it was to run.
        device: Device,
        /// Why.
        source: EngineError,
    },
}

fn list(numbers: &[usize]) -> String {
    numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}
