use std::io;
use std::path::PathBuf;

use super::graph::GraphError;
use crate::engine::devices::CoresError;
use crate::engine::{Device, DeviceChoice, DeviceKind, EngineError};

/// Why a compiled model can't be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("{path}: {reason}")]
    Manifest { path: PathBuf, reason: String },
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error("inputs: {0}")]
    Inputs(&'static str),
    #[error("inputs are named for a model whose manifest, {0}, has them")]
    InputsTwice(PathBuf),
    #[error("{path} was compiled for {compiled} and can't run on {asked}")]
    OtherDevice { path: PathBuf, compiled: DeviceKind, asked: DeviceKind },
    #[error(
        "no CUDA device was found{}", .reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"))
    )]
    NoCuda { reason: Option<String> },
    #[error("there is no {choice}; there are {}", list(.available))]
    NoDevice { choice: DeviceChoice, available: Vec<usize> },
    #[error(
        "no NeuronCore was found: there is no /dev/neuron0, and neither NEURON_RT_NUM_CORES nor \
         NEURON_RT_VISIBLE_CORES is set"
    )]
    NoCores,
    #[error(transparent)]
    Cores(#[from] CoresError),
    #[error("the Neuron runtime hands out its cores in order, from {first}, and not {asked} alone")]
    CoreOrder { first: usize, asked: String },
    #[error("libtorchneuron.so, which has Neuron's operators, was not found ({reason})")]
    NoNeuronLibrary { reason: String },
    #[error("cannot open {path}: {reason}")]
    NeuronLibrary { path: PathBuf, reason: String },
    #[error("{path} ({compiler}) can't be loaded on {device}")]
    Graph { path: PathBuf, compiler: String, device: Device, source: GraphError },
    #[error("{path} ({compiler}) can't run on {device}; does its manifest belong to it?")]
    Trial { path: PathBuf, compiler: String, device: Device, source: EngineError },
}

fn list(numbers: &[usize]) -> String {
    numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}
