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
    #[error("--inputs: {0}")]
    Inputs(&'static str),
    #[error("--inputs is for a model without manifest; {0} says what this one takes")]
    InputsTwice(PathBuf),
    #[error("{path} was compiled for {compiled} and can't run on {asked}; compile it for that with docker/trace.py")]
    OtherDevice { path: PathBuf, compiled: DeviceKind, asked: DeviceKind },
    #[error(
        "no CUDA device was found: this needs an NVIDIA GPU with its driver, and torch's CUDA libraries on the \
         loader's path{}", .reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"))
    )]
    NoCuda { reason: Option<String> },
    #[error("there is no {choice}; there are {}", list(.available))]
    NoDevice { choice: DeviceChoice, available: Vec<usize> },
    #[error(
        "no NeuronCore was found: there is no /dev/neuron0, and neither NEURON_RT_NUM_CORES nor \
         NEURON_RT_VISIBLE_CORES is set; is this an Inf1, Inf2 or Trn1 instance with the Neuron driver?"
    )]
    NoCores,
    #[error(transparent)]
    Cores(#[from] CoresError),
    #[error(
        "the Neuron runtime hands out its cores in order, from {first}: to use {asked}, set \
         NEURON_RT_VISIBLE_CORES={asked} and give --device neuron"
    )]
    CoreOrder { first: usize, asked: String },
    #[error(
        "Neuron's operators are in libtorchneuron.so, which was not found: install torch-neuron (Inf1) or \
         torch-neuronx (Inf2, Trn1) for the Python on PATH, from AWS's repository pip.repos.neuron.amazonaws.com, or \
         name the file with --neuron-lib ({reason})"
    )]
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
