//! Where networks run, and how that is asked for.

use std::fmt;
use std::str::FromStr;

/// A device that an engine has to itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Device {
    /// The processor.
    Cpu,
    /// By CUDA's number.
    Cuda(usize),
    /// By the Neuron runtime's number.
    NeuronCore(usize),
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
            Self::NeuronCore(index) => write!(f, "NeuronCore {index}"),
        }
    }
}

/// A kind of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceKind {
    /// The processor.
    Cpu,
    /// CUDA devices.
    Cuda,
    /// NeuronCores.
    Neuron,
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Neuron => "neuron",
        })
    }
}

/// One of the devices asked for: `cpu`, `cuda` and `neuron` for all of the kind, `cuda:1` and `neuron:3` for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceChoice {
    /// What kind of device.
    pub kind: DeviceKind,
    /// `None` for all.
    pub index: Option<usize>,
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        self.index.map_or(Ok(()), |index| write!(f, ":{index}"))
    }
}

/// On which devices a network is to run: `auto`, or [choices](DeviceChoice) separated by commas.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Devices {
    /// What fits the model, the fastest that there is.
    #[default]
    Auto,
    /// Explicit, all of one kind; never empty.
    Explicit(Vec<DeviceChoice>),
}

impl Devices {
    /// The kind that is asked for, if one is.
    pub fn kind(&self) -> Option<DeviceKind> {
        match self {
            Self::Auto => None,
            Self::Explicit(choices) => choices.first().map(|choice| choice.kind),
        }
    }

    /// Those of `available`, the devices of the kind asked for by their numbers, that are asked for, each once and in
    /// the order of `available`.
    ///
    /// # Errors
    /// The first one asked for that is not there.
    pub fn select(&self, available: &[usize]) -> Result<Vec<usize>, DeviceChoice> {
        let Self::Explicit(choices) = self else { return Ok(available.to_vec()) };
        let absent = |choice: &&DeviceChoice| choice.index.is_some_and(|index| !available.contains(&index));
        if let Some(choice) = choices.iter().find(absent) {
            return Err(*choice);
        }
        let asked = |index: &usize| choices.iter().any(|choice| choice.index.is_none_or(|asked| asked == *index));
        Ok(available.iter().copied().filter(asked).collect())
    }
}

/// A text that names no devices.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceSyntax {
    /// A text that names none.
    #[error("{0:?} is no device: auto, cpu, cuda, cuda:N, neuron, neuron:N, or several separated by commas")]
    Unknown(String),
    /// Devices of two kinds.
    #[error("{0} and {1} are of different kinds, and a model is compiled for one")]
    Mixed(DeviceChoice, DeviceChoice),
}

impl FromStr for Devices {
    type Err = DeviceSyntax;

    fn from_str(text: &str) -> Result<Self, DeviceSyntax> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let choices: Vec<DeviceChoice> = text.split(',').map(str::parse).collect::<Result<_, _>>()?;
        match choices.iter().find(|choice| choice.kind != choices[0].kind) {
            Some(other) => Err(DeviceSyntax::Mixed(choices[0], *other)),
            None => Ok(Self::Explicit(choices)),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = DeviceSyntax;

    fn from_str(text: &str) -> Result<Self, DeviceSyntax> {
        let unknown = || DeviceSyntax::Unknown(text.to_owned());
        let (kind, index) = match text.split_once(':') {
            Some((kind, index)) => (kind, Some(index.parse().map_err(|_| unknown())?)),
            None => (text, None),
        };
        let kind = match kind {
            "cpu" if index.is_none() => DeviceKind::Cpu,
            "cuda" => DeviceKind::Cuda,
            "neuron" => DeviceKind::Neuron,
            _ => return Err(unknown()),
        };
        Ok(Self { kind, index })
    }
}

impl fmt::Display for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Explicit(choices) = self else { return f.write_str("auto") };
        for (place, choice) in choices.iter().enumerate() {
            write!(f, "{}{choice}", if place > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_as_they_are_written() {
        for text in ["auto", "cpu", "cuda", "cuda:0,cuda:1", "neuron", "neuron:3"] {
            assert_eq!(text.parse::<Devices>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_names_no_device_is_refused() {
        for text in ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "cpu:0", "auto,cpu", "cuda,", "Cuda"] {
            assert!(matches!(text.parse::<Devices>(), Err(DeviceSyntax::Unknown(_))), "{text}");
        }
        assert!(matches!("cuda:0,cpu".parse::<Devices>(), Err(DeviceSyntax::Mixed(..))));
    }

    #[test]
    fn devices_are_selected_once_and_in_order() {
        let select = |text: &str| text.parse::<Devices>().unwrap().select(&[0, 2, 5]).map_err(|choice| choice.index);
        assert_eq!(select("auto"), Ok(vec![0, 2, 5]));
        assert_eq!(select("cuda"), Ok(vec![0, 2, 5]));
        assert_eq!(select("cuda:5,cuda:0,cuda:5"), Ok(vec![0, 5]));
        assert_eq!(select("cuda:0,cuda:1"), Err(Some(1)));
    }
}
