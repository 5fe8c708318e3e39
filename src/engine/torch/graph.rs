//! All that is used of the crate `tch`: what its versions from 0.10 (torch 1.13) on have in common.

use std::path::Path;

use tch::{CModule, Cuda, IValue, Kind, TchError, Tensor};

use crate::engine::Device;

/// What torch says of a failure.
#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    /// The device has not enough memory.
    #[error("{0}")]
    OutOfMemory(String),
    /// Any other failure, in torch's words.
    #[error("{0}")]
    Torch(String),
    /// The graph returns something else than logits.
    #[error("the model's output is {found}, where (start_logits, end_logits) of {expected:?} were expected")]
    Output {
        /// What it returns.
        found: String,
        /// `[rows, seq_len]`
        expected: [usize; 2],
    },
}

/// A TorchScript graph on its device.
pub(super) struct Graph {
    module: CModule,
    device: tch::Device,
}

impl Graph {
    pub(super) fn load(path: &Path, device: Device) -> Result<Self, GraphError> {
        let (module, device) = match device {
            Device::Cpu => (CModule::load_on_device(path, tch::Device::Cpu), tch::Device::Cpu),
            Device::Cuda(index) => (CModule::load_on_device(path, tch::Device::Cuda(index)), tch::Device::Cuda(index)),
            // Its operators put it where it runs, and take what lies in the host's memory.
            Device::NeuronCore(_) => (CModule::load(path), tch::Device::Cpu),
        };
        Ok(Self { module: module?, device })
    }

    /// Start and end logits `[rows, seq_len]` for inputs of that shape.
    pub(super) fn forward(&self, inputs: &[Vec<i64>], shape: [usize; 2]) -> Result<[Vec<f32>; 2], GraphError> {
        let size = shape.map(|length| length as i64);
        let tensor = |values| Tensor::try_from(values)?.f_view(size.as_slice())?.f_to_device(self.device);
        let inputs = inputs.iter().map(|values| tensor(values).map(IValue::Tensor)).collect::<Result<Vec<_>, _>>()?;
        let output = tch::no_grad(|| self.module.forward_is(&inputs))?;
        let [start, end] = start_and_end(output).map_err(|found| GraphError::Output { found, expected: shape })?;
        Ok([values(&start, shape)?, values(&end, shape)?])
    }
}

/// The two logits of a tuple or list, or of a dict by their names; or what there is instead.
fn start_and_end(output: IValue) -> Result<[Tensor; 2], String> {
    match output {
        IValue::Tuple(items) | IValue::GenericList(items) => {
            let count = items.len();
            let tensors = items.into_iter().map_while(|item| match item {
                IValue::Tensor(tensor) => Some(tensor),
                _ => None,
            });
            first_two(tensors.collect()).ok_or_else(|| format!("a tuple of {count}"))
        }
        IValue::TensorList(tensors) => {
            let count = tensors.len();
            first_two(tensors).ok_or_else(|| format!("a list of {count}"))
        }
        IValue::GenericDict(items) => {
            let mut start = None;
            let mut end = None;
            let mut names = Vec::new();
            for item in items {
                match item {
                    (IValue::String(name), IValue::Tensor(tensor)) if name == "start_logits" => start = Some(tensor),
                    (IValue::String(name), IValue::Tensor(tensor)) if name == "end_logits" => end = Some(tensor),
                    (IValue::String(name), _) => names.push(name),
                    _ => {}
                }
            }
            start.zip(end).map(Into::into).ok_or_else(|| format!("a dict with {}", names.join(", ")))
        }
        IValue::Tensor(tensor) => Err(format!("one tensor of {:?}", tensor.size())),
        _ => Err("neither a tuple nor a dict".to_owned()),
    }
}

/// Of more, the first two are the logits (hidden states and attentions come after them).
fn first_two(tensors: Vec<Tensor>) -> Option<[Tensor; 2]> {
    let mut tensors = tensors.into_iter();
    Some([tensors.next()?, tensors.next()?])
}

fn values(tensor: &Tensor, shape: [usize; 2]) -> Result<Vec<f32>, GraphError> {
    let size = tensor.size();
    if size != shape.map(|length| length as i64) {
        return Err(GraphError::Output { found: format!("of {size:?}"), expected: shape });
    }
    let tensor = tensor.f_to_kind(Kind::Float)?.f_to_device(tch::Device::Cpu)?.f_contiguous()?;
    let mut values = vec![0.0; shape[0] * shape[1]];
    let count = values.len();
    tensor.f_copy_data(&mut values, count)?;
    Ok(values)
}

/// Threads for one operation on the processor.
pub(super) fn set_threads(threads: usize) {
    tch::set_num_threads(i32::try_from(threads).unwrap_or(i32::MAX));
}

/// CUDA devices that torch can use.
pub(super) fn cuda_devices() -> usize {
    usize::try_from(Cuda::device_count()).unwrap_or(0)
}

impl From<TchError> for GraphError {
    fn from(error: TchError) -> Self {
        // The allocators of CUDA, of its libraries, and of the processor: torch passes on no more than the text.
        const OUT_OF_MEMORY: [&str; 4] =
            ["out of memory", "STATUS_ALLOC_FAILED", "can't allocate memory", "not enough memory"];
        let text = match error {
            TchError::Torch(text) => text,
            other => other.to_string(),
        };
        let reason = reason(&text);
        match OUT_OF_MEMORY.iter().any(|sign| text.contains(sign)) {
            true => Self::OutOfMemory(reason),
            false => Self::Torch(reason),
        }
    }
}

/// What happened, without the stack of C++ and the listing of TorchScript around it.
fn reason(text: &str) -> String {
    let text = text.split("\nException raised from").next().unwrap_or(text);
    let text = text.rsplit_once("\nRuntimeError: ").map_or(text, |(_, reason)| reason);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_distinguished_from_other_failures() {
        for text in [
            "CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 14.76 GiB total capacity)",
            "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported",
            "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
            "[enforce fail at alloc_cpu.cpp:75] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to \
             allocate 70368744177664 bytes. Error code 12 (Cannot allocate memory)",
        ] {
            assert!(matches!(TchError::Torch(text.into()).into(), GraphError::OutOfMemory(_)), "{text}");
        }
        for text in ["CUDA error: an illegal memory access was encountered", "CUDA error: device-side assert triggered"]
        {
            assert!(matches!(TchError::Torch(text.into()).into(), GraphError::Torch(_)), "{text}");
        }
    }

    #[test]
    fn the_reason_is_what_is_said() {
        let text = "The following operation failed in the TorchScript interpreter.\nTraceback of TorchScript, serialized \
                    code (most recent call last):\n  File \"code/__torch__.py\", line 9, in forward\n    x = f(y)\n        \
                    ~ <--- HERE\n\nTraceback of TorchScript, original code (most recent call last):\n  g\nRuntimeError: \
                    index out of range\nin self\n";
        assert_eq!(reason(text), "index out of range in self");
        assert_eq!(
            reason("no CUDA\nException raised from f at g.cpp:3 (most recent call first):\nframe #0"),
            "no CUDA"
        );
    }
}
