//! The forward pass over a group of windows.

use rayon::prelude::*;

use super::Precision;
use super::attention::{Attention, Heads};
use super::config::Config;
use super::family::Positions;
use super::profile::Operator;
use super::weights::{Layer, LinearBuffers, Weights};
use bertqa_kernels::Rows;

/// Rows of the feed-forward part computed at a time, so that its widest matrix stays in the cache.
const FEED_FORWARD_ROWS: usize = 64;

/// A window's tokens.
#[derive(Debug, Clone, Copy)]
pub struct Window<'a> {
    pub input_ids: &'a [u32],
    pub token_type_ids: &'a [u32],
}

/// A network: its shape, its weights, and the file that holds the word embeddings.
#[derive(Clone, Copy)]
pub struct Network<'a> {
    pub config: &'a Config,
    pub precision: Precision,
    pub weights: &'a Weights,
    pub file: &'a [u8],
}

/// What all threads that work on a group of windows see of it. Buffers are kept from group to group.
#[derive(Debug, Default)]
pub struct Group {
    /// Where each window begins, and the total at the end.
    bounds: Vec<usize>,
    embedded: Vec<f32>,
    /// `[tokens, hidden_size]`
    hidden: Vec<f32>,
    /// `[tokens, 3 * hidden_size]`
    query_key_value: Vec<f32>,
}

/// What a thread needs for its part of a group.
#[derive(Debug, Default)]
pub struct Workspace {
    attention: Attention,
    pub linear: LinearBuffers,
    /// `[rows, hidden_size]`
    context: Vec<f32>,
    dense: Vec<f32>,
    /// `[rows, intermediate_size]`
    intermediate: Vec<f32>,
}

impl Network<'_> {
    /// Appends start and end logits of every token of `windows` to `logits`.
    ///
    /// The tokens are shared out over `workspaces`, each of which takes a thread of the current pool.
    pub fn forward(&self, windows: &[Window], group: &mut Group, workspaces: &mut [Workspace], logits: &mut Vec<f32>) {
        let Some((first_workspace, _)) = workspaces.split_first_mut() else { return };
        self.embed(windows, group, &mut first_workspace.linear);
        let Group { bounds, hidden, query_key_value, .. } = group;
        let size = self.config.hidden_size;
        let tokens = hidden.len() / size;
        let share = tokens.div_ceil(workspaces.len()).max(1);
        query_key_value.resize(tokens * 3 * size, 0.0);
        for layer in self.weights.layers() {
            let parts = hidden.par_chunks(share * size).zip(query_key_value.par_chunks_mut(share * 3 * size));
            parts.zip(workspaces.par_iter_mut()).for_each(|((hidden, output), workspace)| {
                let operator = Operator::QueryKeyValue;
                layer.query_key_value.forward(operator, hidden, &mut workspace.linear, output, None);
            });

            let parts = hidden.par_chunks_mut(share * size).zip(workspaces.par_iter_mut()).enumerate();
            parts.for_each(|(part, (hidden, workspace))| {
                workspace.attend(self, bounds, query_key_value, part * share, hidden);
                workspace.feed_forward(self.config, layer, hidden);
            });
        }
        let first = logits.len();
        logits.resize(first + 2 * tokens, 0.0);
        let buffers = &mut workspaces[0].linear;
        self.weights.head.forward(Operator::Head, hidden, buffers, &mut logits[first..], None);
    }

    fn embed(&self, windows: &[Window], group: &mut Group, buffers: &mut LinearBuffers) {
        let embeddings = &self.weights.embeddings;
        let size = self.config.embedding_size;
        group.bounds.clear();
        group.bounds.push(0);
        group.bounds.extend(windows.iter().scan(0, |end, window| {
            *end += window.input_ids.len();
            Some(*end)
        }));
        let tokens = group.bounds[windows.len()];
        let output = if embeddings.projection.is_some() { &mut group.embedded } else { &mut group.hidden };
        output.resize(tokens * size, 0.0);

        let spending = &mut buffers.spending;
        spending.measure(Operator::Embeddings, 0, || self.add_embeddings(windows, output));
        if let Some(projection) = &embeddings.projection {
            group.hidden.resize(tokens * self.config.hidden_size, 0.0);
            projection.forward(Operator::Embeddings, &group.embedded, buffers, &mut group.hidden, None);
        }
    }

    /// Fills `output` with the normalized sum of the embeddings, `[tokens, embedding_size]`.
    fn add_embeddings(&self, windows: &[Window], output: &mut [f32]) {
        let embeddings = &self.weights.embeddings;
        let size = self.config.embedding_size;
        let mut rows = output.chunks_exact_mut(size);
        for window in windows {
            let mut positions = self.positions();
            for (&id, &token_type) in window.input_ids.iter().zip(window.token_type_ids) {
                let Some(row) = rows.next() else { return };
                embeddings.words.read_row(self.file, id as usize, row);
                if let Some(token_types) = &embeddings.token_types {
                    add(row, &token_types[token_type as usize * size..]);
                }
                add(row, &embeddings.positions[positions(id) * size..]);
            }
        }
        embeddings.norm.apply(output);
    }

    /// Gives the position of each token of a window in turn.
    fn positions(&self) -> impl FnMut(u32) -> usize {
        let padding = self.config.pad_token_id;
        let kind = self.config.family.positions;
        let mut seen = 0;
        move |id| {
            if kind == Positions::AfterPadding && id == padding {
                return padding as usize;
            }
            seen += 1;
            match kind {
                Positions::FromZero => seen - 1,
                Positions::AfterPadding => padding as usize + seen,
            }
        }
    }
}

impl Workspace {
    /// Attention of the rows from `first` on, as many as `hidden` has, into `self.context`.
    fn attend(&mut self, network: &Network, bounds: &[usize], query_key_value: &[f32], first: usize, hidden: &[f32]) {
        let config = network.config;
        let size = config.hidden_size;
        let heads = Heads { count: config.attention_heads, size: config.head_size() };
        let end = first + hidden.len() / size;
        self.context.resize(hidden.len(), 0.0);
        for bound in bounds.windows(2) {
            let (start, stop) = (bound[0].max(first), bound[1].min(end));
            if start < stop {
                let window = Rows::dense(&query_key_value[bound[0] * 3 * size..bound[1] * 3 * size], 3 * size);
                let context = &mut self.context[(start - first) * size..(stop - first) * size];
                let queries = start - bound[0]..stop - bound[0];
                let operations = 4 * queries.len() * window.rows() * size;
                let attend = || self.attention.forward(network.precision, heads, window, queries, context);
                self.linear.spending.measure(Operator::Attention, operations, attend);
            }
        }
    }

    /// Everything after the attention of a layer: all of it works row by row.
    fn feed_forward(&mut self, config: &Config, layer: &Layer, hidden: &mut [f32]) {
        let block = FEED_FORWARD_ROWS * config.hidden_size;
        for (hidden, context) in hidden.chunks_mut(block).zip(self.context.chunks(block)) {
            let rows = hidden.len() / config.hidden_size;
            self.dense.resize(hidden.len(), 0.0);
            self.intermediate.resize(rows * config.intermediate_size, 0.0);

            let buffers = &mut self.linear;
            layer.attention_output.forward(Operator::AttentionOutput, context, buffers, &mut self.dense, None);
            buffers.spending.measure(Operator::Norm, 0, || layer.attention_norm.apply_residual(hidden, &self.dense));
            let activation = Some(config.activation);
            layer.intermediate.forward(Operator::Intermediate, hidden, buffers, &mut self.intermediate, activation);
            layer.output.forward(Operator::Output, &self.intermediate, buffers, &mut self.dense, None);
            buffers.spending.measure(Operator::Norm, 0, || layer.output_norm.apply_residual(hidden, &self.dense));
        }
    }
}

fn add(row: &mut [f32], other: &[f32]) {
    for (value, other) in row.iter_mut().zip(other) {
        *value += other;
    }
}
