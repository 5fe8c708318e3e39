use super::{Linear, Workspace};
use crate::engine::native::profile::Operator;
use bertqa_kernels::{Activation, Rows, gate, grow};

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
        let size = self.intermediate.inputs();
        let rows = hidden.len() / size;
        dense.resize(rows * self.output.outputs(), 0.0);
        self.output.forward_made(rows, linear, intermediate, dense, |part, linear, out| {
            let hidden = &hidden[part.start * size..part.end * size];
            self.intermediate.forward(hidden, linear, out, Some(self.activation));
        });
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
        let (size, width) = (self.intermediate.inputs(), self.intermediate.outputs());
        let rows = hidden.len() / size;
        dense.resize(rows * self.output.outputs(), 0.0);
        let approximate = self.output.is_quantized();
        self.output.forward_made(rows, linear, gated, dense, |part, linear, out| {
            grow(intermediate, part.len() * width, 0.0);
            let intermediate = &mut intermediate[..part.len() * width];
            self.intermediate.forward(&hidden[part.start * size..part.end * size], linear, intermediate, None);
            let input = Rows::dense(intermediate, width);
            linear.times.measure(Operator::Gate, 0, || gate(out, input, self.activation, approximate));
        });
    }
}
