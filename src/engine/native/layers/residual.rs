use std::borrow::Cow;

use super::{LinearBuffers, Workspace};
use crate::engine::native::profile::Operator;
use bertqa_kernels::LayerNorm;

/// A residual connection around a part of a layer, and where its normalization stands.
#[derive(Debug)]
pub(crate) enum Residual {
    /// `norm(x + part(x))`
    NormAfter(LayerNorm),
    /// `x + part(norm(x))`
    NormBefore(LayerNorm),
}

impl Residual {
    /// What the part takes of `hidden`. A copy is made in the workspace's `normalized`; give it back with [`restore`].
    pub(crate) fn input<'a>(&self, hidden: &'a [f32], workspace: &mut Workspace) -> Cow<'a, [f32]> {
        match self {
            Self::NormAfter(_) => Cow::Borrowed(hidden),
            Self::NormBefore(norm) => {
                let mut normed = std::mem::take(&mut workspace.normalized);
                normed.clear();
                normed.extend_from_slice(hidden);
                workspace.linear.times.measure(Operator::Norm, 0, || norm.apply(&mut normed));
                Cow::Owned(normed)
            }
        }
    }

    /// Adds what the part gave to `hidden`.
    pub(crate) fn add(&self, hidden: &mut [f32], output: &[f32], linear: &mut LinearBuffers) {
        linear.times.measure(Operator::Norm, 0, || match self {
            Self::NormAfter(norm) => norm.apply_residual(hidden, output),
            Self::NormBefore(_) => hidden.iter_mut().zip(output).for_each(|(value, output)| *value += output),
        });
    }
}

/// Keeps the buffer of [`Residual::input`] for the next time.
pub(crate) fn restore(input: Cow<[f32]>, workspace: &mut Workspace) {
    if let Cow::Owned(buffer) = input {
        workspace.normalized = buffer;
    }
}
