use super::{Linear, Workspace};
use bertqa_kernels::Activation;

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
