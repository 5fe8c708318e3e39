use super::{Linear, Workspace};
use crate::engine::native::profile::Operator;
use crate::engine::native::tensors::Tensor;
use crate::engine::native::windows::{Window, Windows};
use bertqa_kernels::LayerNorm;

/// Where the position ids of a window begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Positions {
    /// 0, 1, 2, ...
    FromZero,
    /// `pad_token_id + 1`, ...; a padding token itself has position `pad_token_id` and is not counted
    /// (transformers' `create_position_ids_from_input_ids`).
    AfterPadding { pad_token_id: u32 },
}

/// Embeddings of absolute positions.
#[derive(Debug)]
pub(crate) struct PositionEmbeddings {
    /// `[position_embeddings, embedding_size]`
    pub table: Vec<f32>,
    pub positions: Positions,
}

/// Sums of embeddings, normalized.
#[derive(Debug)]
pub(crate) struct Embeddings {
    /// `[vocab_size, embedding_size]`, left in the file: a window needs few of its rows.
    pub words: Tensor,
    pub positions: Option<PositionEmbeddings>,
    /// `[type_vocab_size, embedding_size]`
    pub token_types: Option<Vec<f32>>,
    pub norm: Option<LayerNorm>,
    /// To the hidden size, where it differs.
    pub projection: Option<Linear>,
    /// Whether the projection comes before the normalization.
    pub projects_first: bool,
}

impl Embeddings {
    /// Fills `hidden`, `[tokens, hidden_size]`.
    pub(crate) fn forward(&self, windows: &Windows, hidden: &mut Vec<f32>, workspace: &mut Workspace) {
        let tokens = windows.tokens();
        let Workspace { linear, embedded, .. } = workspace;
        let output = if self.projection.is_some() { &mut *embedded } else { &mut *hidden };
        output.resize(tokens * self.words.cols(), 0.0);
        linear.times.measure(Operator::Embeddings, 0, || self.sum(windows, output));
        let norm_first = !(self.projects_first && self.projection.is_some());
        if norm_first {
            linear.times.measure(Operator::Embeddings, 0, || self.normalize(output));
        }
        if let Some(projection) = &self.projection {
            hidden.resize(tokens * projection.outputs(), 0.0);
            projection.forward(embedded, linear, hidden, None);
        }
        if !norm_first {
            linear.times.measure(Operator::Embeddings, 0, || self.normalize(hidden));
        }
    }

    fn normalize(&self, values: &mut [f32]) {
        if let Some(norm) = &self.norm {
            norm.apply(values);
        }
    }

    /// Fills `output` with the sum of the embeddings, `[tokens, embedding_size]`.
    fn sum(&self, windows: &Windows, output: &mut [f32]) {
        let size = self.words.cols();
        let mut rows = output.chunks_exact_mut(size);
        for Window { input_ids, token_type_ids } in windows.iter() {
            let mut positions = self.positions.as_ref().map(|embeddings| (embeddings, embeddings.positions.counter()));
            for (&id, &token_type) in input_ids.iter().zip(*token_type_ids) {
                let Some(row) = rows.next() else { return };
                self.words.read_row(id as usize, row);
                if let Some(token_types) = &self.token_types {
                    add(row, &token_types[token_type as usize * size..]);
                }
                if let Some((embeddings, position)) = &mut positions {
                    add(row, &embeddings.table[position(id) * size..]);
                }
            }
        }
    }
}

impl Positions {
    /// How many of the rows of the position embeddings are for tokens.
    pub(crate) fn usable(self, rows: usize) -> usize {
        match self {
            Self::FromZero => rows,
            Self::AfterPadding { pad_token_id } => rows.saturating_sub(pad_token_id as usize + 1),
        }
    }

    /// Gives the position of each token of a window in turn.
    fn counter(self) -> impl FnMut(u32) -> usize {
        let mut seen = 0;
        move |id| match self {
            Self::AfterPadding { pad_token_id } if id == pad_token_id => pad_token_id as usize,
            Self::FromZero => {
                seen += 1;
                seen - 1
            }
            Self::AfterPadding { pad_token_id } => {
                seen += 1;
                pad_token_id as usize + seen
            }
        }
    }
}

fn add(row: &mut [f32], other: &[f32]) {
    for (value, other) in row.iter_mut().zip(other) {
        *value += other;
    }
}
