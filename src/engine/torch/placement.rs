//! On which devices a compiled model runs.

use std::path::Path;

use super::{Compiled, LoadError, graph, library};
use crate::engine::devices::{self, Machine};
use crate::engine::{Device, DeviceKind, Devices};

/// The devices that are asked for and fit the model, with the libraries open that they need.
pub(super) fn resolve(
    model: &Compiled,
    devices: &Devices,
    neuron_library: Option<&Path>,
) -> Result<Vec<Device>, LoadError> {
    let compiled = model.device_kind();
    if let (Some(compiled), Some(asked)) = (compiled, devices.kind())
        && compiled != asked
    {
        return Err(LoadError::OtherDevice { path: model.path.clone(), compiled, asked });
    }
    let neuron = |available| {
        let cores = neuron_cores(devices, available)?;
        library::open_neuron(neuron_library, model.manifest.target)?;
        Ok(cores)
    };
    match devices.kind().or(compiled) {
        Some(DeviceKind::Cpu) => Ok(vec![Device::Cpu]),
        Some(DeviceKind::Cuda) => cuda(devices),
        Some(DeviceKind::Neuron) => neuron(devices::neuron_cores(&Machine::here())?),
        None => match devices::neuron_cores(&Machine::here())? {
            none if none.is_empty() => Ok(cuda(devices).unwrap_or_else(|_| vec![Device::Cpu])),
            available => neuron(available),
        },
    }
}

fn cuda(devices: &Devices) -> Result<Vec<Device>, LoadError> {
    let opened = library::open_cuda();
    let available: Vec<_> = (0..graph::cuda_devices()).collect();
    if available.is_empty() {
        return Err(LoadError::NoCuda { reason: opened.err() });
    }
    let selected = devices.select(&available).map_err(|choice| LoadError::NoDevice { choice, available })?;
    Ok(selected.into_iter().map(Device::Cuda).collect())
}

/// The cores asked for. The runtime gives each copy of a model the next of its cores, so they are its first ones.
fn neuron_cores(devices: &Devices, available: Vec<usize>) -> Result<Vec<Device>, LoadError> {
    let first = *available.first().ok_or(LoadError::NoCores)?;
    let selected = match devices.select(&available) {
        Ok(selected) => selected,
        Err(choice) => return Err(LoadError::NoDevice { choice, available }),
    };
    if !available.starts_with(&selected) {
        let asked = selected.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        return Err(LoadError::CoreOrder { first, asked });
    }
    Ok(selected.into_iter().map(Device::NeuronCore).collect())
}
