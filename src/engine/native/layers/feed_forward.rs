use super::{Linear, Workspace};
use crate::engine::native::profile::Operator;
use bertqa_kernels::{Activation, Rows, gate};

/// `output(activation(intermediate(x)))`
#[derive(Debug)]
pub(crate) struct FeedForward {
    pub intermediate: Linear,
    pub activation: Activation,
    /// Its input comes from an activation: [`Spread::Skewed`](bertqa_kernels::Spread::Skewed).
    pub output: Linear,
}

impl FeedForward {
    /// Writes to the workspace's dense, `[rows, hidden_size]` as `hidden`.
    pub(crate) fn forward(&self, hidden: &[f32], workspace: &mut Workspace) {
        let Workspace { linear, dense, intermediate, .. } = workspace;
        let rows = hidden.len() / self.intermediate.inputs();
        intermediate.resize(rows * self.intermediate.outputs(), 0.0);
        dense.resize(rows * self.output.outputs(), 0.0);
        self.intermediate.forward(hidden, linear, intermediate, Some(self.activation));
        self.output.forward(intermediate, linear, dense, None);
    }
}

/// `output(activation(a) · b)`, where `intermediate(x)` is `a` beside `b`.
#[derive(Debug)]
pub(crate) struct GatedFeedForward {
    /// `[2 * intermediate_size, hidden_size]`
    pub intermediate: Linear,
    pub activation: Activation,
    pub output: Linear,
}

impl GatedFeedForward {
    /// Writes to the workspace's dense, `[rows, hidden_size]` as `hidden`.
    pub(crate) fn forward(&self, hidden: &[f32], workspace: &mut Workspace) {
        let Workspace { linear, dense, intermediate, gated, .. } = workspace;
        let rows = hidden.len() / self.intermediate.inputs();
        intermediate.resize(rows * self.intermediate.outputs(), 0.0);
        gated.resize(rows * self.output.inputs(), 0.0);
        dense.resize(rows * self.output.outputs(), 0.0);
        self.intermediate.forward(hidden, linear, intermediate, None);
        let input = Rows::dense(intermediate, self.intermediate.outputs());
        let approximate = self.output.is_quantized();
        linear.times.measure(Operator::Gate, 0, || gate(gated, input, self.activation, approximate));
        self.output.forward(gated, linear, dense, None);
    }
}
