use super::Machine;

/// A CUDA device.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CudaDevice {
    /// CUDA's number, as in `cuda:INDEX`.
    pub index: usize,
    /// As nvidia-smi calls it.
    pub name: String,
    /// NVIDIA's identifier of the device.
    pub uuid: String,
    /// `None` where it has none of its own.
    pub memory_bytes: Option<u64>,
    /// Memory that nothing uses.
    pub free_bytes: Option<u64>,
}

const VISIBLE: &str = "CUDA_VISIBLE_DEVICES";

/// The devices that this process may use, as nvidia-smi lists them.
pub(super) fn find(machine: &Machine, problems: &mut Vec<String>) -> Vec<CudaDevice> {
    let query = ["--query-gpu=index,name,uuid,memory.total,memory.free", "--format=csv,noheader,nounits"];
    let listed = match machine.ask("nvidia-smi", &query) {
        Some(Ok(listed)) => listed,
        Some(Err(error)) => {
            problems.push(error);
            return Vec::new();
        }
        None => {
            if machine.path("dev/nvidia0").exists() {
                problems.push("there is /dev/nvidia0, but no nvidia-smi on PATH to identify it".to_owned());
            }
            return Vec::new();
        }
    };
    let lines = csv::ReaderBuilder::new().has_headers(false).trim(csv::Trim::All).from_reader(listed.as_bytes());
    match lines.into_deserialize().map(|line| line.map(device)).collect() {
        Ok(devices) => visible(devices, machine.variable(VISIBLE), problems),
        Err(error) => {
            problems.push(format!("nvidia-smi's list of devices can't be read: {error}"));
            Vec::new()
        }
    }
}

fn device((index, name, uuid, total, free): (usize, String, String, String, String)) -> CudaDevice {
    let bytes = |mebibytes: String| Some(mebibytes.parse::<u64>().ok()? << 20);
    CudaDevice { index, name, uuid, memory_bytes: bytes(total), free_bytes: bytes(free) }
}

/// Those that the variable names, in its order and numbered anew, as CUDA does: what comes after a name of no device
/// is not seen.
fn visible(devices: Vec<CudaDevice>, names: Option<&str>, problems: &mut Vec<String>) -> Vec<CudaDevice> {
    let Some(names) = names else { return devices };
    let mut seen = Vec::new();
    for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let is_named = |device: &&CudaDevice| match name.parse::<usize>() {
            Ok(index) => device.index == index,
            Err(_) => name.starts_with("GPU-") && device.uuid.starts_with(name),
        };
        let Some(device) = devices.iter().find(is_named) else {
            if name != "-1" {
                problems.push(format!("{VISIBLE}={names}: there is no device {name}"));
            }
            break;
        };
        seen.push(CudaDevice { index: seen.len(), ..device.clone() });
    }
    if seen.len() < devices.len() {
        problems.push(format!("{VISIBLE}={names} leaves {} of {} CUDA devices", seen.len(), devices.len()));
    }
    seen
}
