use std::collections::BTreeSet;
use std::fs;
use std::iter;
use std::ops::Range;

use serde::Deserialize;

use super::Machine;

/// A Neuron device: a chip with several NeuronCores.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, Deserialize)]
pub struct NeuronDevice {
    /// N of /dev/neuronN.
    #[serde(rename(deserialize = "neuron_device"))]
    pub index: usize,
    /// `None` if unknown.
    #[serde(rename(deserialize = "nc_count"))]
    pub cores: Option<usize>,
    /// Memory of the whole chip; `None` if unknown.
    #[serde(rename(deserialize = "memory_size"))]
    pub memory_bytes: Option<u64>,
}

/// Why the NeuronCores that a process may use can't be determined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CoresError {
    /// `NEURON_RT_VISIBLE_CORES` can't be read.
    #[error("{VISIBLE}={value} is no list of cores, such as 0-3,5")]
    List {
        /// What it is set to.
        value: String,
    },
    /// `NEURON_RT_NUM_CORES` can't be read.
    #[error("{COUNT}={value} is no number of cores")]
    Count {
        /// What it is set to.
        value: String,
    },
    /// A variable asks for cores that are not there.
    #[error("{variable}={value} asks for more NeuronCores than there are: {cores}")]
    TooMany {
        /// Its name.
        variable: &'static str,
        /// What it is set to.
        value: String,
        /// How many there are.
        cores: usize,
    },
    /// How many cores a device has is not known.
    #[error("cannot count the cores of /dev/neuron{device} without neuron-ls on PATH and in /sys; set {COUNT}")]
    Unknown {
        /// N of /dev/neuronN.
        device: usize,
    },
}

const VISIBLE: &str = "NEURON_RT_VISIBLE_CORES";
const COUNT: &str = "NEURON_RT_NUM_CORES";

/// More than any machine has.
const MOST_CORES: usize = 1024;

/// The NeuronCores that this process may use, by the runtime's numbers: those that `NEURON_RT_VISIBLE_CORES` names,
/// else as many as `NEURON_RT_NUM_CORES` says, else all of the machine's Neuron devices.
pub fn neuron_cores(machine: &Machine) -> Result<Vec<usize>, CoresError> {
    cores(machine, &find(machine, &mut Vec::new()))
}

/// The machine's Neuron devices: those of neuron-ls, and those that have a file in /dev.
pub(super) fn find(machine: &Machine, problems: &mut Vec<String>) -> Vec<NeuronDevice> {
    let mut devices = Vec::new();
    match machine.ask("neuron-ls", &["--json-output"]) {
        None => {}
        Some(Err(error)) => problems.push(error),
        Some(Ok(listed)) => match serde_json::from_str::<Vec<NeuronDevice>>(&listed) {
            Ok(listed) => devices = listed,
            Err(error) => problems.push(format!("neuron-ls's list of devices can't be read: {error}")),
        },
    }
    for index in in_dev(machine) {
        if devices.iter().all(|device| device.index != index) {
            devices.push(NeuronDevice { index, cores: sysfs_cores(machine, index), memory_bytes: None });
        }
    }
    devices.sort_unstable_by_key(|device| device.index);
    devices
}

/// The numbers of /dev/neuron0, /dev/neuron1, ...
fn in_dev(machine: &Machine) -> Vec<usize> {
    let files = fs::read_dir(machine.path("dev")).into_iter().flatten().flatten();
    files.filter_map(|file| file.file_name().to_str()?.strip_prefix("neuron")?.parse().ok()).collect()
}

/// What the driver says of a device's cores.
fn sysfs_cores(machine: &Machine, index: usize) -> Option<usize> {
    let path = machine.path(&format!("sys/devices/virtual/neuron_device/neuron{index}/core_count"));
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

pub(super) fn cores(machine: &Machine, devices: &[NeuronDevice]) -> Result<Vec<usize>, CoresError> {
    // Of a machine that shows no device, the variables are believed: the runtime will say.
    let known = devices.iter().map(|device| device.cores.ok_or(device.index)).sum::<Result<usize, usize>>();
    let most = known.ok().filter(|cores| *cores > 0).unwrap_or(MOST_CORES);
    let set = |variable| Some((variable, machine.variable(variable)?.trim())).filter(|(_, value)| !value.is_empty());
    let (variable, value, cores) = if let Some((variable, value)) = set(VISIBLE) {
        (variable, value, listed(value).ok_or_else(|| CoresError::List { value: value.to_owned() })?)
    } else if let Some((variable, value)) = set(COUNT) {
        let count = value.parse().map_err(|_| CoresError::Count { value: value.to_owned() })?;
        (variable, value, iter::once(0..count).collect())
    } else {
        return known.map(|cores| (0..cores).collect()).map_err(|device| CoresError::Unknown { device });
    };
    if cores.iter().any(|range| range.end > most) {
        return Err(CoresError::TooMany { variable, value: value.to_owned(), cores: most });
    }
    Ok(cores.into_iter().flatten().collect::<BTreeSet<_>>().into_iter().collect())
}

/// The ranges of a list such as `0-3,5`; `None` if it is none.
fn listed(list: &str) -> Option<Vec<Range<usize>>> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.trim().parse::<usize>().ok()?, last.trim().parse::<usize>().ok()?);
        (first <= last).then(|| first..last.saturating_add(1))
    };
    list.split(',').map(range).collect()
}
