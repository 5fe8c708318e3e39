use std::fmt;

use indicatif::BinaryBytes;
use serde::Serialize;

use super::Status;
use crate::engine::devices::{Choice, CudaDevice, Hardware, Machine, NeuronDevice};

/// Show what the network can run on here, and what --device auto takes
///
/// CUDA devices are those that nvidia-smi lists and CUDA_VISIBLE_DEVICES leaves; NeuronCores those of neuron-ls and
/// /dev/neuron*, as far as NEURON_RT_VISIBLE_CORES or NEURON_RT_NUM_CORES leave them.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  bertqa devices
  bertqa devices --json | jq -r '.auto.compiled.devices | join(\",\")'")]
pub(super) struct Args {
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

/// What is shown.
#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    hardware: Hardware,
    auto: Auto,
}

/// What `--device auto` takes, by the kind of the model.
#[derive(Serialize)]
struct Auto {
    hugging_face: Choice,
    compiled: Choice,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Status> {
    let hardware = Hardware::find(&Machine::here());
    let hugging_face =
        Choice { devices: vec!["cpu".to_owned()], why: "the native engine runs it, which is for the processor" };
    let auto = Auto { hugging_face, compiled: hardware.auto() };
    let report = Report { hardware, auto };
    let text = if args.json { serde_json::to_string(&report)? + "\n" } else { report.to_string() };
    super::print(text.as_bytes())?;
    Ok(Status::AllAnswered)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hardware: Hardware { cpu, cuda, neuron, neuron_cores, problems }, auto } = self;
        let name = if cpu.name.is_empty() { "processor" } else { &cpu.name };
        write!(f, "{:<13} {name}, {} cores; f32 with {}", "cpu", cpu.cores, cpu.instructions.f32)?;
        if let Some(bf16) = cpu.instructions.bf16 {
            write!(f, ", bf16 with {bf16}")?;
        }
        match cpu.instructions.int8 {
            Some(int8) => writeln!(f, ", int8 with {int8}")?,
            None => writeln!(f, ", nothing for int8")?,
        }
        for CudaDevice { index, name, memory_bytes, free_bytes, .. } in cuda {
            write!(f, "{:<13} {name}", format!("cuda:{index}"))?;
            memory(f, *memory_bytes)?;
            free_bytes.map_or(Ok(()), |bytes| write!(f, " ({} free)", BinaryBytes(bytes)))?;
            writeln!(f)?;
        }
        for NeuronDevice { index, cores, memory_bytes } in neuron {
            write!(f, "{:<13} Neuron device", format!("/dev/neuron{index}"))?;
            cores.map_or(Ok(()), |cores| write!(f, ", {cores} cores"))?;
            memory(f, *memory_bytes)?;
            writeln!(f)?;
        }
        if !neuron_cores.is_empty() {
            let cores: Vec<_> = neuron_cores.iter().map(usize::to_string).collect();
            writeln!(f, "{:<13} NeuronCores {}", "neuron", cores.join(", "))?;
        }
        for problem in problems {
            writeln!(f, "{:<13} {problem}", "note")?;
        }
        writeln!(f, "\n--device auto takes")?;
        let compiled = match cfg!(feature = "torch") {
            true => "a compiled model whose manifest names no device",
            false => "a compiled model whose manifest names no device, in a build with --features torch",
        };
        let choices = [("a Hugging Face model", &auto.hugging_face), (compiled, &auto.compiled)];
        for (model, Choice { devices, why }) in choices {
            let devices = match devices.as_slice() {
                [first, _, .., last] => format!("{first} to {last}"),
                devices => devices.join(", "),
            };
            writeln!(f, "  {devices:<22} for {model}: {why}")?;
        }
        Ok(())
    }
}

fn memory(f: &mut fmt::Formatter<'_>, bytes: Option<u64>) -> fmt::Result {
    bytes.map_or(Ok(()), |bytes| write!(f, ", {}", BinaryBytes(bytes)))
}
