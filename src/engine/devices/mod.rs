//! What this machine has that a network can run on: the processor, CUDA devices, NeuronCores.

mod cpu;
mod cuda;
mod machine;
mod neuron;
#[cfg(test)]
mod tests;

pub use cpu::{Cpu, Instructions};
pub use cuda::CudaDevice;
pub use machine::Machine;
pub use neuron::{CoresError, NeuronDevice, neuron_cores};

/// What was found.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Hardware {
    /// The processor.
    pub cpu: Cpu,
    /// Those that this process may use, in the order of CUDA's numbers.
    pub cuda: Vec<CudaDevice>,
    /// Neuron devices of the machine.
    pub neuron: Vec<NeuronDevice>,
    /// NeuronCores that this process may use, by the runtime's numbers.
    pub neuron_cores: Vec<usize>,
    /// Why something may be missing above, or can't be used.
    pub problems: Vec<String>,
}

/// On what a model runs that names no device, and why; `devices` as [`Devices`](super::Devices) are written.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Choice {
    /// Such as `cpu` or `cuda:0`.
    pub devices: Vec<String>,
    /// The reason, for people.
    pub why: &'static str,
}

impl Hardware {
    /// Looks around. What can't be determined is among the problems.
    pub fn find(machine: &Machine) -> Self {
        let mut problems = Vec::new();
        let cuda = cuda::find(machine, &mut problems);
        let neuron = neuron::find(machine, &mut problems);
        let neuron_cores = neuron::cores(machine, &neuron).unwrap_or_else(|error| {
            problems.push(error.to_string());
            Vec::new()
        });
        Self { cpu: Cpu::find(), cuda, neuron, neuron_cores, problems }
    }

    /// What [`Devices::Auto`](super::Devices::Auto) takes for a compiled model whose manifest does not say for what it was compiled.
    pub fn auto(&self) -> Choice {
        if !self.neuron_cores.is_empty() {
            let devices = self.neuron_cores.iter().map(|core| format!("neuron:{core}")).collect();
            return Choice { devices, why: "there are NeuronCores, which come before all others" };
        }
        if !self.cuda.is_empty() {
            let devices = self.cuda.iter().map(|device| format!("cuda:{}", device.index)).collect();
            return Choice { devices, why: "there are CUDA devices, and no NeuronCores" };
        }
        Choice { devices: vec!["cpu".to_owned()], why: "there are neither NeuronCores nor CUDA devices" }
    }
}
