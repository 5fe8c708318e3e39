//! What is known of a compiled model beside its graph.

use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::LoadError;
use crate::engine::{DeviceKind, Input, Precision, Shape};

/// The version of the format that this program reads.
const FORMAT: u32 = 1;

/// NAME.json beside NAME.pt, checked; or what is taken for a file without one.
#[derive(Debug)]
pub struct Manifest {
    /// As config.json has it.
    pub model_type: String,
    /// `None`: not known.
    pub target: Option<Target>,
    /// What a batch has to look like.
    pub shape: Shape,
    /// In the graph's order.
    pub inputs: Vec<Input>,
    /// `None`: not known.
    pub precision: Option<Precision>,
    /// What padding is filled with.
    pub pad_token_id: u32,
    /// What compiled the model, for messages.
    pub compiler: String,
}

/// What a model was compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// The processor.
    Cpu,
    /// CUDA.
    Gpu,
    /// NeuronCores of the first version.
    Inf1,
    /// NeuronCores of the second version.
    Inf2,
    /// NeuronCores of the second version, for training.
    Trn1,
}

impl Target {
    /// The kind of device that it runs on.
    pub fn device_kind(self) -> DeviceKind {
        match self {
            Self::Cpu => DeviceKind::Cpu,
            Self::Gpu => DeviceKind::Cuda,
            Self::Inf1 | Self::Inf2 | Self::Trn1 => DeviceKind::Neuron,
        }
    }
}

/// The manifest as it is written.
#[derive(Deserialize)]
struct File {
    model: String,
    model_type: String,
    device: Target,
    batch_size: NonZeroUsize,
    seq_len: NonZeroUsize,
    inputs: Vec<Input>,
    packed: bool,
    precision: Precision,
    torch: String,
    sdk: Option<String>,
    pad_token_id: u32,
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl Manifest {
    /// Where the manifest of the model at `path` is, if it has one.
    pub fn path(path: &Path) -> PathBuf {
        path.with_extension("json")
    }

    /// Reads the manifest of the model at `path`; without one, `inputs` may say what the graph takes.
    pub fn of(path: &Path, inputs: Option<&[Input]>) -> Result<Self, LoadError> {
        let manifest = Self::path(path);
        match (fs::read(&manifest), inputs) {
            (Ok(_), Some(_)) => Err(LoadError::InputsTwice(manifest)),
            (Ok(json), None) => Self::parse(&json).map_err(|reason| LoadError::Manifest { path: manifest, reason }),
            (Err(error), inputs) if error.kind() == io::ErrorKind::NotFound => Self::assumed(inputs),
            (Err(source), _) => Err(LoadError::Read { path: manifest, source }),
        }
    }

    fn parse(json: &[u8]) -> Result<Self, String> {
        let Format { format } = read(json)?;
        if format != FORMAT {
            return Err(format!("format is {format}, and this program reads {FORMAT}"));
        }
        let File {
            model,
            model_type,
            device,
            batch_size,
            seq_len,
            inputs,
            packed,
            precision,
            torch,
            sdk,
            pad_token_id,
        } = read(json)?;
        check_inputs(&inputs, packed).map_err(|reason| format!("inputs: {reason}"))?;
        let exact = device.device_kind() == DeviceKind::Neuron;
        let sdk = sdk.map_or_else(String::new, |sdk| format!(", Neuron SDK package {sdk}"));
        Ok(Self {
            model_type,
            target: Some(device),
            shape: Shape { batch: batch_size, seq_len, packed, exact },
            inputs,
            precision: Some(precision),
            pad_token_id,
            compiler: format!("{model}, compiled with torch {torch}{sdk}"),
        })
    }

    /// What a file without a manifest is taken for: BERT's inputs, a row at a time.
    fn assumed(inputs: Option<&[Input]>) -> Result<Self, LoadError> {
        const SEQ_LEN: NonZeroUsize = NonZeroUsize::new(512).unwrap();
        let inputs = inputs.unwrap_or(&[Input::InputIds, Input::AttentionMask]).to_vec();
        check_inputs(&inputs, false).map_err(LoadError::Inputs)?;
        Ok(Self {
            model_type: "bert".to_owned(),
            target: None,
            shape: Shape { batch: NonZeroUsize::MIN, seq_len: SEQ_LEN, packed: false, exact: true },
            inputs,
            precision: None,
            pad_token_id: 0,
            compiler: "no manifest beside it".to_owned(),
        })
    }
}

/// With the field in the message where a value is wrong.
fn read<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, String> {
    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_slice(json)).map_err(|error| error.to_string())
}

fn check_inputs(inputs: &[Input], packed: bool) -> Result<(), &'static str> {
    let takes = |input| inputs.contains(&input);
    if (1..inputs.len()).any(|place| inputs[..place].contains(&inputs[place])) {
        return Err("the same one twice");
    }
    if !takes(Input::InputIds) {
        return Err("input_ids is missing");
    }
    if packed && !(takes(Input::SequenceIds) && takes(Input::PositionIds)) {
        return Err("a packed model takes sequence_ids and position_ids");
    }
    if !takes(Input::AttentionMask) && !takes(Input::SequenceIds) {
        return Err("without attention_mask or sequence_ids a model can't distinguish padding from text");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"format": 1, "model": "m", "model_type": "bert", "device": "inf2", "batch_size": 4,
        "seq_len": 128, "inputs": ["input_ids", "sequence_ids", "position_ids"], "packed": true, "precision": "bf16",
        "torch": "2.9.1", "sdk": "2.9.0.1", "pad_token_id": 3, "comment": "unknown fields do no harm"}"#;

    fn refused(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from));
        Manifest::parse(GOOD.replace(from, to).as_bytes()).unwrap_err()
    }

    #[test]
    fn a_manifest_says_what_the_graph_takes() {
        let manifest = Manifest::parse(GOOD.as_bytes()).unwrap();
        let Shape { batch, seq_len, packed, exact } = manifest.shape;
        assert_eq!((batch.get(), seq_len.get(), packed, exact), (4, 128, true, true));
        assert_eq!(manifest.inputs, [Input::InputIds, Input::SequenceIds, Input::PositionIds]);
        assert_eq!((manifest.target, manifest.precision), (Some(Target::Inf2), Some(Precision::Bf16)));
        assert_eq!((manifest.model_type.as_str(), manifest.pad_token_id), ("bert", 3));
        assert_eq!(manifest.compiler, "m, compiled with torch 2.9.1, Neuron SDK package 2.9.0.1");
        let gpu = Manifest::parse(GOOD.replace("inf2", "gpu").as_bytes()).unwrap();
        assert!(!gpu.shape.exact);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (from, to, expected) in [
            ("\"seq_len\": 128,", "", "seq_len"),
            ("\"batch_size\": 4", "\"batch_size\": 0", "batch_size"),
            ("\"inf2\"", "\"tpu\"", "device"),
            ("position_ids", "places", "inputs[2]"),
            (", \"position_ids\"", "", "a packed model takes sequence_ids and position_ids"),
            ("\"input_ids\", ", "", "input_ids is missing"),
            ("input_ids\"", "sequence_ids\"", "twice"),
            ("\"format\": 1", "\"format\": 2", "format is 2"),
            ("\"format\": 1,", "", "format"),
            ("\"precision\": \"bf16\"", "\"precision\": 8", "precision"),
        ] {
            let message = refused(from, to);
            assert!(message.contains(expected), "{expected}: {message}");
        }
        let inputs =
            ["input_ids", "position_ids"].map(|name| <Input as clap::ValueEnum>::from_str(name, false).unwrap());
        assert!(Manifest::assumed(Some(&inputs)).unwrap_err().to_string().contains("attention_mask"));
    }

    #[test]
    fn a_file_without_manifest_takes_a_row_of_512() {
        let manifest = Manifest::of(Path::new("does/not/exist.pt"), None).unwrap();
        assert_eq!((manifest.shape.batch.get(), manifest.shape.seq_len.get()), (1, 512));
        assert_eq!(manifest.inputs, [Input::InputIds, Input::AttentionMask]);
        assert!(manifest.shape.exact && !manifest.shape.packed);
    }
}
