//! On machines of files and programs that take the place of the real ones.

use std::path::{Path, PathBuf};

use super::*;

fn root(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/machines").join(name)
}

fn machine(name: &str, variables: &[(&'static str, &str)]) -> Machine {
    let root = root(name);
    let path = ("PATH", root.join("bin").display().to_string());
    Machine::at(&root, variables.iter().map(|(name, value)| (*name, (*value).to_owned())).chain([path]))
}

#[test]
fn a_machine_of_a_processor_alone() {
    let found = Hardware::find(&machine("bare", &[]));
    assert!((found.cuda.is_empty(), found.neuron.is_empty(), found.neuron_cores.is_empty()) == (true, true, true));
    assert_eq!(found.problems, Vec::<String>::new());
    assert!(found.cpu.cores > 0 && !found.cpu.instructions.f32.is_empty());
    assert_eq!(found.auto().devices, ["cpu"]);
}

#[test]
fn cuda_devices_are_those_of_nvidia_smi() {
    let found = Hardware::find(&machine("gpus", &[]));
    let (mebi, devices) = (1 << 20, &found.cuda);
    assert_eq!((devices[0].name.as_str(), devices[1].name.as_str()), ("NVIDIA H100 80GB HBM3", "NVIDIA GB10"));
    assert_eq!((devices[0].memory_bytes, devices[0].free_bytes), (Some(81559 * mebi), Some(79647 * mebi)));
    assert_eq!((devices[1].memory_bytes, devices[1].free_bytes), (None, None));
    assert_eq!(found.auto().devices, ["cuda:0", "cuda:1"]);
    assert!(found.problems.is_empty(), "{:?}", found.problems);
}

#[test]
fn cuda_devices_are_numbered_as_they_are_visible() {
    let visible = |names| {
        let found = Hardware::find(&machine("gpus", &[("CUDA_VISIBLE_DEVICES", names)]));
        let named: Vec<_> = found.cuda.iter().map(|device| (device.index, device.name.clone())).collect();
        (named, found.problems)
    };
    let (h100, gb10) = ("NVIDIA H100 80GB HBM3".to_owned(), "NVIDIA GB10".to_owned());
    assert_eq!(visible("1,0"), (vec![(0, gb10.clone()), (1, h100.clone())], vec![]));
    let (devices, problems) = visible("GPU-9b8e");
    assert_eq!(devices, [(0, gb10)]);
    assert_eq!(problems, ["CUDA_VISIBLE_DEVICES=GPU-9b8e leaves 1 of 2 CUDA devices"]);
    // What comes after a name of no device is not seen.
    let (devices, problems) = visible("0,7,1");
    assert_eq!(devices, [(0, h100)]);
    assert_eq!(problems[0], "CUDA_VISIBLE_DEVICES=0,7,1: there is no device 7");
    for none in ["", "-1"] {
        let (devices, problems) = visible(none);
        assert!(devices.is_empty() && problems.len() == 1, "{problems:?}");
    }
}

#[test]
fn programs_that_fail_are_reported() {
    let found = Hardware::find(&machine("no-driver", &[]));
    assert_eq!((found.cuda.len(), found.neuron.len(), found.neuron_cores.len()), (0, 1, 0));
    assert!(found.problems[0].contains("couldn't communicate with the NVIDIA driver"), "{:?}", found.problems);
    assert!(found.problems[1].contains("neuron-ls failed"), "{:?}", found.problems);
    assert_eq!(found.problems[1..][1], CoresError::Unknown { device: 0 }.to_string());
    assert_eq!(found.auto().devices, ["cpu"]);
    // Whoever says how many there are is believed.
    assert_eq!(neuron_cores(&machine("no-driver", &[("NEURON_RT_NUM_CORES", "2")])), Ok(vec![0, 1]));
}

#[test]
fn neuron_cores_are_those_of_neuron_ls() {
    let found = Hardware::find(&machine("inf2", &[]));
    let device = |index| NeuronDevice { index, cores: Some(2), memory_bytes: Some(32 << 30) };
    assert_eq!(found.neuron, [device(0), device(1)]);
    assert_eq!(found.neuron_cores, [0, 1, 2, 3]);
    assert_eq!(found.auto().devices, ["neuron:0", "neuron:1", "neuron:2", "neuron:3"]);
    assert!(found.problems.is_empty(), "{:?}", found.problems);
}

#[test]
fn without_neuron_ls_the_driver_says_how_many_cores_there_are() {
    let found = Hardware::find(&machine("inf1", &[]));
    let device = |index| NeuronDevice { index, cores: Some(4), memory_bytes: None };
    assert_eq!(found.neuron, [device(0), device(1)]);
    assert_eq!(found.neuron_cores, (0..8).collect::<Vec<_>>());
}

#[test]
fn variables_say_which_neuron_cores_are_for_this_process() {
    let cores = |name, variables: &[(&'static str, &str)]| neuron_cores(&machine(name, variables));
    let (visible, count) = ("NEURON_RT_VISIBLE_CORES", "NEURON_RT_NUM_CORES");
    assert_eq!(cores("inf1", &[(visible, "0-2,5")]), Ok(vec![0, 1, 2, 5]));
    assert_eq!(cores("inf1", &[(visible, " 5, 0 - 1,1 ")]), Ok(vec![0, 1, 5]));
    assert_eq!(cores("inf1", &[(visible, "7")]), Ok(vec![7]));
    assert_eq!(cores("inf1", &[(count, "3")]), Ok(vec![0, 1, 2]));
    assert_eq!(cores("inf1", &[(count, "3"), (visible, "4-5")]), Ok(vec![4, 5]));
    assert_eq!(cores("inf1", &[(count, "")]).map(|cores| cores.len()), Ok(8));
    // Also where no device shows.
    assert_eq!(cores("bare", &[(count, "2")]), Ok(vec![0, 1]));
    assert_eq!(cores("bare", &[]), Ok(vec![]));

    for wrong in ["x", "0-", "3-1", "0..3", "0,,1", "-1"] {
        assert_eq!(cores("inf1", &[(visible, wrong)]), Err(CoresError::List { value: wrong.to_owned() }));
    }
    for wrong in ["x", "-1", "0-3"] {
        assert_eq!(cores("inf1", &[(count, wrong)]), Err(CoresError::Count { value: wrong.to_owned() }));
    }
    for (variable, value, name, most) in [
        (visible, "5-8", "inf1", 8),
        (count, "9", "inf1", 8),
        (count, "99999999999999", "bare", 1024),
        (visible, "0-18446744073709551615", "bare", 1024),
    ] {
        let error = cores(name, &[(variable, value)]).unwrap_err();
        assert_eq!(error, CoresError::TooMany { variable, value: value.to_owned(), cores: most });
    }
}

#[test]
fn devices_without_their_tool_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("dev")).unwrap();
    std::fs::write(folder.path().join("dev/nvidia0"), "").unwrap();
    let found = Hardware::find(&Machine::at(folder.path(), []));
    assert_eq!(found.problems, ["there is /dev/nvidia0, but no nvidia-smi on PATH to identify it"]);
}
