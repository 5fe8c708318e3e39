//! Remedies for errors of engines.

use std::error::Error;

use crate::batch::ShapeError;
use crate::engine::{EngineError, native};

pub(super) fn hint(error: &(dyn Error + 'static)) -> Option<String> {
    #[cfg(feature = "torch")]
    if let Some(error) = error.downcast_ref() {
        return compiled(error);
    }
    if let Some(native::LoadError::OddInputs { .. }) = error.downcast_ref() {
        return Some("give --precision f32".to_owned());
    }
    match error.downcast_ref()? {
        EngineError::TokenId { .. } | EngineError::TokenType { .. } => {
            Some("name the tokenizer that belongs to the model with --tokenizer".to_owned())
        }
        EngineError::TooLong { max, .. } | EngineError::Shape(ShapeError::Tokens { max, .. }) => {
            Some(format!("give --max-seq-len {max} or less"))
        }
        _ => None,
    }
}

#[cfg(feature = "torch")]
fn compiled(error: &crate::engine::torch::LoadError) -> Option<String> {
    use crate::engine::torch::LoadError;

    let hint = match error {
        LoadError::Inputs(_) => "name all inputs of the graph with --inputs, in its order",
        LoadError::InputsTwice(_) => "leave --inputs out",
        LoadError::OtherDevice { compiled, .. } => {
            return Some(format!("give --device {compiled}, or compile the model again with docker/trace.py"));
        }
        LoadError::NoCuda { .. } => {
            "this needs an NVIDIA GPU with its driver, and torch's CUDA libraries on the loader's path; `bertqa devices` \
             shows what there is"
        }
        LoadError::NoDevice { .. } => "choose others with --device; `bertqa devices` shows what there is",
        LoadError::NoCores => {
            "this needs an Inf1, Inf2 or Trn1 instance with the Neuron driver; `bertqa devices` shows what there is"
        }
        LoadError::CoreOrder { asked, .. } => {
            return Some(format!("set NEURON_RT_VISIBLE_CORES={asked} and give --device neuron"));
        }
        LoadError::NoNeuronLibrary { .. } => {
            "install torch-neuron (Inf1) or torch-neuronx (Inf2, Trn1) for the Python on PATH, from AWS's repository \
             pip.repos.neuron.amazonaws.com, or name the file with --neuron-lib"
        }
        LoadError::NeuronLibrary { .. } => "name the file libtorchneuron.so with --neuron-lib",
        _ => return None,
    };
    Some(hint.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remedy_names_the_flag() {
        let hint = |error: EngineError| super::super::of(&anyhow::Error::new(error).context("the model cannot run"));
        assert_eq!(hint(EngineError::TooLong { tokens: 9, max: 8 }).unwrap(), "give --max-seq-len 8 or less");
        let shape = EngineError::Shape(ShapeError::Tokens { tokens: 9, max: 8 });
        assert_eq!(hint(shape).unwrap(), "give --max-seq-len 8 or less");
        assert!(hint(EngineError::TokenId { id: 9, vocab_size: 8 }).unwrap().contains("--tokenizer"));
        let odd = anyhow::Error::new(native::LoadError::OddInputs { inputs: 3 });
        assert_eq!(super::super::of(&odd).unwrap(), "give --precision f32");
    }
}
